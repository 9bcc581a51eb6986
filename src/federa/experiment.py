"""A federated run, readable top to bottom: ``run`` loops over ``run_round``. Read this first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from federa.admission import admit
from federa.checkpoint import BEST, LATEST, RunFacts, RunFolder
from federa.config import RunConfig
from federa.errors import ClientError, ConfigError
from federa.measure import RoundRecord, averaging_error, best_round, validation_score
from federa.preparation import prepare
from federa.resumption import reopen
from federa.seeding import numpy_generator
from federa.types import Download, ServerState, Upload

if TYPE_CHECKING:
    from federa.engines import Engine, Session
    from federa.local import LocalSetup

Item = TypeVar("Item")


class Progress(Protocol):
    """What a display shows of a run while it goes on."""

    def started(self, config: RunConfig, facts: RunFacts, folder: Path, done: int) -> None:
        """The run begins, or goes on after ``done`` rounds."""

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        """Pass the answers of a round's clients through."""

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        """A round was saved."""

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

    def note(self, text: str) -> None:
        """Show nothing."""


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
        setup, state, facts = prepare(config)
        clients = [rows.tolist() for rows in setup.clients]
        home = RunFolder.create(Path(folder), config, facts, state, clients)
    else:
        home = RunFolder.open(Path(resume))
    with home.locked():
        if resume is not None:
            home.tidy()
            config, setup, state, facts, notes = reopen(home, config)
            for note in notes:
                progress.note(note)
        assert config is not None
        records = home.drop_after(state.round)
        progress.started(config, facts, home.path, state.round)
        session = (engine or config.engine).open(setup)
        try:
            while state.round < config.federation.num_rounds:
                state, record = run_round(config, setup, session, state, progress)
                home.append(record)
                records.append(record)
                if state.round == best_round(records, config.task.main_score):
                    home.save_state(state, BEST)
                home.save_state(state, LATEST)
                score = validation_score(record, config.task.main_score)
                progress.finished_round(record, score)
            return _finish(config, setup, home, session, records, progress)
        finally:
            session.close()


def run_round(
    config: RunConfig, setup: LocalSetup, session: Session, state: ServerState, progress: Progress
) -> tuple[ServerState, RoundRecord]:
    """One round: pick, send, train, admit, merge, score. ``state`` is left as it was.

    Raises: ClientError if fewer than ``min_uploads`` clients returned a usable update.
    """
    began = time.perf_counter()
    rule, plan, number = config.rule, config.federation, state.round + 1
    record = RoundRecord(number, learning_rate=config.train.rate(state.round, plan.num_rounds))
    # 1. pick the cohort: a function of (seed, round) alone
    cohort = pick_cohort(len(setup.clients), plan.clients_per_round, config.seed, state.round)
    # 2. what each client is sent
    needed = first_contact_names(state, config.train.weight_decay)
    work = {client: greet(rule.download(state, client), state, client, needed) for client in cohort}
    record.sent(work, state)
    # 3. train; unsound answers are set aside as failures
    sizes = {client: len(setup.clients[client]) for client in cohort}
    answers = progress.clients(session.train(state.round, work), number, len(cohort))
    received = record.received(answers, state.layout)
    uploads = record.usable(admit(received, state.params, sizes))
    require(uploads, record, plan.min_uploads)
    # 4. merge
    contacted = state.contacted | {upload.client for upload in uploads}
    state = replace(rule.merge(state, uploads), contacted=contacted)
    record.averaging_error = averaging_error(state, uploads)
    # 5. score
    if number % config.evaluation.every == 0 or number == plan.num_rounds:
        scored = time.perf_counter()
        record.scores = session.evaluate(
            state, config.evaluation.splits, whole=False, per_client=config.evaluation.per_client
        )
        record.measured_seconds["evaluate"] = time.perf_counter() - scored
    record.measured_seconds["total"] = time.perf_counter() - began
    return state, record


def pick_cohort(num_clients: int, per_round: int | None, seed: int, round: int) -> list[int]:
    """Sorted client ids of ``round`` (from 0), drawn without replacement."""
    if per_round is None or per_round == num_clients:
        return list(range(num_clients))
    generator = numpy_generator(seed, "cohort", round)
    return sorted(generator.choice(num_clients, per_round, replace=False).tolist())


def first_contact_names(state: ServerState, weight_decay: float) -> list[str]:
    """Names whose start a client must hold: the residual's factors, and what decay pulls towards.

    What the base model itself gives (the encoder under full fine-tuning) is not among them.
    """
    names = list(state.layout.starts)
    if weight_decay:
        names += [name for pair in state.layout.pairs for name in (pair.a, pair.b)]
        names += state.layout.head
    return list(dict.fromkeys(names))


def greet(download: Download, state: ServerState, client: int, needed: Sequence[str]) -> Download:
    """Add the start to a client's first download; what ``params`` already says is not repeated."""
    import torch

    if client in state.contacted:
        return download
    start = {
        name: state.start[name]
        for name in needed
        if not torch.equal(state.start[name], state.params[name])
    }
    return replace(download, start=start)


def require(uploads: Sequence[Upload], record: RoundRecord, min_uploads: int) -> None:
    """Refuse to merge below the quorum.

    Raises: ClientError.
    """
    if len(uploads) < min_uploads:
        reasons = [f"client {failure.client}: {failure.reason}" for failure in record.failures]
        raise ClientError(
            f"round {record.round}: {len(uploads)} of {len(record.clients)} clients returned a "
            f"usable update, federation.min_uploads is {min_uploads}"
            + (f"; {reasons[0]}" if reasons else "")
        )


def _finish(
    config: RunConfig,
    setup: LocalSetup,
    home: RunFolder,
    session: Session,
    records: list[RoundRecord],
    progress: Progress,
) -> RunResult:
    """Score the best and the latest state on everything, write the summary, export."""
    from federa.export import default_formats, export_run

    splits = list(setup.evaluation)
    progress.note("scoring the best and the latest state on all examples")
    summary: dict[str, Any] = {"main_score": config.task.main_score, "num_rounds": len(records)}
    scored: dict[int, dict[str, Any]] = {}
    for name, file in (("best", BEST), ("latest", LATEST)):
        if name == "best" and not home.has_best():
            continue
        state = home.load_state(file)
        if state.round not in scored:  # the best state often is the latest
            per_client = config.evaluation.per_client
            found = session.evaluate(state, splits, whole=True, per_client=per_client)
            scored[state.round] = found
        summary[name] = {"round": state.round, "scores": scored[state.round]}
    summary["baseline"] = {
        split: config.task.baseline(setup.examples, setup.evaluation[split].encoded)
        for split in splits
    }
    summary["bytes"] = {
        way: {
            kind: sum(getattr(getattr(record, way), kind) for record in records)
            for kind in ("tensor_bytes", "head_bytes", "serialised_bytes")
        }
        for way in ("down", "up")
    }
    summary["measured_seconds"] = sum(
        record.measured_seconds.get("total", 0.0) for record in records
    )
    summary["num_failures"] = sum(len(record.failures) for record in records)
    home.save_summary(summary)
    progress.note("exporting the best state")
    exports = tuple(
        export_run(home.path, format, home.path / "export" / format)
        for format in default_formats(config)
    )
    return RunResult(home.path, records, summary, exports)
