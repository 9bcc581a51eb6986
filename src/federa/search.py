"""Choosing a learning rate: a short run for each, the best on the validation split goes on."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.checkpoint import BEST, LATEST, RECORDS, START, RunFacts, RunFolder
from federa.errors import ClientError, RunError
from federa.files import copy_atomically
from federa.measure import best_round, total_bytes, total_seconds, validation_score
from federa.rounds import run_rounds

if TYPE_CHECKING:
    from federa.config import RunConfig
    from federa.engines import Engine
    from federa.local import RunSetup
    from federa.progress import Progress

FOLDER, OUTCOME = "search", "search.json"


@dataclass(frozen=True)
class Search:
    """What every short run shares with the run that it is for."""

    config: RunConfig
    setup: RunSetup
    engine: Engine
    home: RunFolder
    facts: RunFacts
    progress: Progress

    @property
    def num_rounds(self) -> int:
        """Of each short run: whole spans of ``evaluation.every``, so that its end is scored."""
        grid, every = self.config.search, self.config.evaluation.every
        assert grid is not None
        wanted = math.ceil(grid.num_rounds / every) * every
        return min(wanted, self.config.federation.num_rounds)


def search_rate(search: Search) -> dict[str, Any]:
    """Choose a rate and bring the run to where the chosen short run ended; what was found.

    A short run is the beginning of the run that would follow at its rate, so nothing of the chosen
    one is lost. Short runs are run folders below ``search/``: a search that is stopped goes on.
    Raises: ClientError if no rate of the grid could be trained; RunError.
    """
    home, grid = search.home, search.config.search
    assert grid is not None
    outcome = read_outcome(home.path)
    done = home.load_state().round
    if outcome is None and done:
        raise RunError(f"{home.path / OUTCOME}: missing, though the search is over")
    if outcome is None:
        tries = [_try(search, rate, number) for number, rate in enumerate(grid.grid, start=1)]
        outcome = {
            "num_rounds": search.num_rounds,
            "main_score": search.config.task.main_score,
            "tries": tries,
            "chosen": _best(tries),
        }
        home.save_json(OUTCOME, outcome)
    if not done:
        _adopt(home, _place(home, outcome["chosen"]))
    for rate in grid.grid:
        for name in (START, LATEST, BEST):
            (_place(home, rate) / name).unlink(missing_ok=True)
    return outcome


def read_outcome(run: Path) -> dict[str, Any] | None:
    """What the search of a run folder found, or None if it is not finished.

    Raises: RunError if the file is damaged.
    """
    path = run / OUTCOME
    if not path.exists():
        return None
    try:
        outcome: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tried = [entry["learning_rate"] for entry in outcome["tries"]]
        if outcome["chosen"] not in tried:
            raise ValueError("a rate that was not tried")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: damaged or unreadable") from error
    return outcome


def _place(home: RunFolder, rate: float) -> Path:
    return home.path / FOLDER / repr(rate)


def _try(search: Search, rate: float, number: int) -> dict[str, Any]:
    """The short run at ``rate``, from where it stopped if it has begun."""
    config = search.config.with_rate(rate).model_copy(update={"name": repr(rate)})
    setup, home, path = search.setup, search.home, _place(search.home, rate)
    if not path.is_dir():
        RunFolder.create(path.parent, config, search.facts, home.load_state())  # split: home's
    folder = RunFolder.open(path)
    state = folder.load_state()
    records = folder.drop_after(state.round)
    assert config.search is None
    grid = search.config.search
    assert grid is not None
    failure = None
    if state.round < search.num_rounds:
        search.progress.searching(rate, number, len(grid.grid), search.num_rounds)
        session = search.engine.open(replace(setup, train=config.train))
        until = search.num_rounds
        try:
            run_rounds(config, setup, session, folder, state, records, search.progress, until)
        except ClientError as error:  # a rate that no client can train at is an answer too
            failure = str(error)
            search.progress.note(failure)
        finally:
            session.close()
    main = config.task.main_score
    best = best_round(records, main)
    return {
        "learning_rate": rate,
        "scores": {str(record.round): validation_score(record, main) for record in records},
        "best": None if best is None or failure else validation_score(records[best - 1], main),
        "failure": failure,
        "bytes": total_bytes(records),
        "measured_seconds": total_seconds(records),
    }


def _best(tries: list[dict[str, Any]]) -> float:
    """The rate with the highest validation score of any round; the smaller of equal ones."""
    scored = [
        (entry["best"], -entry["learning_rate"]) for entry in tries if entry["best"] is not None
    ]
    if not scored:
        reasons = [entry["failure"] for entry in tries if entry["failure"]]
        raise ClientError(
            "train.learning_rate: no rate of the grid could be trained"
            + (f"; at {tries[0]['learning_rate']:g}: {reasons[0]}" if reasons else "")
        )
    return float(-max(scored)[1])


def _adopt(home: RunFolder, chosen: Path) -> None:
    """Take over what the chosen short run reached; the latest state last, as in every round."""
    for name in (RECORDS, BEST, LATEST):
        if name != BEST or (chosen / name).is_file():
            copy_atomically(chosen / name, home.path / name)
