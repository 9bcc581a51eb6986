"""Why a method fares as it does: how far the weights and the clients moved, layer by layer.

Of every adapted weight after a round (of the same weights under full fine-tuning):

* magnitude: mean over the columns w of W of | ||w|| - ||w_0|| |, from the pre-trained W_0;
* direction: mean over the columns of 1 - cos(w, w_0);
* drift: sqrt(sum p_k ||M_k - M||^2 / sum p_k ||M_k||^2) in [0, 1], with M_k how far client k moved
  in the round and M = sum p_k M_k: 0 if all moved alike, near 1 if their moves cancel;
* averaging_error: || sum p_k B_k A_k - mean(B) mean(A) || / || sum p_k B_k A_k - B0 A0 ||;
* row_angle, column_angle: mean principal angle, in degrees, of the row space of A and the column
  space of B to those that they started from (none where B starts at zero).

Magnitude and direction are DoRA's (arXiv 2402.09353, section 3.2), by which arXiv 2404.18848
explains what an SVD start does. Methods that leave the weights alone have a drift of what they
train, one for each layer of the encoder. Everything is computed from the factors; what is of the
size of a weight are one product of it with R columns, and sums over its columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from federa.linalg import change, product_norm, stack

if TYPE_CHECKING:
    from torch import Tensor

    from federa.linalg import Factors
    from federa.local import RunSetup
    from federa.types import LowRankPair, ServerState, Upload

QUANTITIES = (
    *("magnitude", "direction", "drift", "averaging_error"),
    *("row_angle", "column_angle"),
)
LAYER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class Diagnosis:
    """What the diagnostics of a run need besides its states.

    parts: the adapted weights or rows of weights; under full fine-tuning, those that would be
    adapted by default; weights: pre-trained, [d_out, d_in], one for each of them.
    """

    parts: tuple[LowRankPair, ...]
    weights: tuple[Tensor, ...]

    @classmethod
    def of(cls, setup: RunSetup) -> Diagnosis:
        """Load the pre-trained weights once more, and keep those that matter."""
        import torch

        from federa.methods.low_rank import pair_of
        from federa.targets import find_targets

        layout = setup.layout
        dense = not layout.pairs and not layout.fresh and bool(layout.of_base)
        if not layout.pairs and not dense:
            return cls((), ())
        model = setup.task.build_model(setup.source, setup.labels, setup.seed)
        parts = layout.pairs
        if dense:
            usual = [pair_of(target, 1.0) for target in find_targets(model, "auto", "all")]
            parts = tuple(part for part in usual if part.base in layout.shared)
        with torch.no_grad():
            weights = [_rows(model.get_parameter(part.base), part).clone() for part in parts]
        return cls(parts, tuple(weights))

    def of_round(
        self,
        before: ServerState,
        after: ServerState,
        uploads: Sequence[Upload],
        averaging: Sequence[float | None],
    ) -> dict[str, Any]:
        """``layers``: their names; and each of ``QUANTITIES``: a value or None for each layer.

        averaging: the averaging error of every low-rank pair (``measure.averaging_norms``).
        """
        total = sum(upload.num_examples for upload in uploads)
        shares = [upload.num_examples / total for upload in uploads]
        found: dict[str, dict[str, float | None]] = {}
        if before.layout.pairs:
            for pair, weight, error in zip(self.parts, self.weights, averaging, strict=True):
                row = _of_pair(pair, weight, before, after, uploads, shares)
                found[_name(pair)] = row | {"averaging_error": error}
        elif self.parts:
            for part, weight in zip(self.parts, self.weights, strict=True):
                found[_name(part)] = _of_weight(part, weight, before, after, uploads, shares)
        else:
            found = _of_tensors(before, uploads, shares)
        columns = {
            quantity: [_short(row.get(quantity)) for row in found.values()]
            for quantity in QUANTITIES
        }
        return {"layers": list(found), **columns}


def _of_pair(
    pair: LowRankPair,
    weight: Tensor,
    before: ServerState,
    after: ServerState,
    uploads: Sequence[Upload],
    shares: Sequence[float],
) -> dict[str, float | None]:
    start, old, new = before.start, before.params, after.params
    total = change(new[pair.b], new[pair.a], start[pair.b], start[pair.a])
    moves = [
        change(upload.params[pair.b], upload.params[pair.a], old[pair.b], old[pair.a])
        for upload in uploads
    ]
    magnitude, direction = column_variation(weight, total, pair.scaling)
    return {
        "magnitude": magnitude,
        "direction": direction,
        "drift": factored_drift(moves, shares),
        "row_angle": mean_angle(new[pair.a].T, start[pair.a].T),
        "column_angle": mean_angle(new[pair.b], start[pair.b]),
    }


def column_variation(weight: Tensor, move: Factors, scaling: float) -> tuple[float, float]:
    """Magnitude and direction variation of ``weight`` [d_out, d_in] under a factored change.

    move: (left [d_out, R], right [R, d_in]), changing the weight by scaling * left @ right.
    """
    base = weight.double()
    left, right = move[0].double() * scaling, move[1].double()
    square = (base * base).sum(0)
    inner = ((base.T @ left) * right.T).sum(1)
    own = ((left.T @ left @ right) * right).sum(0)
    return _variation(square, inner, own)


def _variation(square: Tensor, inner: Tensor, own: Tensor) -> tuple[float, float]:
    """From ||w_0||^2, w_0 . d and ||d||^2 of every column [d_in] and its change d; columns of zeros
    turn nowhere. Written so that nothing large cancels where the change is small."""
    gained = 2 * inner + own
    new_square = (square + gained).clamp(min=0)
    old, new = square.sqrt(), new_square.sqrt()
    product, both = old * new, old + new
    cosine = ((square + inner) / product.where(product > 0, 1.0)).clamp(-1, 1)
    across = (own - inner * inner / square.where(square > 0, 1.0)).clamp(min=0)
    sine_square = across / new_square.where(new_square > 0, 1.0)
    turned = (sine_square / (1 + cosine)).where(cosine > 0.5, 1 - cosine)
    longer = gained.abs() / both.where(both > 0, 1.0)
    return float(longer.mean()), float(turned.where(product > 0, 0.0).mean())


def factored_drift(moves: Sequence[Factors], shares: Sequence[float]) -> float | None:
    """sqrt(sum p_k ||M_k - M||^2 / sum p_k ||M_k||^2) of products; None if nothing moved."""
    shared = list(zip(shares, moves, strict=True))
    squares = sum(share * float(product_norm(move)) ** 2 for share, move in shared)
    mean = stack([(share * left.double(), right.double()) for share, (left, right) in shared])
    return _drift(squares, float(product_norm(mean)) ** 2)


def dense_drift(moves: Sequence[Sequence[Tensor]], shares: Sequence[float]) -> float | None:
    """The same of tensors: for each client, its moves, taken together as one vector."""
    import torch

    squares = mean_square = 0.0
    for parts in zip(*moves, strict=True):
        mean = torch.zeros_like(parts[0], dtype=torch.float64)
        for share, part in zip(shares, parts, strict=True):
            squares += share * _norm(part) ** 2
            mean.add_(part, alpha=share)
        mean_square += _norm(mean) ** 2
    return _drift(squares, mean_square)


def _drift(mean_of_squares: float, square_of_mean: float) -> float | None:
    if not mean_of_squares > 0 or not math.isfinite(mean_of_squares):
        return None
    return math.sqrt(max(0.0, 1 - square_of_mean / mean_of_squares))


def mean_angle(basis: Tensor, start: Tensor) -> float | None:
    """Mean principal angle, in degrees, between column spaces of [d, R] and [d, R0] matrices.

    None where one of them is zero, as a B that starts there. Computed from sines and cosines, so
    that small angles are exact. Source: Björck and Golub, Math. Comp. 27 (1973).
    """
    import torch

    if not start.any() or not basis.any():
        return None
    old, _ = torch.linalg.qr(start.double())
    new, _ = torch.linalg.qr(basis.double())
    inner = old.T @ new
    cosines = torch.linalg.svdvals(inner).clamp(0, 1)
    sines = torch.linalg.svdvals(new - old @ inner).clamp(0, 1).flip(0)[: len(cosines)]
    angles = torch.where(cosines**2 < 0.5, torch.arccos(cosines), torch.arcsin(sines))
    return math.degrees(float(angles.mean()))


def _of_weight(
    part: LowRankPair,
    weight: Tensor,
    before: ServerState,
    after: ServerState,
    uploads: Sequence[Upload],
    shares: Sequence[float],
) -> dict[str, float | None]:
    base = weight.double()
    move = _rows(after.params[part.base], part).double() - base
    products = [(a * b).sum(0) for a, b in ((base, base), (base, move), (move, move))]
    magnitude, direction = _variation(*products)
    old = before.params[part.base]
    moves = [[_rows(upload.params[part.base] - old, part)] for upload in uploads]
    return {
        "magnitude": magnitude,
        "direction": direction,
        "drift": dense_drift(moves, shares),
    }


def _of_tensors(
    before: ServerState, uploads: Sequence[Upload], shares: Sequence[float]
) -> dict[str, dict[str, float | None]]:
    """The drift of what is trained in each layer of the encoder, where weights stay as they are."""
    head = set(before.layout.head)
    groups: dict[str, list[str]] = {}
    for name in before.layout.shared:
        if name not in head and (number := LAYER.search(name)):
            groups.setdefault(f"layer {number[1]}", []).append(name)
    return {
        layer: {
            "drift": dense_drift(
                [
                    [upload.params[name] - before.params[name] for name in names]
                    for upload in uploads
                ],
                shares,
            )
        }
        for layer, names in groups.items()
    }


def _rows(weight: Tensor, part: LowRankPair) -> Tensor:
    return weight if part.rows is None else weight[part.rows[0] : part.rows[1]]


def _name(part: LowRankPair) -> str:
    return part.a.replace(".lora_A", "")


def _norm(tensor: Tensor) -> float:
    import torch

    return float(torch.linalg.vector_norm(tensor, dtype=torch.float64))


def _short(value: float | None) -> float | None:
    """Six digits, which is all that a picture shows; a line a round would grow long otherwise."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")
