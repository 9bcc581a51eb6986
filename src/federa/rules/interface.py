"""What every aggregation rule is: both halves of one algorithm, as pure functions over state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from federa.types import Download, Layout, ServerState, Tensors, Upload


class AggregationRule(Protocol):
    """How updates become the next state. The client half is elementwise in every tensor."""

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]

    @property
    def name(self) -> str:
        """The registered name."""

    def start(self, params: Tensors, layout: Layout) -> ServerState:
        """The state before the first round; ``params`` is the method's start."""

    def download(self, state: ServerState, client: int) -> Download:
        """What ``client`` is sent in the round that follows ``state``."""

    def merge(self, state: ServerState, uploads: Sequence[Upload]) -> ServerState:
        """The state after a round; ``uploads`` come in order of client id, at least one."""

    def adjust_gradients(self, gradients: Tensors, params: Tensors, download: Download) -> Tensors:
        """The gradients to step with, at ``params``, on a client that received ``download``."""

    def finish(self, params: Tensors, download: Download, num_steps: int) -> Tensors:
        """What a client returns beside its trained ``params`` (the upload's ``extra``)."""
