"""What one process of the cohort engine does: train groups of clients, and predict."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from federa.engines.evaluation import predict_batches
from federa.engines.folding import fold_low_rank
from federa.engines.prefixes import Prefixes
from federa.engines.stacked_training import Trainer, Work
from federa.engines.stacking import inputs_of, stack_model
from federa.engines.workers import one_line
from federa.last_layer import read_first_position_only
from federa.local import LocalSetup, load_params
from federa.types import ClientFailure, Tensors, Upload

if TYPE_CHECKING:
    import numpy


class StackedWorker:
    """A model for training, stacked, and one for scoring, folded, which share what is frozen."""

    def __init__(self, setup: LocalSetup) -> None:
        self.setup = setup
        masters: Tensors = {}
        model, layout = setup.build(masters)
        first_position = read_first_position_only(model)
        self.prefixes = Prefixes.of(setup, model, first_position)
        self.scored = _sharing_copy(model)
        self.folded = fold_low_rank(self.scored, layout, masters)
        inputs = inputs_of(setup.task, setup.examples, setup.plan.device)
        cohort = stack_model(model, layout.shared, inputs)
        trained: Any = torch.compile(model) if setup.plan.compile else model
        self.trainer = Trainer(setup, trained, cohort, setup.plan.max_tokens, self.prefixes)

    def answer(self, job: tuple[Any, ...]) -> Any:
        """Do a job: ``("train", round, group)`` or ``("predict", params, split, batches)``."""
        kind, *arguments = job
        work: dict[str, Callable[..., Any]] = {"train": self.train, "predict": self.predict}
        return work[kind](*arguments)

    def train(self, round: int, group: Sequence[Work]) -> list[Upload | ClientFailure]:
        """The clients of ``group`` together; if that raises, one by one, so that it is known whose
        fault it is."""
        try:
            return self.trainer.train(round, group)
        except Exception as error:  # whatever a client's data or numbers do, the round goes on
            if isinstance(error, torch.cuda.OutOfMemoryError) and self.trainer.max_tokens > 256:
                torch.cuda.empty_cache()
                self.trainer = replace(self.trainer, max_tokens=self.trainer.max_tokens // 2)
                return self.train(round, group)
            if len(group) == 1:
                return [ClientFailure(group[0].client, one_line(error))]
        return [answer for one in group for answer in self.train(round, [one])]

    def predict(
        self, params: Tensors, split: str, batches: Sequence[Sequence[int]]
    ) -> dict[int, numpy.ndarray]:
        """What the model with ``params`` says of each window in ``batches`` of a split."""
        folded = {name for part in self.folded for name in part.names}
        load_params(self.scored, {n: value for n, value in params.items() if n not in folded})
        for part in self.folded:
            part.fold(params)
        setup = self.setup
        encoded = setup.evaluation[split].encoded
        prepare = self.prefixes.provider(self.scored, encoded) if self.prefixes else None
        return predict_batches(
            setup.task, self.scored, encoded, batches, setup.plan.device, prepare=prepare
        )


def _sharing_copy(model: nn.Module) -> nn.Module:
    """The modules anew, with the same frozen tensors; those that are trained are copied."""
    frozen = [value for value in model.parameters() if not value.requires_grad]
    shared = {id(value): value for value in [*frozen, *model.buffers()]}
    copied: nn.Module = copy.deepcopy(model, shared)
    return copied.eval()
