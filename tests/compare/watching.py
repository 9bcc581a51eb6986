"""An overview that keeps what it is told, and small comparisons that really run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builders import tiny_config
from federa.compare import Cell, Comparison
from federa.compare.plan import RATE

NUM_ROUNDS, RATES = 2, [0.001, 0.01]
Event = tuple[Any, ...]


class Kept:
    """Notes every call; ``then`` may do something when one comes."""

    def __init__(self, then: Callable[[Event], None] = lambda event: None) -> None:
        self.events: list[Event] = []
        self._then = then

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        self._then(event)

    def begun(self, cells: list[Cell], done: dict[str, float]) -> None:
        self._note("begun", [cell.key for cell in cells], dict(done))

    def running(self, cell: Cell, done: int) -> None:
        self._note("running", cell.key, done)

    def round(self, cell: Cell, number: int, score: float | None, search: str) -> None:
        self._note("round", cell.key, number, search)

    def finished(self, cell: Cell, score: float) -> None:
        self._note("finished", cell.key, score)

    def failed(self, cell: Cell, reason: str) -> None:
        self._note("failed", cell.key, reason)

    def note(self, text: str) -> None:
        self._note("note", text)

    def of(self, kind: str) -> list[Event]:
        """What came of one kind, without its name."""
        return [event[1:] for event in self.events if event[0] == kind]


def tiny_base(model: str, table: Path, **changes: Any) -> dict[str, Any]:
    """A configuration as a file has it: four clients, two rounds of two steps."""
    train = {"max_steps": 2, "batch_size": 4, "max_length": 24, "learning_rate": 0.01}
    federation = {"num_clients": 4, "num_rounds": NUM_ROUNDS}
    config = tiny_config(model, table, train=train, federation=federation)
    keys = ("seed", "model", "data", "partition", "federation", "train", "engine")
    return {**config.model_dump(mode="json", include=set(keys)), "method": "lora", **changes}


def tiny_comparison(
    base: dict[str, Any], *methods: str, rates: list[float] = RATES, **fields: Any
) -> Comparison:
    """One seed, and two rates to choose from by a round each."""
    given = {"num_seeds": 1, "search_rounds": 1, **fields}
    return Comparison.make(base, list(methods), {RATE: rates}, **given)


def records(folder: Path) -> list[dict[str, Any]]:
    """The records of a run, without what differs from one time to the next."""
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    for line in lines:
        del line["measured_seconds"], line["peak_memory_bytes"]
    return lines


def bytes_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with what is in it and when it was written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
