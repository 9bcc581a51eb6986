"""Averaging with control variates against the clients' drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.registry import RECORD, Real
from federa.rules.averaging import mean_change, plain_start, zeros_like
from federa.types import Download, ServerState

if TYPE_CHECKING:
    from federa.types import Layout, Tensors, Upload

SHARES = "shares"
PATH_LENGTH = "path_length"
"""The upload's K eta: optimiser steps times their size."""


class Scaffold(BaseModel):
    """Clients step along g - c_k + c; c_k estimates their own gradient and c everybody's.

    After K steps of size eta from w to y: c_k <- c_k - c + (w - y) / (K eta), c moves by the
    clients' changes, w <- w + learning_rate sum_k p_k (y_k - w). Every client counts by its
    examples, in w and in c, so that c estimates the gradient of the objective that the other rules
    minimise; with equal counts this is the source. The server keeps every c_k: a client is sent
    c - c_k with w and returns K eta with y, from which the server computes the same c_k. The memory
    is a copy of the trained tensors for every client that took part, and is saved each round.
    Source: arXiv 1910.06378, algorithm 1, option II.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "control variates against client drift, for plain SGD"
    traits: ClassVar[frozenset[str]] = frozenset({"plain_sgd"})

    name: Literal["scaffold"] = "scaffold"
    learning_rate: Real = Field(1.0, gt=0, le=1e6, description="of the server")

    def start(self, params: Tensors, layout: Layout, sizes: Mapping[int, int]) -> ServerState:
        """Every control zero; the share of all examples that each client holds is kept."""
        import torch

        shares = torch.zeros(1 + max(sizes))
        for client, size in sizes.items():
            shares[client] = size / sum(sizes.values())
        memory = zeros_like(params, "control") | {SHARES: shares}
        return plain_start(params, layout, memory)

    def download(self, state: ServerState, client: int) -> Download:
        """w, and c - c_k under the same names."""
        extra = {name: state.memory[f"control/{name}"] for name in state.params}
        for name in state.params:
            own = state.memory.get(f"control {client}/{name}")
            extra[name] = extra[name] if own is None else extra[name] - own
        return Download(params=state.params, base_change=state.base_change, extra=extra)

    def merge(self, state: ServerState, uploads: Sequence[Upload]) -> ServerState:
        """Move w along the mean change, and the controls by what the clients' steps tell."""
        moves, memory = mean_change(state, uploads), dict(state.memory)
        params = {n: old + self.learning_rate * moves[n] for n, old in state.params.items()}
        for upload in uploads:
            share, length = state.memory[SHARES][upload.client], upload.extra[PATH_LENGTH]
            for name, old in state.params.items():
                gradient = (old - upload.params[name]) / length
                change = gradient - state.memory[f"control/{name}"]
                own = f"control {upload.client}/{name}"
                memory[own] = memory[own] + change if own in memory else change
                memory[f"control/{name}"] = memory[f"control/{name}"] + share * change
        return replace(state, round=state.round + 1, params=params, memory=memory)

    def adjust_gradients(self, gradients: Tensors, params: Tensors, download: Download) -> Tensors:
        """g + (c - c_k)."""
        return {name: gradient + download.extra[name] for name, gradient in gradients.items()}

    def finish(self, params: Tensors, download: Download, num_steps: int, rate: float) -> Tensors:
        """K eta, a scalar."""
        import torch

        return {PATH_LENGTH: torch.tensor(num_steps * rate)}

    def fault(self, extra: Tensors, most_steps: int, rate: float) -> str | None:
        """One scalar between eta and ``most_steps`` eta is expected: the server divides by it."""
        import torch

        length = extra.get(PATH_LENGTH)
        if set(extra) != {PATH_LENGTH} or length is None or length.shape != ():
            return f"must return the scalar {PATH_LENGTH} and nothing else beside its tensors"
        if length.dtype != torch.float32:
            return f"{PATH_LENGTH} is {length.dtype}, expected torch.float32"
        if not 0.999 * rate <= float(length) <= 1.001 * most_steps * rate:
            return (
                f"{PATH_LENGTH} is {float(length):g}, expected {rate:g} a step for at most "
                f"{most_steps} steps"
            )
        return None
