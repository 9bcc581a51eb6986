"""What a display is told of a run while it goes on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts
    from federa.config import RunConfig
    from federa.measure import RoundRecord

Item = TypeVar("Item")


class Progress(Protocol):
    """What a display shows of a run while it goes on."""

    def started(self, config: RunConfig, facts: RunFacts, folder: Path, done: int) -> None:
        """The run begins, or goes on after ``done`` rounds."""

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        """Pass the answers of a round's clients through."""

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        """A round was saved."""

    def searching(self, rate: float, number: int, total: int, num_rounds: int) -> None:
        """The short run of the ``number``-th of ``total`` learning rates begins."""

    def chose(self, rate: float, done: int) -> None:
        """The search is over; the run goes on at ``rate`` after its ``done`` rounds."""

    def note(self, text: str) -> None:
        """One line worth knowing."""


class Silent:
    """No display."""

    def started(self, config: RunConfig, facts: RunFacts, folder: Path, done: int) -> None:
        """Show nothing."""

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        """Pass through."""
        return arrivals

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        """Show nothing."""

    def searching(self, rate: float, number: int, total: int, num_rounds: int) -> None:
        """Show nothing."""

    def chose(self, rate: float, done: int) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""
