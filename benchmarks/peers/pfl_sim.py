"""The work in Apple's pfl: SimulatedBackend and FederatedAveraging on one resident torch model.

python benchmarks/peers/pfl_sim.py WORKFOLDER [--threads 2]
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from bare import EVALUATION_BATCH_SIZE, build_model, load_params, read_params
from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam.base import NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn
from work import Meter, Texts, Work, read_work


class Classifier(nn.Module):
    """The model as pfl asks for it, with ``loss`` and ``metrics`` of a batch."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def loss(self, **batch: Tensor) -> Tensor:
        """Mean cross-entropy."""
        self.train()
        return self.model(**batch).loss

    @torch.no_grad()
    def metrics(self, labels: Tensor, **inputs: Tensor) -> dict[str, Weighted]:
        """Accuracy."""
        self.eval()
        right = int((self.model(**inputs).logits.argmax(dim=1) == labels).sum())
        return {"accuracy": Weighted(right, len(labels))}


class GivenBatches(Dataset):
    """Texts in given batches; its length, which is its weight, is given too."""

    def __init__(self, texts: Texts, steps: Sequence[Sequence[int]], length: int) -> None:
        super().__init__(raw_data=())
        self.texts, self.steps, self.length = texts, steps, length

    def __len__(self) -> int:
        return self.length

    def iter(self, batch_size: int | None) -> Iterator[dict[str, Tensor]]:
        """The batches, whatever size is asked for."""
        for rows in self.steps:
            yield self.texts.batch(rows)


class Averaging(FederatedAveraging):
    """Without the scores of each user's training data before and after the first round."""

    def get_next_central_contexts(self, *args: Any, **kwargs: Any) -> Any:
        contexts, model, metrics = super().get_next_central_contexts(*args, **kwargs)
        if contexts is not None:
            contexts = tuple(dataclasses.replace(c, do_evaluation=False) for c in contexts)
        return contexts, model, metrics


class CentralEvaluation(TrainingProcessCallback):
    """After every round; pfl's own callback leaves the first one out."""

    def __init__(self, work: Work, meter: Meter) -> None:
        texts, size = work.evaluation, EVALUATION_BATCH_SIZE
        steps = [range(n, min(n + size, len(texts))) for n in range(0, len(texts), size)]
        self.dataset, self.meter = GivenBatches(texts, steps, len(texts)), meter

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: PyTorchModel, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        began = time.perf_counter()
        metrics = model.evaluate(self.dataset)
        accuracy = float(metrics["accuracy"].overall_value)
        self.meter.finish_round(accuracy, time.perf_counter() - began)
        return False, metrics


def make_users(work: Work) -> FederatedDataset:
    """The clients in the order in which the rounds need them; a user is a (round, client)."""
    order = iter([(r, client) for r, cohort in enumerate(work.cohorts) for client in cohort])

    def make(user: tuple[int, int]) -> GivenBatches:
        return GivenBatches(work.train, work.steps[user], work.num_examples[user[1]])

    return FederatedDataset(make, lambda: next(order))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    meter = Meter()
    torch.set_num_threads(options.threads)
    work = read_work(options.folder)
    adapted, users = build_model(work), make_users(work)
    load_params(adapted, work.start())
    trained = [value for value in adapted.parameters() if value.requires_grad]
    model = PyTorchModel(
        Classifier(adapted),
        local_optimizer_create=partial(torch.optim.AdamW, weight_decay=0.0),
        central_optimizer=torch.optim.SGD(trained, lr=1.0),  # adds the mean change
    )
    meter.begin()
    Averaging().run(
        NNAlgorithmParams(
            central_num_iterations=len(work.cohorts),
            evaluation_frequency=1,
            train_cohort_size=len(work.cohorts[0]),
            val_cohort_size=0,
        ),
        SimulatedBackend(users, users, postprocessors=[WeightByDatapoints()]),
        model,
        NNTrainHyperParams(
            local_batch_size=None,
            local_num_epochs=1,
            local_learning_rate=work.learning_rate,
            local_max_grad_norm=work.max_grad_norm,
        ),
        callbacks=[CentralEvaluation(work, meter)],
        send_metrics_to_platform=False,
    )
    print(meter.report(work, read_params(adapted)))


if __name__ == "__main__":
    main()
