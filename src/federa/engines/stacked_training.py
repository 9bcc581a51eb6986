"""The optimiser steps of several clients at once, each as ``local.train_client`` makes them.

Every trained tensor is a stack [C, ...]; clients with more steps come first, so that those which
are still training are the beginning of every stack, and those which have finished are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from federa.engines.chunks import Chunk, cut_step
from federa.local import on_device, work_of
from federa.types import ClientFailure, Download, Upload

if TYPE_CHECKING:
    from federa.engines.prefixes import Prefixes
    from federa.engines.stacked_modules import Cohort
    from federa.local import LocalSetup
    from federa.types import Tensors


@dataclass(frozen=True)
class Work:
    """What one client does in a round: what it received, and the windows of each step."""

    client: int
    download: Download
    batches: Sequence[Sequence[int]]


@dataclass
class Stacks:
    """Values, gradients and optimiser state of C clients, each by name, [C, ...] on the device.

    steps: made so far, once for every name, as torch's kernels want them.
    """

    values: Tensors
    grads: Tensors
    moments: tuple[Tensors, ...]
    steps: list[Tensor]
    received: Download

    @classmethod
    def of(cls, group: Sequence[Work], num_moments: int, device: str) -> Stacks:
        """The clients' stacks before their first step."""

        def stack(parts: Sequence[Tensors]) -> Tensors:
            return {name: _stacked([part[name] for part in parts], device) for name in parts[0]}

        params = stack([work.download.params for work in group])

        def zeros() -> Tensors:
            return {name: torch.zeros_like(value) for name, value in params.items()}

        values = {name: value.clone() for name, value in params.items()}
        extra = stack([work.download.extra for work in group])
        received = replace(group[0].download, params=params, extra=extra)
        steps = [torch.zeros((), device=device) for _ in params]
        return cls(values, zeros(), tuple(zeros() for _ in range(num_moments)), steps, received)


@dataclass
class Losses:
    """Sums [C] and counts [C] of the losses over all steps."""

    sums: Tensor
    counts: Tensor


def first(tensors: Tensors, number: int) -> Tensors:
    """The stacks of the first ``number`` clients, without a copy."""
    return {name: value[:number] for name, value in tensors.items()}


