"""Federated averaging with momentum at the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.registry import RECORD, Real
from federa.rules.averaging import mean_change, no_extra, plain_start, zeros_like
from federa.types import Download, ServerState

if TYPE_CHECKING:
    from federa.types import Layout, Tensors, Upload


class FedAvgM(BaseModel):
    """v <- momentum v + D, w <- w + learning_rate v, with D the mean change of the cohort.

    Source: arXiv 1909.06335, section 4.3 (there with the sign of D turned).
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "fedavg with server momentum"
    traits: ClassVar[frozenset[str]] = frozenset()

    name: Literal["fedavgm"] = "fedavgm"
    learning_rate: Real = Field(1.0, gt=0, le=1e6, description="of the server")
    momentum: Real = Field(0.9, ge=0, lt=1)

    def start(self, params: Tensors, layout: Layout, sizes: Mapping[int, int]) -> ServerState:
        """Velocity zero."""
        return plain_start(params, layout, zeros_like(params, "velocity"))

    def download(self, state: ServerState, client: int) -> Download:
        """The same for every client."""
        return Download(params=state.params, base_change=state.base_change)

    def merge(self, state: ServerState, uploads: Sequence[Upload]) -> ServerState:
        """One momentum step along the mean change."""
        moves = mean_change(state, uploads)
        params, memory = {}, {}
        for name, old in state.params.items():
            velocity = self.momentum * state.memory[f"velocity/{name}"] + moves[name]
            params[name] = old + self.learning_rate * velocity
            memory[f"velocity/{name}"] = velocity
        return replace(state, round=state.round + 1, params=params, memory=memory)

    def adjust_gradients(self, gradients: Tensors, params: Tensors, download: Download) -> Tensors:
        """Unchanged."""
        return gradients

    def finish(self, params: Tensors, download: Download, num_steps: int, rate: float) -> Tensors:
        """Nothing."""
        return {}

    def fault(self, extra: Tensors, most_steps: int, rate: float) -> str | None:
        """Nothing is expected."""
        return no_extra(extra)
