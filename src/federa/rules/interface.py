"""What every aggregation rule is: both halves of one algorithm, as pure functions over state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from federa.types import Download, Layout, ServerState, Tensors, Upload


class AggregationRule(Protocol):
    """How updates become the next state. The client half is elementwise in every tensor.

    traits: ``plain_sgd`` (clients must step with SGD without momentum).
    """

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    traits: ClassVar[frozenset[str]]

    @property
    def name(self) -> str:
        """The registered name."""

    def start(self, params: Tensors, layout: Layout, sizes: Mapping[int, int]) -> ServerState:
        """The state before the first round.

        params: the method's start; sizes: training examples of every client in the federation.
        """

    def download(self, state: ServerState, client: int) -> Download:
        """What ``client`` is sent in the round that follows ``state``."""

    def merge(self, state: ServerState, uploads: Sequence[Upload]) -> ServerState:
        """The state after a round; ``uploads`` come in order of client id, at least one."""

    def adjust_gradients(self, gradients: Tensors, params: Tensors, download: Download) -> Tensors:
        """The gradients to step with, at ``params``, on a client that received ``download``.

        ``gradients`` are those of the client's data, clipped if clipping is on.
        """

    def finish(self, params: Tensors, download: Download, num_steps: int, rate: float) -> Tensors:
        """What a client returns beside its trained ``params`` (the upload's ``extra``).

        num_steps: optimiser steps made; rate: the learning rate of the round.
        """

    def fault(self, extra: Tensors, most_steps: int, rate: float) -> str | None:
        """What is wrong with an upload's ``extra``, in one line, or None.

        most_steps: optimiser steps that the client could make; rate: the learning rate it was told.
        """