@dataclass
class Trainer:
    """A stacked model with what its steps need; ``train`` may be called again and again.

    max_tokens: of one forward and backward pass, padding included.
    """

    setup: LocalSetup
    model: nn.Module
    cohort: Cohort
    max_tokens: int
    prefixes: Prefixes | None = None
    start: Tensors = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.setup.train.weight_decay:
            self.start = on_device(self.setup.start, self.setup.plan.device)

    def train(self, round: int, group: Sequence[Work]) -> list[Upload | ClientFailure]:
        """Train the clients of ``group``, those with more steps first, for ``round`` (from 0)."""
        setup, device = self.setup, self.setup.plan.device
        rate = setup.train.rate(round, setup.num_rounds)
        stacks = Stacks.of(group, 2 if setup.train.optimizer == "adamw" else 1, device)
        zeros = torch.zeros(len(group), device=device)
        losses = Losses(zeros, zeros.clone())
        lengths = setup.examples.windows.lengths()
        provide = None
        if self.prefixes is not None:
            provide = self.prefixes.provider(self.model, setup.examples)
        self.model.eval()
        for step in range(len(group[0].batches)):
            batches = [work.batches[step] for work in group if len(work.batches) > step]
            counts = torch.zeros(len(batches), device=device)
            for chunk in cut_step(batches, lengths, self.max_tokens):
                if provide is not None:
                    provide(chunk.windows)
                self._accumulate(stacks, chunk, losses.sums, counts)
            losses.counts[: len(batches)] += counts
            self._step(stacks, counts, rate)
        return self._answers(group, stacks, losses, rate)

    def _accumulate(self, stacks: Stacks, chunk: Chunk, sums: Tensor, counts: Tensor) -> None:
        """Add the gradients of the chunk's summed losses, its loss sums and its counts."""
        setup, device = self.setup, self.setup.plan.device
        span = slice(chunk.begin, chunk.end)
        self.cohort.arrange(chunk.owners, device)
        self.cohort.values = {}
        for name, value in stacks.values.items():
            leaf = value[span].detach().requires_grad_()
            leaf.grad = stacks.grads[name][span]  # autograd adds to a gradient that is there
            self.cohort.values[name] = leaf
        batch = on_device(setup.task.collate(setup.examples, chunk.windows), device)
        losses, numbers = setup.task.loss(self.model, batch)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        owners = on_device({"owners": torch.tensor(chunk.owners)}, device)["owners"]
        sums[span].index_add_(0, owners, losses.detach().to(sums.dtype))
        counts[span].index_add_(0, owners, numbers.to(counts.dtype))

    def _step(self, stacks: Stacks, counts: Tensor, rate: float) -> None:
        """One optimiser step of the first ``len(counts)`` clients."""
        config, active = self.setup.train, len(counts)
        values, grads = first(stacks.values, active), first(stacks.grads, active)
        mean = 1 / counts.clamp(min=1)  # of loss sums; a batch without a word counts nothing
        scale = mean
        if config.max_grad_norm is not None:
            norms = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in grads.values()]
            norm = torch.linalg.vector_norm(torch.stack(norms), dim=0) * mean
            scale = mean * (config.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
        for gradient in grads.values():
            gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))
        received = replace(
            stacks.received,
            params=first(stacks.received.params, active),
            extra=first(stacks.received.extra, active),
        )
        adjusted = self.setup.rule.adjust_gradients(grads, values, received)
        if config.weight_decay:
            for name, value in values.items():
                value.sub_(value - self.start[name], alpha=rate * config.weight_decay)
        moments = [first(part, active) for part in stacks.moments]
        _update(config.optimizer, values, adjusted, moments, stacks.steps, rate, config.momentum)
        torch._foreach_zero_(list(grads.values()))

    def _answers(
        self, group: Sequence[Work], stacks: Stacks, losses: Losses, rate: float
    ) -> list[Upload | ClientFailure]:
        rule, sizes = self.setup.rule, self.setup.clients
        values = to_cpu(stacks.values)
        totals, numbers = losses.sums.tolist(), losses.counts.tolist()
        answers: list[Upload | ClientFailure] = []
        for place, work in enumerate(group):
            if not math.isfinite(totals[place]):
                answers.append(ClientFailure(work.client, NOT_FINITE))
                continue
            params = {name: value[place] for name, value in values.items()}
            extra = rule.finish(params, work.download, len(work.batches), rate)
            metrics = {
                "loss": totals[place] / max(1.0, numbers[place]),
                **work_of(self.setup, work.batches),
            }
            num_examples = len(sizes[work.client])
            answers.append(Upload(work.client, params, num_examples, extra, metrics))
        return answers


def _stacked(parts: Sequence[Tensor], device: str) -> Tensor:
    """[C, ...] on ``device``; what all clients received alike is sent there once."""
    if all(part is parts[0] for part in parts):
        return on_device({"": parts[0]}, device)[""].expand(len(parts), *parts[0].shape)
    return on_device({"": torch.stack(list(parts))}, device)[""]


def to_cpu(tensors: Tensors) -> Tensors:
    """The tensors on the CPU, those of a GPU through pinned memory."""
    if all(value.device.type == "cpu" for value in tensors.values()):
        return tensors
    held = {
        name: torch.empty_like(value, device="cpu", pin_memory=True).copy_(value, non_blocking=True)
        for name, value in tensors.items()
    }
    torch.cuda.synchronize()
    return held


NOT_FINITE = "FloatingPointError: the training loss is not finite; a smaller learning rate may help"


def _update(
    optimizer: str,
    values: Tensors,
    grads: Tensors,
    moments: Sequence[Tensors],
    steps: list[Tensor],
    rate: float,
    momentum: float,
) -> None:
    """One step of torch's own optimiser kernels; all of these clients have made the same number."""
    names = list(values)
    parameters, gradients = [values[n] for n in names], [grads[n] for n in names]
    state = [[part[n] for n in names] for part in moments]
    if optimizer == "sgd":
        if momentum:
            torch._foreach_mul_(state[0], momentum)
            torch._foreach_add_(state[0], gradients)
            gradients = state[0]
        torch._foreach_add_(parameters, gradients, alpha=-rate)
        return
    with torch.no_grad():
        adamw(
            parameters,
            gradients,
            state[0],
            state[1],
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
