"""The quantities of ``federa.diagnostics`` by their definitions."""

from __future__ import annotations

import math

import torch


def dense_variation(old: torch.Tensor, new: torch.Tensor) -> tuple[float, float]:
    """Magnitude and direction by their definitions, column by column."""
    longer, turned = [], []
    for before, after in zip(old.T, new.T, strict=True):
        first, second = float(before.norm()), float(after.norm())
        longer.append(abs(second - first))
        turned.append(1 - float(before @ after) / (first * second) if first * second else 0.0)
    return sum(longer) / len(longer), sum(turned) / len(turned)


def dense_drift_of(moves: list[torch.Tensor], shares: list[float]) -> float:
    """Drift by its definition."""
    mean = sum(share * move for share, move in zip(shares, moves, strict=True))
    pairs = list(zip(shares, moves, strict=True))
    apart = sum(share * float((move - mean).norm()) ** 2 for share, move in pairs)
    return math.sqrt(apart / sum(share * float(move.norm()) ** 2 for share, move in pairs))
