"""What every engine is: a record that opens a session, which trains cohorts and scores states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from federa.local import RunSetup
    from federa.types import ClientFailure, ClientSize, Download, ServerState, Upload


class Session(Protocol):
    """An open engine."""

    def present(self, at_least: int) -> Sequence[int]:
        """The clients that can be asked now, in order; waits a while for ``at_least`` of them."""

    def size(self, client: int) -> ClientSize:
        """How much ``client`` holds; it may not claim more."""

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        """Train each client of ``work`` in ``round`` (from 0); one answer for each, any order."""

    def evaluate(
        self, state: ServerState, splits: Sequence[str], *, whole: bool, per_client: bool
    ) -> dict[str, dict[str, Any]]:
        """Scores of ``state`` on each split, on its subset unless ``whole``."""

    def other_peak_bytes(self) -> int:
        """The most memory that processes other than this one held of their own in this round."""

    def evaluation_bytes(self) -> tuple[int, int]:
        """What the last evaluation sent to the clients and received from them."""

    def close(self) -> None:
        """Release what was opened."""


class Engine(Protocol):
    """How the clients of a round are trained."""

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]

    device: str
    threads: Literal["auto"] | int

    @property
    def name(self) -> str:
        """The registered name."""

    def open(self, setup: RunSetup) -> Session:
        """Get ready.

        Raises: ModelError if the base weights are not the server's; ConfigError.
        """
