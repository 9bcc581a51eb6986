"""One client's training: what it needs to know, and its optimiser steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from federa.errors import ConfigError
from federa.seeding import numpy_generator, seeded_torch
from federa.tasks.windows import windows_of
from federa.train_config import TrainConfig
from federa.types import ClientSize, Plan, Upload

if TYPE_CHECKING:
    import numpy
    import torch
    from torch import Tensor, nn

    from federa.methods import PeftMethod
    from federa.rules import AggregationRule
    from federa.tasks import Encoded, Task
    from federa.types import Download, Layout, Tensors


@dataclass(frozen=True)
class EvaluationSet:
    """Encoded examples of one split, the rows that stand for each client, the seeded subset.

    clients: rows for each client, or None; subset: the rows scored during the run, or None for all;
    groups: rows of each group (source, domain) that is also scored by itself, by name.
    """

    encoded: Encoded
    clients: tuple[numpy.ndarray, ...] | None = None
    subset: numpy.ndarray | None = None
    groups: dict[str, numpy.ndarray] | None = None


@dataclass(frozen=True)
class RunSetup:
    """What everybody in a run knows of it, also a server that holds no data.

    source: folder or hub id; base_hash: of the encoder that the server factored; layout and start:
    the server's.
    """

    source: str
    labels: tuple[str, ...]
    task: Task
    method: PeftMethod
    rule: AggregationRule
    train: TrainConfig
    num_rounds: int
    seed: int
    base_hash: str
    layout: Layout
    start: Tensors
    plan: Plan

    def build(self, masters: Tensors | None = None) -> tuple[nn.Module, Layout]:
        """The model on its device, adapted and ready to train.

        masters: filled with the float32 weights below the low-rank pairs, before they are rounded.
        Raises: ModelError if the encoder here is not the one that the server factored; ConfigError
        if its layers are to be recomputed and cannot be.
        """
        from federa.models import hash_encoder
        from federa.precision import use_bf16
        from federa.recomputation import recompute_layers

        model = self.task.build_model(self.source, self.labels, self.seed)
        require_same_base(hash_encoder(model), self.base_hash, self.source)
        layout = self.method.attach(model, self.start)
        if masters is not None:
            for name in {pair.base for pair in layout.pairs}:
                layer = name.removesuffix(".weight")
                masters[name] = model.get_parameter(f"{layer}.base.weight").detach()
        if self.plan.precision == "bf16":
            use_bf16(model, frozenset(layout.head), self.plan.device)
        if self.train.gradient_checkpointing:
            recompute_layers(model)
        return model.to(self.plan.device), layout


@dataclass(frozen=True)
class LocalSetup(RunSetup):
    """What an engine that trains here, or a client, also holds: the data.

    clients: the training rows of each client, by its number.
    """

    examples: Encoded
    clients: Sequence[numpy.ndarray] | Mapping[int, numpy.ndarray]
    evaluation: dict[str, EvaluationSet]

    def windows(self, client: int) -> numpy.ndarray:
        """The training windows of ``client``, which are what its batches are drawn from."""
        return windows_of(self.examples.windows.window_offsets, self.clients[client])

    def size(self, client: int) -> ClientSize:
        """How much ``client`` holds."""
        return ClientSize(len(self.clients[client]), len(self.windows(client)))


def with_data(setup: RunSetup) -> LocalSetup:
    """``setup``, for an engine that trains here.

    Raises: ConfigError if the data is elsewhere.
    """
    if not isinstance(setup, LocalSetup):
        raise ConfigError(
            "engine: the rows are at the sites; only engine flower in mode deployment reaches them"
        )
    return setup


def require_same_base(found: str, expected: str, source: str) -> None:
    """Refuse to train on other base weights than the server's.

    Raises: ModelError.
    """
    from federa.errors import ModelError

    if found != expected:
        raise ModelError(
            f"model: the weights of {source} (SHA-256 {found[:12]}) differ from the server's "
            f"({expected[:12]})"
        )


def train_client(
    setup: LocalSetup,
    model: nn.Module,
    round: int,
    client: int,
    download: Download,
    seconds: float | None = None,
) -> Upload:
    """Train ``client`` for one round (counted from 0) in ``model`` and return its update.

    seconds: the time that it may take, looked at before each step.
    Raises: FloatingPointError if a loss is not finite; TimeoutError; whatever training raises.
    """
    import torch

    until = math.inf if seconds is None else time.monotonic() + seconds

    config, rule = setup.train, setup.rule
    rate = config.rate(round, setup.num_rounds)
    trained = load_params(model, download.params)
    optimizer = _optimizer(config, list(trained.values()), rate)
    received = replace(
        download,
        params=on_device(download.params, setup.plan.device),
        extra=on_device(download.extra, setup.plan.device),
    )
    start = on_device(setup.start, setup.plan.device) if config.weight_decay else {}
    losses: list[tuple[Tensor, Tensor]] = []
    done: list[Sequence[int]] = []
    model.train(config.dropout)
    with seeded_torch(setup.seed, "dropout", round, client):
        for windows in batches(setup, round, client):
            if time.monotonic() > until:
                raise TimeoutError(f"{len(losses)} steps were done after the {seconds:g} s allowed")
            batch = on_device(setup.task.collate(setup.examples, windows), setup.plan.device)
            sums, counts = setup.task.loss(model, batch)
            loss = sums.sum() / counts.sum().clamp(min=1)  # windows without a word count nothing
            loss.backward()  # type: ignore[no-untyped-call]
            _step(setup, optimizer, trained, received, start)
            losses.append((sums.detach().sum(), counts.sum()))
            done.append(windows)
    model.eval()
    total = float(torch.stack([sums for sums, _ in losses]).sum())
    number = float(torch.stack([counts for _, counts in losses]).sum())
    if not math.isfinite(total):
        raise FloatingPointError(
            "the training loss is not finite; a smaller learning rate may help"
        )
    params = {name: value.detach().to("cpu", copy=True) for name, value in trained.items()}
    extra = rule.finish(params, download, len(losses), rate)
    metrics = {"loss": total / max(1.0, number), **work_of(setup, done)}
    return Upload(client, params, len(setup.clients[client]), extra, metrics)


def load_params(model: nn.Module, params: Tensors) -> dict[str, nn.Parameter]:
    """Copy ``params`` into the model's parameters of the same names, and return these."""
    found = {name: model.get_parameter(name) for name in params}
    for name, value in params.items():
        if found[name].shape == value.shape:
            found[name].data.copy_(value)
        else:  # another rank than the last client's
            found[name].data = value.to(found[name].device, copy=True)
        found[name].grad = None
    return found


