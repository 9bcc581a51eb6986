"""Federated averaging with a proximal term at the clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.registry import RECORD, Real
from federa.rules.averaging import mean_change, no_extra, plain_start
from federa.types import Download, ServerState

if TYPE_CHECKING:
    from federa.types import Layout, Tensors, Upload


class FedProx(BaseModel):
    """Clients minimise F_k(w) + mu/2 ||w - w_t||^2 around the broadcast w_t; averaged as in FedAvg.

    mu: strength of the pull; the source tries 0.001, 0.01, 0.1 and 1.
    Source: arXiv 1812.06127, eq. 2 and algorithm 2.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "fedavg, with the clients held near the broadcast"
    traits: ClassVar[frozenset[str]] = frozenset()

    name: Literal["fedprox"] = "fedprox"
    mu: Real = Field(0.01, ge=0, le=1e6)

    def start(self, params: Tensors, layout: Layout, sizes: Mapping[int, int]) -> ServerState:
        """Nothing but the parameters."""
        return plain_start(params, layout)

    def download(self, state: ServerState, client: int) -> Download:
        """The same for every client."""
        return Download(params=state.params, base_change=state.base_change)

    def merge(self, state: ServerState, uploads: Sequence[Upload]) -> ServerState:
        """The weighted mean, formed on the difference from the broadcast."""
        moves = mean_change(state, uploads)
        params = {name: old + moves[name] for name, old in state.params.items()}
        return replace(state, round=state.round + 1, params=params)

    def adjust_gradients(self, gradients: Tensors, params: Tensors, download: Download) -> Tensors:
        """g + mu (w - w_t)."""
        return {
            name: gradient + self.mu * (params[name].detach() - download.params[name])
            for name, gradient in gradients.items()
        }

    def finish(self, params: Tensors, download: Download, num_steps: int, rate: float) -> Tensors:
        """Nothing."""
        return {}

    def fault(self, extra: Tensors, most_steps: int, rate: float) -> str | None:
        """Nothing is expected."""
        return no_extra(extra)
