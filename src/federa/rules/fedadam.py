"""Adam at the server."""

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


class FedAdam(BaseModel):
    """m <- b1 m + (1 - b1) D, v <- b2 v + (1 - b2) D^2, w <- w + lr m / (sqrt(v) + tau).

    D is the mean change of the cohort; b1, b2: beta_1, beta_2; lr: learning_rate, of the server. v
    starts at tau^2, and there is no bias correction, as in the source.
    Source: arXiv 2003.00295, algorithm 2.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "Adam at the server, on the mean change"
    traits: ClassVar[frozenset[str]] = frozenset()

    name: Literal["fedadam"] = "fedadam"
    learning_rate: Real = Field(0.01, gt=0, le=1e6, description="of the server")
    beta_1: Real = Field(0.9, ge=0, lt=1)
    beta_2: Real = Field(0.99, ge=0, lt=1)
    tau: Real = Field(1e-3, ge=1e-12, le=1e6, description="adaptivity; larger is closer to fedavgm")

    def start(self, params: Tensors, layout: Layout, sizes: Mapping[int, int]) -> ServerState:
        """First moment zero, second tau^2."""
        second = zeros_like(params, "second").items()
        memory = zeros_like(params, "first") | {name: zero + self.tau**2 for name, zero in second}
        return plain_start(params, layout, memory)

    def download(self, state: ServerState, client: int) -> Download:
        """The same for every client."""
        return Download(params=state.params, base_change=state.base_change)

    def merge(self, state: ServerState, uploads: Sequence[Upload]) -> ServerState:
        """One Adam step along the mean change."""
        params, first, second = {}, {}, {}
        for name, move in mean_change(state, uploads).items():
            m = self.beta_1 * state.memory[f"first/{name}"] + (1 - self.beta_1) * move
            v = state.memory[f"second/{name}"]
            v = self.beta_2 * v + (1 - self.beta_2) * move.square()
            params[name] = state.params[name] + self.learning_rate * m / (v.sqrt() + self.tau)
            first[f"first/{name}"], second[f"second/{name}"] = m, v
        memory = first | second
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
