"""Federated averaging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel

from federa.registry import RECORD
from federa.rules.averaging import mean_change, no_extra, plain_start
from federa.types import Download, ServerState

if TYPE_CHECKING:
    from federa.types import Layout, Tensors, Upload


class FedAvg(BaseModel):
    """w <- w + sum_k p_k (w_k - w), with p_k the share of client k's examples in the cohort.

    Low-rank factors are averaged one by one, as in the paper, so the product of the averages
    differs from the average of the products; the round record says by how much.
    Source: arXiv 1602.05629, algorithm 1.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "mean of the clients' tensors, weighted by examples"
    traits: ClassVar[frozenset[str]] = frozenset()

    name: Literal["fedavg"] = "fedavg"

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
        """Unchanged."""
        return gradients

    def finish(self, params: Tensors, download: Download, num_steps: int, rate: float) -> Tensors:
        """Nothing."""
        return {}

    def fault(self, extra: Tensors, most_steps: int, rate: float) -> str | None:
        """Nothing is expected."""
        return no_extra(extra)
