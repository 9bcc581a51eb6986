"""Running a comparison: what is finished stays, what was stopped goes on, what fails is noted."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from federa.checkpoint import CONFIG, LATEST, RECORDS, RunFolder
from federa.compare.plan import Cell, Comparison
from federa.compare.worker import work
from federa.errors import FederaError, RunError
from federa.export import EXPORT
from federa.files import explained, write_atomically
from federa.measure import read_records
from federa.search import read_outcome

if TYPE_CHECKING:
    from federa.config import RunConfig

RUNS, FAILURES, PLACE = "runs", "failures.json", "comparison.json"


class Overview(Protocol):
    """What shows a comparison while it goes on."""

    def begun(self, cells: list[Cell], done: dict[str, float]) -> None:
        """The grid, and the scores of the runs that are finished already, by key."""

    def running(self, cell: Cell, done: int) -> None:
        """A run begins, or goes on after ``done`` rounds."""

    def round(self, cell: Cell, number: int, score: float | None, search: str) -> None:
        """A round is over; search: which rate is being tried, if one is."""

    def finished(self, cell: Cell, score: float) -> None:
        """A run is over; its test (else validation) score."""

    def failed(self, cell: Cell, reason: str) -> None:
        """A run has no result."""

    def note(self, text: str) -> None:
        """One line worth knowing."""


@dataclass(frozen=True)
class Outcome:
    """How a comparison ended: the keys of the runs that are finished, and why others are not."""

    finished: list[str]
    failures: dict[str, str]


def compare(comparison: Comparison, folder: Path, overview: Overview) -> Outcome:
    """Make every run of ``comparison`` that ``folder`` does not have yet.

    Each call tries failed runs again. Raises: ConfigError if the folder holds another comparison;
    RunError if it cannot be written or is in use.
    """
    with explained(folder):
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        comparison.save(folder)
        cells = comparison.cells()
        scores = ((cell.key, _score(folder, cell)) for cell in cells)
        done = {key: score for key, score in scores if score is not None}
        overview.begun(cells, done)
        known = {key: why for key, why in _failures(folder).items() if key not in done}
        failures: dict[str, str] = {}
        _save_failures(folder, known)
        with Worker() as worker:
            for cell in cells:
                if cell.key in done:
                    continue
                reason = _run(worker, cell, folder, overview)
                score = _score(folder, cell) if reason is None else None
                if score is not None:
                    done[cell.key] = score
                    known.pop(cell.key, None)
                    overview.finished(cell, score)
                else:
                    failures[cell.key] = reason or f"{RUNS}/{cell.folder}: holds no result"
                    known[cell.key] = failures[cell.key]
                    overview.failed(cell, failures[cell.key])
                _save_failures(folder, known)
        return Outcome(list(done), failures)


def _failures(folder: Path) -> dict[str, str]:
    """Why runs have no result, as earlier calls noted it.

    Raises: RunError.
    """
    path = folder / FAILURES
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path}: damaged or unreadable; it may be deleted") from error


def _save_failures(folder: Path, failures: dict[str, str]) -> None:
    write_atomically(folder / FAILURES, json.dumps(failures, indent=1).encode())


def _run(worker: Worker, cell: Cell, folder: Path, overview: Overview) -> str | None:
    """Make or go on with one run; why it failed, or None."""
    path = folder / RUNS / cell.folder
    try:
        config = _completed(cell, folder)
        resume = path if (path / CONFIG).is_file() else None
        for kind, *rest in worker.run(config, path.parent, resume):
            if kind == "started":
                place: dict[str, Any] = {"setting": cell.setting, "method": cell.method}
                if cell.ceiling_of:
                    place["ceiling_of"] = cell.ceiling_of
                write_atomically(Path(rest[0]) / PLACE, json.dumps(place).encode())
                overview.running(cell, rest[1])
            elif kind == "round":
                overview.round(cell, rest[0], rest[1], rest[3])
            elif kind == "note":
                overview.note(f"{cell.key}: {rest[0]}")
            elif kind == "failed":
                return str(rest[0])
    except FederaError as error:
        return str(error)
    return None


def _completed(cell: Cell, folder: Path) -> RunConfig:
    """The cell's configuration with what earlier runs decide.

    Raises: RunError if such a run is not there.
    """
    config = cell.config
    if cell.rate_from is not None:
        outcome = read_outcome(folder / RUNS / cell.rate_from)
        if outcome is None:
            raise RunError(f"{cell.rate_from} has not chosen a learning rate")
        config = config.with_rate(float(outcome["chosen"]))
    if cell.steps_from:
        begun = folder / RUNS / cell.folder
        if (begun / CONFIG).is_file():  # it goes on with the steps that it began with
            most = RunFolder(begun).config().train.max_steps
        else:
            most = _steps(cell.steps_from, folder)
        train = config.train.model_copy(update={"max_steps": most, "epochs": None})
        config = config.model_copy(update={"train": train})
    return config


def _steps(names: Sequence[str], folder: Path) -> int:
    """Steps a round of all clients together, in the first finished one of these runs.

    Raises: RunError if none of them is finished.
    """
    for path in (folder / RUNS / name for name in names):
        if path.is_dir() and RunFolder(path).summary() is not None:
            steps = [
                sum(client.metrics.get("num_steps", 0.0) for client in record.clients)
                for record in read_records(path / RECORDS)
            ]
            return max(1, round(sum(steps) / len(steps)))
    raise RunError(f"no finished run to take the number of steps from; wanted {' or '.join(names)}")


def _score(folder: Path, cell: Cell) -> float | None:
    """The test (else validation) score of a finished run of these rounds, or None.

    A run with its states but without its export was stopped at the very end; of one that is kept
    without them, nothing more is wanted.
    """
    path = folder / RUNS / cell.folder
    if not path.is_dir():
        return None
    exported = path / EXPORT / cell.config.method.exports[0]
    if (path / LATEST).is_file() and not exported.is_dir():
        return None
    summary = RunFolder(path).summary()
    if summary is None or summary["num_rounds"] < cell.config.federation.num_rounds:
        return None
    scores = (summary.get("best") or summary["latest"])["scores"]
    split = "test" if "test" in scores else "validation"
    return float(scores[split][summary["main_score"]])


class Worker:
    """A process that makes runs, and a new one where that ends by itself, as for want of memory."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._pipe: Any = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(
        self, config: RunConfig, parent: Path, resume: Path | None
    ) -> Iterator[tuple[Any, ...]]:
        """Have a run made, and pass on what it tells; the last is ``finished`` or ``failed``."""
        if self._process is None:
            self._pipe, theirs = self._context.Pipe()
            process = self._context.Process(target=work, args=(theirs,))
            with _deaf_to_ctrl_c():
                process.start()
                self._process = process  # before we hear Ctrl-C again, which is to end it
            theirs.close()
        over = False
        try:
            self._pipe.send((config, parent, resume))
            while not over:
                told = self._pipe.recv()
                over = told[0] in {"finished", "failed"}
                yield told
        except (EOFError, OSError):
            over = True
            self._process.join()
            code, self._process = self._process.exitcode, None
            yield "failed", f"its process ended by itself (exit code {code}; -9: out of memory?)"
        finally:
            if not over:  # nobody listens any more, and the next run must not hear of this one
                self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._pipe.close()
            self._process.terminate()
            self._process.join()
            self._process = None


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """A process started inside never hears Ctrl-C, which a terminal sends to it too: we end it, and
    it could otherwise complain while it is still importing. We hear it once the block is left.

    Blocking the signal, which the new process inherits, is not enough for us: where another thread
    takes it, Python still runs its handler in the main one.
    """
    resource_tracker.ensure_running()  # multiprocessing's own; its start would unblock SIGINT
    heard: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    if is_main:
        signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if is_main:
            signal.signal(signal.SIGINT, handler)
        if heard:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against another comparison.

    Raises: RunError.
    """
    with explained(folder / ".lock"), (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{folder}: another process is working on this comparison") from None
        yield
