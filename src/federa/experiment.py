"""A federated run from configuration to export. Read this and ``rounds.run_round`` first."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.checkpoint import BEST, CLIENTS, LATEST, SPLIT, SUMMARY, RunFolder
from federa.config import RunConfig
from federa.errors import ConfigError
from federa.files import write_atomically
from federa.measure import RoundRecord, best_round, total_bytes, total_seconds
from federa.preparation import prepare
from federa.progress import Progress, Silent
from federa.resumption import reopen
from federa.rounds import run_rounds
from federa.search import Search, read_outcome, search_rate
from federa.tracked import Tracked

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts
    from federa.engines import Engine, Session
    from federa.local import LocalSetup, RunSetup
    from federa.splitting import SplitData
    from federa.types import ServerState


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, its records, its final scores, where its exports are."""

    folder: Path
    records: list[RoundRecord]
    summary: dict[str, Any]
    exports: tuple[Path, ...]


def run(
    config: RunConfig | None = None,
    *,
    engine: Engine | None = None,
    folder: Path | str = "runs",
    resume: Path | str | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Run ``config`` in a new folder below ``folder``, or go on in the run folder ``resume``.

    With ``resume``, ``config`` may ask for more rounds and must equal the stored one otherwise.
    torch's thread count and deterministic mode are set for the process, as the run's plan says.
    Raises: FederaError of every kind.
    """
    progress = progress or Silent()
    if resume is None:
        if config is None:
            raise ConfigError("config: nothing to run; give a configuration or a folder to resume")
        _require_trackers(config)
        setup, state, facts, data = prepare(config)
        save_split = None if data is None else partial(_save_split, config, data)
        home = RunFolder.create(Path(folder), config, facts, state, save_split)
    else:
        home = RunFolder.open(Path(resume))
    with home.locked():
        if resume is not None:
            home.tidy()
            config, setup, state, facts, notes = reopen(home, config)
            for note in notes:
                progress.note(note)
            _require_trackers(config)
        assert config is not None
        records = home.drop_after(state.round)
        with Tracked(progress, config.tracking) as shown:
            shown.started(config, facts, home.path, state.round)
            result = _carried_out(config, setup, facts, home, state, records, engine, shown)
            shown.finish(result.summary)
            return result


def _carried_out(
    config: RunConfig,
    setup: RunSetup,
    facts: RunFacts,
    home: RunFolder,
    state: ServerState,
    records: list[RoundRecord],
    engine: Engine | None,
    progress: Progress,
) -> RunResult:
    """Search, train, score, export, from ``state`` on."""
    engine = engine or config.engine
    if config.search is not None:
        rate = search_rate(Search(config, setup, engine, home, facts, progress))["chosen"]
        config = config.with_rate(rate)
        setup = replace(setup, train=config.train)
        state = home.load_state()
        records = home.drop_after(state.round)
        progress.chose(rate, state.round)
    session = engine.open(setup)
    try:
        until = config.federation.num_rounds
        state = run_rounds(config, setup, session, home, state, records, progress, until)
        return _finish(config, setup, home, session, records, progress)
    finally:
        session.close()


def _require_trackers(config: RunConfig) -> None:
    """Raises: ConfigError if a tracker's library is missing, before anything is trained."""
    for tracker in config.tracking:
        tracker.require()


def _save_split(config: RunConfig, data: SplitData, folder: Path) -> None:
    """Who holds which rows, and how many of each label."""
    from federa.split_report import report_split

    data.save(config, folder / SPLIT)
    counted = report_split(config, data).to_json()
    write_atomically(folder / CLIENTS, json.dumps(counted).encode())


def _finish(
    config: RunConfig,
    setup: RunSetup,
    home: RunFolder,
    session: Session,
    records: list[RoundRecord],
    progress: Progress,
) -> RunResult:
    """Score the best and the latest state on everything, write the summary, export."""
    from federa.export import export_run
    from federa.local import LocalSetup

    here = setup if isinstance(setup, LocalSetup) else None
    splits = list(here.evaluation) if here else config.evaluation.splits
    progress.note(f"scoring the {config.evaluation.final} state on all examples")
    summary: dict[str, Any] = {
        "main_score": config.task.main_score,
        "shown_scores": list(config.task.shown_scores),
        "num_rounds": len(records),
    }
    scored: dict[int, dict[str, Any]] = {}
    scoreless = best_round(records, config.task.main_score) is None
    wanted = ["latest"] if scoreless else config.evaluation.final.split(" and ")
    for name in wanted:
        state = home.load_state({"best": BEST, "latest": LATEST}[name])
        if state.round not in scored:  # the best state often is the latest
            per_client = config.evaluation.per_client
            found = session.evaluate(state, splits, whole=True, per_client=per_client)
            scored[state.round] = found
        summary[name] = {"round": state.round, "scores": scored[state.round]}
    summary["baseline"] = _baselines(here) if here else {}
    summary["baseline_name"] = config.task.baseline_name
    summary["bytes"] = total_bytes(records)
    summary["measured_seconds"] = total_seconds(records)
    summary["learning_rate"] = config.train.learning_rate
    summary["search"] = read_outcome(home.path)  # its bytes and seconds are not in the totals
    summary["num_failures"] = sum(len(record.failures) for record in records)
    home.save_json(SUMMARY, summary)
    progress.note("exporting the best state")
    export = export_run(home.path, config.method.exports[0])
    return RunResult(home.path, records, summary, (export,))


def _baselines(setup: LocalSetup) -> dict[str, float]:
    """For each split, the main score of the best guess that ignores the input."""
    return {
        split: setup.task.baseline(setup.examples, part.encoded)
        for split, part in setup.evaluation.items()
    }