def on_device(tensors: Tensors, device: str) -> Tensors:
    """The tensors on ``device``; those already there are not copied.

    What goes to a GPU is copied from pinned memory, while this process goes on.
    """
    if device == "cpu":
        return {name: value.to(device) for name, value in tensors.items()}
    return {
        name: (value.pin_memory() if value.device.type == "cpu" else value).to(
            device, non_blocking=True
        )
        for name, value in tensors.items()
    }


def num_steps(config: TrainConfig, num_windows: int) -> int:
    """Optimiser steps that a client with ``num_windows`` training windows makes in a round."""
    limits = [config.max_steps] if config.max_steps is not None else []
    if config.epochs is not None:
        limits.append(config.epochs * math.ceil(num_windows / config.batch_size))
    return min(limits)


def batches(setup: LocalSetup, round: int, client: int) -> Iterator[Sequence[int]]:
    """Windows of each step: a fresh seeded order every epoch, the last batch kept if short."""
    config, windows = setup.train, setup.windows(client)
    generator = numpy_generator(setup.seed, "batches", round, client)
    step = 0
    for epoch in count():
        if config.epochs is not None and epoch >= config.epochs:
            return
        order = windows[generator.permutation(len(windows))]
        for begin in range(0, len(order), config.batch_size):
            if config.max_steps is not None and step >= config.max_steps:
                return
            yield order[begin : begin + config.batch_size].tolist()
            step += 1


def work_of(setup: LocalSetup, done: Sequence[Sequence[int]]) -> dict[str, float]:
    """What the steps with these batches of windows come to, for modelling what they would cost.

    num_steps; num_windows: sequences, as often as they were trained on; num_tokens: of batches
    padded to their longest window; num_token_pairs: tokens times the length of their batch.
    """
    lengths = setup.examples.windows.lengths()
    shapes = [(len(windows), int(lengths[list(windows)].max())) for windows in done]
    return {
        "num_steps": float(len(shapes)),
        "num_windows": float(sum(size for size, _ in shapes)),
        "num_tokens": float(sum(size * length for size, length in shapes)),
        "num_token_pairs": float(sum(size * length**2 for size, length in shapes)),
    }


def _optimizer(
    config: TrainConfig, parameters: list[nn.Parameter], rate: float
) -> torch.optim.Optimizer:
    import torch

    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum)
    # decay is ours: the optimiser's own would shrink B0 A0, that is the pre-trained model
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0, fused=True)


def _step(
    setup: LocalSetup,
    optimizer: torch.optim.Optimizer,
    trained: dict[str, nn.Parameter],
    download: Download,
    start: Tensors,
) -> None:
    import torch

    config = setup.train
    if config.max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(list(trained.values()), config.max_grad_norm)
    gradients = {name: p.grad for name, p in trained.items() if p.grad is not None}
    for name, gradient in setup.rule.adjust_gradients(gradients, dict(trained), download).items():
        trained[name].grad = gradient
    if config.weight_decay:
        pull = optimizer.param_groups[0]["lr"] * config.weight_decay
        with torch.no_grad():
            for name, parameter in trained.items():
                parameter.sub_(parameter - start[name], alpha=pull)
    optimizer.step()
    optimizer.zero_grad()


def check_lengths(max_length: int, allowed: int | None) -> None:
    """Refuse sequences that the model has no positions for.

    Raises: ConfigError.
    """
    if allowed is not None and max_length > allowed:
        raise ConfigError(f"train.max_length: {max_length} exceeds the model's {allowed} positions")
