"""Reading runs for a report: from run folders, comparisons, and folders of either.

Only the small files are needed (config.yaml, facts.json, rounds.jsonl; environment.json,
summary.json and clients.json where they are), so that records can be kept without their models.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.checkpoint import CLIENTS, CONFIG, ENVIRONMENT, FACTS, RunFolder
from federa.errors import RunError

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts
    from federa.config import RunConfig
    from federa.measure import RoundRecord


@dataclass(frozen=True)
class Run:
    """One run as it is on disk; summary: None while it is not finished.

    setting and method: as its comparison calls them, else its name and its method's; ceiling_of:
    the settings that its comparison made it for, if it is a pooled one.
    """

    path: Path
    setting: str
    method: str
    config: RunConfig
    facts: RunFacts
    records: list[RoundRecord]
    summary: dict[str, Any] | None
    environment: dict[str, Any]
    clients: dict[str, Any] | None
    ceiling_of: tuple[str, ...] = ()

    @property
    def seed(self) -> int:
        """Of the run, and so of its split."""
        return self.config.seed

    @property
    def pooled(self) -> bool:
        """Whether nothing is federated: one client holds everything."""
        return self.facts.num_clients == 1


def read_runs(folders: Iterable[Path]) -> list[Run]:
    """Every run below ``folders``, in order of its path.

    Raises: RunError if a folder holds none, or a file is damaged.
    """
    runs: list[Run] = []
    for folder in folders:
        found = [read_run(path) for path in sorted(_places(folder))]
        if not found:
            what = "holds no run" if folder.is_dir() else "no such folder"
            raise RunError(f"{folder}: {what}")
        runs += found
    return runs


def _places(folder: Path) -> Iterator[Path]:
    """Run folders in ``folder``, itself included, but not the short runs of a search."""
    if (folder / CONFIG).is_file() and (folder / FACTS).is_file():
        yield folder
        return
    for child in folder.iterdir() if folder.is_dir() else ():
        if child.is_dir() and not child.name.startswith("."):
            yield from _places(child)


def read_run(path: Path) -> Run:
    """The run in ``path``.

    Raises: RunError, ConfigError if a file is damaged.
    """
    home = RunFolder(path)
    config = home.config()
    if config.search is not None and (chosen := _json(path / "search.json")):
        config = config.with_rate(float(chosen["chosen"]))
    place = _json(path / PLACE) or {}
    return Run(
        path=path,
        setting=place.get("setting", config.name),
        method=place.get("method", config.method.name),
        config=config,
        facts=home.facts(),
        records=home.records(),
        summary=home.summary(),
        environment=_json(path / ENVIRONMENT) or {},
        clients=_json(path / CLIENTS),
        ceiling_of=tuple(place.get("ceiling_of", ())),
    )


PLACE = "comparison.json"
"""In a run folder: the setting and the method that it stands for in a comparison, and of a pooled
run the settings that it is the ceiling of."""


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: damaged or unreadable") from error
