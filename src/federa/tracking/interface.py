"""What every tracker is: a record that opens a sink, which is sent a run's rounds."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from federa.errors import ConfigError, RunError
from federa.files import write_atomically

MEMORY = "tracking.json"
"""The file of a run folder in which trackers keep what they need to go on."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run.

    folder: of the run; group: what this run and those beside it have in common; parameters:
    configuration and facts, flat; main_score: the name of the value that the run is judged by.
    """

    folder: Path
    group: str
    parameters: Mapping[str, str | int | float]
    main_score: str


class Sink(Protocol):
    """An open tracker. Any method may raise anything; the run goes on without the sink then."""

    @property
    def last_round(self) -> int:
        """The round up to which everything was there already when the sink was opened."""

    def round(self, number: int, values: Mapping[str, float]) -> None:
        """Log the values of round ``number``, which counts from 1; each comes once, in order."""

    def finish(self, number: int, values: Mapping[str, float]) -> None:
        """Log the final values of a run of ``number`` rounds, and that it is over."""

    def close(self) -> None:
        """Release what was opened; without ``finish``, the run did not reach its end."""


class Tracker(Protocol):
    """Where rounds are sent."""

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]

    @property
    def name(self) -> str:
        """The registered name."""

    def require(self) -> None:
        """Refuse what cannot work, before anything is trained.

        Raises: ConfigError if a package or a login is missing.
        """

    def open(self, run: TrackedRun) -> Sink:
        """Begin, or go on where the sink of an earlier process stopped."""


def require_packages(tracker: str, *packages: str) -> None:
    """Refuse a tracker whose packages are not installed.

    Raises: ConfigError.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"tracking: {tracker} needs the package {package}; pip install 'federa[tracking]'"
            )


def recall(folder: Path, tracker: str) -> dict[str, Any]:
    """What ``tracker`` remembered in a run folder; empty at the beginning.

    Raises: RunError if the file is damaged.
    """
    return dict(_memory(folder).get(tracker, {}))


def remember(folder: Path, tracker: str, **facts: Any) -> None:
    """Keep ``facts`` beside what ``tracker`` remembered before.

    Raises: RunError.
    """
    memory = _memory(folder)
    memory[tracker] = {**memory.get(tracker, {}), **facts}
    write_atomically(folder / MEMORY, json.dumps(memory, indent=2).encode())


def _memory(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / MEMORY
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: dict(facts) for name, facts in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: damaged or unreadable") from error
