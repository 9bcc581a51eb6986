"""What training costs a client in arithmetic and memory, counted for each method.

A step on a batch of B windows, padded to L tokens, costs

    per_token x B L + per_token_pair x B L^2 + per_window x B + per_step

floating-point operations. What it keeps for its backward pass is such a polynomial too, with other
coefficients and with terms in L and L^2 for what all windows share (relative positions, masks).
They are found by running steps of a few small shapes: full fine-tuning's products of weight
gradients, what frozen layers leave out and what is recomputed come out by themselves. Only
matrix products and attention are counted, in float32, and the optimiser's elementwise operations by
a stated number for each trained parameter; activation functions and norms are not, nor is what
shortens the work of single engines (``last_layer.py``, ``frozen_prefix.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from federa.tasks import Task
    from federa.train_config import TrainConfig

LENGTHS = (4, 8, 16)
"""Tokens of the steps, on one window and on two, that the coefficients are taken from."""
CHECKED = (3, 12)
"""Windows and tokens of a step that they must foretell."""
TOLERANCE = 1e-6

ADAMW_FLOPS = 13
"""A parameter: first moment 3, second moment 4, denominator 3, update 3 (torch's fused kernel)."""
SGD_FLOPS = 2
MOMENTUM_FLOPS = 2
CLIPPING_FLOPS = 3
"""A square, a sum, and the scaling of the gradient."""
DECAY_FLOPS = 3
"""A difference from the start, its scaling, and a subtraction."""
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Work:
    """What one client did in a round.

    num_windows: sequences, each time counted; num_tokens: B L of every step, padding included;
    num_token_pairs: B L^2.
    """

    num_steps: float
    num_windows: float
    num_tokens: float
    num_token_pairs: float


@dataclass(frozen=True)
class TrainingCost:
    """The coefficients of one model, task, method and optimiser.

    flops: of forward pass, backward pass and optimiser; activation_bytes: kept for the backward
    pass, those per position (pair) once for all windows; weight, gradient and optimizer bytes are
    there whatever the batch.
    """

    flops_per_token: float
    flops_per_token_pair: float
    flops_per_window: float
    flops_per_step: float
    weight_bytes: float
    gradient_bytes: float
    optimizer_bytes: float
    activation_bytes_per_token: float
    activation_bytes_per_token_pair: float
    activation_bytes_per_window: float
    activation_bytes_per_position: float
    activation_bytes_per_position_pair: float
    activation_bytes_per_step: float

    def flops(self, work: Work) -> float:
        """Floating-point operations of ``work``."""
        return (
            self.flops_per_token * work.num_tokens
            + self.flops_per_token_pair * work.num_token_pairs
            + self.flops_per_window * work.num_windows
            + self.flops_per_step * work.num_steps
        )

    def activation_bytes(self, batch_size: int, length: int) -> float:
        """What a step on ``batch_size`` windows of ``length`` tokens keeps until it goes back."""
        window = (
            self.activation_bytes_per_token * length
            + self.activation_bytes_per_token_pair * length**2
            + self.activation_bytes_per_window
        )
        shared = (
            self.activation_bytes_per_position * length
            + self.activation_bytes_per_position_pair * length**2
            + self.activation_bytes_per_step
        )
        return window * batch_size + shared

    def peak_bytes(self, batch_size: int, length: int) -> float:
        """Weights, gradients, optimiser state and activations together.

        They are never all there at once: activations go while gradients come. What operations hold
        for a moment, the program and its libraries are left out.
        """
        resident = self.weight_bytes + self.gradient_bytes + self.optimizer_bytes
        return resident + self.activation_bytes(batch_size, length)


def count_cost(
    model: nn.Module, task: Task, train: TrainConfig, batch: dict[str, Tensor]
) -> TrainingCost | None:
    """What training ``model`` costs, by steps that change none of its parameters.

    model: adapted, in float32, as ``RunSetup.build`` gives it, without gradients; it is counted on
    the CPU wherever it is, so that devices agree; batch: any that the task has collated, which
    shows the tensors that it needs (see ``plain_batch``).
    None where the model reads too short texts for the steps, or its cost is no such polynomial.
    """
    from federa.models import max_positions
    from federa.seeding import seeded_torch

    if (max_positions(model) or max(LENGTHS)) < max(LENGTHS):
        return None
    shapes = [*((size, length) for size in (1, 2) for length in LENGTHS), CHECKED]
    device, training = next(model.parameters()).device, model.training
    model.to("cpu").train(train.dropout)
    with seeded_torch(0, "training cost"):
        found = [_count_step(model, task, _shaped(batch, *shape)) for shape in shapes]
    model.to(device).train(training)
    flops, kept = (_coefficients(counts) for counts in zip(*found, strict=True))
    if flops is None or kept is None or any(flops[3:5]):  # products that all windows share
        return None
    num_trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    flops_each, numbers_each = _optimizer(train)
    return TrainingCost(
        *flops[:3],
        flops[5] + flops_each * num_trained,
        float(sum(value.nbytes for value in (*model.parameters(), *model.buffers()))),
        float(FLOAT_BYTES * num_trained),
        float(FLOAT_BYTES * numbers_each * num_trained),
        *kept,
    )


def plain_batch(
    task: Task, source: str, labels: Sequence[str], max_length: int
) -> dict[str, Tensor]:
    """A batch of one made-up example, for ``count_cost`` where there is no data.

    source: folder or hub id of the model.
    """
    from federa.models import load_tokenizer

    table: dict[str, list[Any]] = {
        name: [["a"]] if name == "words" else ["a"] for name in task.inputs
    }
    tokenizer = load_tokenizer(source, task.special_tokens)
    return task.collate(task.encode(table, labels, tokenizer, max_length), [0])


def _shaped(batch: dict[str, Tensor], size: int, length: int) -> dict[str, Tensor]:
    """A batch [size, length] of the same tensors, all zeros: a token, label and place of any task.

    The last token is masked, since what a mask takes counts too.
    """
    width, shaped = batch["input_ids"].shape[1:], {}
    for name, value in batch.items():
        rest = (length,) if value.shape[1:] == width else value.shape[1:]
        shaped[name] = value.new_zeros((size, *rest), device="cpu")
    shaped["attention_mask"][:, :-1] = 1
    return shaped


def _count_step(model: nn.Module, task: Task, batch: dict[str, Tensor]) -> tuple[int, Fraction]:
    """Operations of a step, and bytes kept for its backward pass."""
    flops, kept = _run_step(model, task, batch)
    with _nothing_recomputed(model) as num_layers:
        if not num_layers:
            return flops, Fraction(kept)
        whole = _run_step(model, task, batch)[1]
    # while one layer is recomputed, what is inside it is there beside the inputs of all others
    return flops, kept + Fraction(whole - kept, num_layers)


def _run_step(model: nn.Module, task: Task, batch: dict[str, Tensor]) -> tuple[int, int]:
    from torch.autograd.graph import saved_tensors_hooks
    from torch.utils.flop_counter import FlopCounterMode

    own = (*model.parameters(), *model.buffers(), *batch.values())
    known = {value.untyped_storage().data_ptr() for value in own}
    kept: dict[int, int] = {}
    held: list[Tensor] = []  # so that no place in memory is used twice

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(value)
        return value

    with FlopCounterMode(display=False, custom_mapping=_attention_on_cpu()) as counter:
        with saved_tensors_hooks(keep, lambda value: value):
            sums, counts = task.loss(model, batch)
            loss = sums.sum() / counts.sum().clamp(min=1)
        loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad()
    return int(counter.get_total_flops()), sum(kept.values())


def _attention_on_cpu() -> dict[Any, Any]:
    """The two operations of fused attention that torch's counter does not know."""
    import torch
    from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

    def forward(*shapes: Any, **_: Any) -> Any:
        return sdpa_flop_count(*shapes[:3])  # type: ignore[no-untyped-call]

    def backward(*shapes: Any, **_: Any) -> Any:
        return sdpa_backward_flop_count(*shapes[:4])  # type: ignore[no-untyped-call]

    return {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: forward,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }


@contextmanager
def _nothing_recomputed(model: nn.Module) -> Iterator[int]:
    """Let layers keep what is inside them (``recomputation.py``); how many would not."""
    from torch.utils.checkpoint import checkpoint

    changed = {
        layer: vars(layer)["forward"]
        for layer in model.modules()
        if getattr(vars(layer).get("forward"), "func", None) is checkpoint
    }
    for layer in changed:
        del layer.forward
    try:
        yield len(changed)
    finally:
        for layer, forward in changed.items():
            layer.forward = forward


Coefficients = tuple[float, float, float, float, float, float]


def _coefficients(counts: Sequence[Fraction | int]) -> Coefficients | None:
    """Per token, pair of tokens and window; per position, pair of positions and step; exactly.

    counts: of steps on one window of each length, on two, and of the one that is checked.
    None if the coefficients do not foretell that.
    """
    one, two, checked = counts[:3], counts[3:6], counts[6]
    windows = _quadratic([both - alone for alone, both in zip(one, two, strict=True)])
    shared = _quadratic([2 * alone - both for alone, both in zip(one, two, strict=True)])
    size, length = CHECKED
    pairs = zip((length, length**2, 1), windows, shared, strict=True)
    foretold = sum(((size * own + common) * power for power, own, common in pairs), Fraction())
    if abs(foretold - checked) > TOLERANCE * checked:
        return None
    return (*map(float, windows), *map(float, shared))  # type: ignore[return-value]


def _quadratic(values: Sequence[Fraction | int]) -> tuple[Fraction, Fraction, Fraction]:
    """a, b and c of a L + b L^2 + c, from its values at ``LENGTHS``."""
    (p, q, r), (f, g, h) = LENGTHS, map(Fraction, values)
    slope = (g - f) / (q - p)
    b = ((h - g) / (r - q) - slope) / (r - p)
    a = slope - b * (p + q)
    return a, b, f - a * p - b * p**2


def _optimizer(train: TrainConfig) -> tuple[int, int]:
    """Elementwise operations in a step for each trained parameter, and numbers kept for it."""
    flops, numbers = ADAMW_FLOPS, 2
    if train.optimizer == "sgd":
        flops, numbers = SGD_FLOPS, 0
        if train.momentum:
            flops, numbers = SGD_FLOPS + MOMENTUM_FLOPS, 1
    clipping = 0 if train.max_grad_norm is None else CLIPPING_FLOPS
    decay = DECAY_FLOPS if train.weight_decay else 0
    return flops + clipping + decay, numbers
