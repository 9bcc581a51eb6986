"""Factored low-rank algebra: nothing here forms a d_out x d_in matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

Factors = tuple["Tensor", "Tensor"]
"""(left [d_out, R], right [R, d_in]), standing for their product."""


def stack(products: Sequence[Factors]) -> Factors:
    """One product equal to the sum of ``products``; its rank is the sum of theirs."""
    lefts, rights = zip(*products, strict=True)
    return torch.cat(lefts, dim=1), torch.cat(rights, dim=0)


def product_norm(product: Factors) -> Tensor:
    """Frobenius norm of ``left @ right`` from the two R x R cores, in float64."""
    left, right = product[0].double(), product[1].double()
    _, left_core = torch.linalg.qr(left)
    _, right_core = torch.linalg.qr(right.T)
    norm: Tensor = torch.linalg.matrix_norm(left_core @ right_core.T)
    return norm


def product_svd(product: Factors) -> tuple[Tensor, Tensor, Tensor]:
    """Thin SVD of ``left @ right`` in float64: U [d_out, R], S [R] descending, V^T [R, d_in].

    QR of both factors and an SVD of the small core.
    """
    left_basis, left_core = torch.linalg.qr(product[0].double())
    right_basis, right_core = torch.linalg.qr(product[1].double().T)
    u, s, vh = torch.linalg.svd(left_core @ right_core.T, full_matrices=False)
    return left_basis @ u, s, vh @ right_basis.T


def truncate(product: Factors, rank: int) -> tuple[Factors, float]:
    """The best rank-``rank`` product, and its relative Frobenius error.

    The singular values are split evenly: left U S^(1/2), right S^(1/2) V^T, float32.
    """
    u, s, vh = product_svd(product)
    total = float(torch.linalg.vector_norm(s))
    tail = float(torch.linalg.vector_norm(s[rank:]))
    root = s[:rank].sqrt()
    left, right = u[:, :rank] * root, root[:, None] * vh[:rank]
    return (left.float(), right.float()), tail / total if total else 0.0


def change(b: Tensor, a: Tensor, b_start: Tensor, a_start: Tensor) -> Factors:
    """``b @ a - b_start @ a_start`` as a product of twice the rank (or of the same if b_start = 0).

    Written [b - b_start, b_start] [a; a - a_start], which keeps its accuracy in half precision.
    """
    if not b_start.any():
        return b, a
    left = torch.cat([b - b_start, b_start], dim=1)
    return left, torch.cat([a, a - a_start], dim=0)


def averaging_gap(products: Sequence[Factors], weights: Sequence[float]) -> Factors:
    """sum_k p_k B_k A_k - (sum_k p_k B_k)(sum_k p_k A_k), of rank at most K R.

    Equal to sum_k p_k (B_k - mean B)(A_k - mean A) for weights that sum to one.
    """
    mean_left = sum_weighted([left for left, _ in products], weights)
    mean_right = sum_weighted([right for _, right in products], weights)
    return stack(
        [
            (weight * (left - mean_left), right - mean_right)
            for (left, right), weight in zip(products, weights, strict=True)
        ]
    )


def sum_weighted(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """sum_k p_k T_k, added in the order given."""
    total = torch.zeros_like(tensors[0])
    for tensor, weight in zip(tensors, weights, strict=True):
        total = total + weight * tensor
    return total
