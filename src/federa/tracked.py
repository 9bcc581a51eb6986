"""A display that also sends a run's rounds to its trackers, and survives what happens to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from federa.checkpoint import RECORDS
from federa.measure import RoundRecord, read_records
from federa.resumption import flatten
from federa.tracking.interface import TrackedRun
from federa.tracking.values import final_values, round_values, tidy

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts
    from federa.config import RunConfig
    from federa.progress import Progress
    from federa.tracking import Sink, Tracker

Item = TypeVar("Item")
MOST_LETTERS = 200


class Tracked:
    """A ``Progress`` that passes everything on to another, and rounds to trackers as well.

    A sink that fails is closed, which is one note, and the run goes on without it. Rounds come from
    ``rounds.jsonl`` where a sink lacks them, so that a resumed run, even a finished one, makes up
    for what was missed. Short runs of a search are not sent: the chosen one is, as a part of the
    run. Used in a ``with`` statement, which closes the sinks.
    """

    def __init__(self, progress: Progress, trackers: Sequence[Tracker]) -> None:
        self.progress, self.trackers = progress, trackers
        self._sinks: dict[str, Sink] = {}
        self._last_round: dict[str, int] = {}  # that each sink has
        self._folder: Path | None = None
        self._searching = False
        self._down_bytes = self._up_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._sinks:
            name, sink = self._sinks.popitem()
            with self._tolerating(name):
                sink.close()

    def started(self, config: RunConfig, facts: RunFacts, folder: Path, done: int) -> None:
        """Open the sinks, and send them the finished rounds that they lack."""
        self.progress.started(config, facts, folder, done)
        self._folder = folder
        run = describe(config, facts, folder)
        for tracker in self.trackers:
            with self._tolerating(tracker.name):
                self._sinks[tracker.name] = sink = tracker.open(run)
                self._last_round[tracker.name] = sink.last_round
        self._catch_up(done)

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        """Pass through."""
        return self.progress.clients(arrivals, round, total)

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        """Send the round, unless it is one of a search."""
        self.progress.finished_round(record, score)
        if not self._searching:
            self._send(record)

    def searching(self, rate: float, number: int, total: int, num_rounds: int) -> None:
        """Send nothing until a learning rate is chosen."""
        self.progress.searching(rate, number, total, num_rounds)
        self._searching = True

    def chose(self, rate: float, done: int) -> None:
        """Send the rounds of the chosen short run."""
        self.progress.chose(rate, done)
        self._searching = False
        self._catch_up(done)

    def note(self, text: str) -> None:
        """Pass on."""
        self.progress.note(text)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Send the final scores, and that the run is over."""
        values = final_values(summary)
        for name, sink in list(self._sinks.items()):
            with self._tolerating(name):
                sink.finish(summary["num_rounds"], values)

    def _catch_up(self, done: int) -> None:
        """Begin to count with the first round, and send what is missing of the first ``done``."""
        self._down_bytes = self._up_bytes = 0
        if not self._sinks:
            return
        assert self._folder is not None
        for record in read_records(self._folder / RECORDS):
            if record.round <= done:
                self._send(record)

    def _send(self, record: RoundRecord) -> None:
        self._down_bytes += record.down.serialised_bytes
        self._up_bytes += record.up.serialised_bytes
        values = round_values(record, self._down_bytes, self._up_bytes)
        for name, sink in list(self._sinks.items()):
            if record.round > self._last_round[name]:
                with self._tolerating(name):
                    sink.round(record.round, values)
                    self._last_round[name] = record.round

    @contextmanager
    def _tolerating(self, name: str) -> Iterator[None]:
        """Give up the tracker ``name`` if it fails inside the block."""
        try:
            yield
        except Exception as error:  # whatever a library, a server or a disk may come up with
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_LETTERS]
            self.progress.note(
                f"tracking: {name} failed ({reason}); the run goes on without it, and resuming "
                "sends what is missing"
            )
            sink = self._sinks.pop(name, None)
            if sink is not None:
                with suppress(Exception):
                    sink.close()


def describe(config: RunConfig, facts: RunFacts, folder: Path) -> TrackedRun:
    """What trackers are told of a run: its configuration and what was found out, as flat names."""
    found = {
        name: value for name, value in asdict(facts).items() if name not in ("source", "labels")
    }
    told = flatten(config.model_dump(mode="json", exclude={"tracking"}) | {"facts": found})
    return TrackedRun(
        folder=folder,
        group=config.name,
        parameters={tidy(name): _plain(value) for name, value in told.items()},
        main_score=f"validation/{config.task.main_score}",
    )


def _plain(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else json.dumps(value)
