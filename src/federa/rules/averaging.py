"""The weighted mean of updates, from which every rule begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from federa.types import ServerState

if TYPE_CHECKING:
    from federa.types import Layout, Tensors, Upload


def mean_change(state: ServerState, uploads: Sequence[Upload]) -> Tensors:
    """sum_k p_k (w_k - w) for every tensor, with p_k the share of client k's examples.

    Source: arXiv 1602.05629, algorithm 1.
    """
    from federa.linalg import sum_weighted

    total = sum(upload.num_examples for upload in uploads)
    shares = [upload.num_examples / total for upload in uploads]
    return {
        name: sum_weighted([upload.params[name] - old for upload in uploads], shares)
        for name, old in state.params.items()
    }


def zeros_like(params: Tensors, prefix: str) -> Tensors:
    """A zero for every tensor, named ``prefix/name``, as a rule's memory begins."""
    import torch

    return {f"{prefix}/{name}": torch.zeros_like(value) for name, value in params.items()}


def plain_start(params: Tensors, layout: Layout, memory: Tensors | None = None) -> ServerState:
    """The state before the first round of a rule that remembers ``memory``."""
    return ServerState(round=0, layout=layout, start=params, params=params, memory=memory or {})


def no_extra(extra: Tensors) -> str | None:
    """The fault of an upload that brings tensors nobody asked for, or None."""
    return f"has an unknown {min(extra)}" if extra else None
