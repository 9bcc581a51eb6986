"""What the process of a comparison answers, with runs that only pretend."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from federa.compare.worker import Told, work
from federa.errors import ClientError
from federa.measure import RoundRecord

Pretend = Callable[..., Any]
Ask = Callable[[Pretend], tuple[Connection, threading.Thread]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """A pipe to a worker, and its thread, whose runs are those of a function."""
    begun: list[tuple[Connection, threading.Thread]] = []
    raised: list[BaseException] = []

    def watched(pipe: Connection) -> None:
        try:
            work(pipe)
        except BaseException as error:
            raised.append(error)

    def begin(run: Pretend) -> tuple[Connection, threading.Thread]:
        monkeypatch.setattr("federa.experiment.run", run)
        ours, theirs = multiprocessing.Pipe()
        thread = threading.Thread(target=watched, args=(theirs,))
        thread.start()
        begun.append((ours, thread))
        return ours, thread

    yield begin
    for pipe, thread in begun:
        pipe.close()
        thread.join(timeout=60)
        assert not thread.is_alive(), "it ends when nobody asks any more"
    assert raised == []


def test_runs_are_answered_one_after_another(ask: Ask, tmp_path: Path) -> None:
    """Whatever became of the one before; an error is one line."""

    def run(config: str, *, folder: Path, resume: Path | None, progress: Told) -> Any:
        progress.note(f"{config} in {folder.name}, {resume}")
        if config == "refused":
            raise ClientError("round 1: nobody answered")
        if config == "broken":
            raise ValueError("first line\nsecond line")
        return SimpleNamespace(folder=folder / config)

    pipe, _ = ask(run)
    wanted = {
        "refused": ("failed", "round 1: nobody answered"),
        "broken": ("failed", "ValueError: first line"),
        "sound": ("finished", str(tmp_path / "sound")),
    }
    for config, answer in wanted.items():
        pipe.send((config, tmp_path, None))
        assert pipe.recv() == ("note", f"{config} in {tmp_path.name}, None")
        assert pipe.recv() == answer
    pipe.send(("sound", tmp_path, tmp_path / "old"))
    assert pipe.recv() == ("note", f"sound in {tmp_path.name}, {tmp_path / 'old'}")
    assert pipe.recv()[0] == "finished"


def test_it_ends_quietly_when_whoever_asked_is_gone(ask: Ask, tmp_path: Path) -> None:
    gone, told = threading.Event(), threading.Event()

    def run(config: str, *, progress: Told, **_: Any) -> Any:
        told.set()
        assert gone.wait(timeout=60)
        progress.note(config)

    pipe, thread = ask(run)
    pipe.send(("alone", tmp_path, None))
    assert told.wait(timeout=60)
    pipe.close()
    gone.set()
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_what_is_told_of_a_run() -> None:
    """Rounds of the search say which rate they are of; what the loop passes comes out again."""
    ours, theirs = multiprocessing.Pipe()
    told = Told(theirs)
    record = RoundRecord(2, measured_seconds={"total": 1.5})
    told.started(None, None, Path("runs/one"), 3)  # type: ignore[arg-type]
    told.searching(0.1, 2, 3, 5)
    told.finished_round(record, 0.25)
    told.chose(0.1, 2)
    told.finished_round(record, None)
    assert list(told.clients(iter([5, 7]), 1, 2)) == [5, 7]
    assert [ours.recv() for _ in range(4)] == [
        ("started", "runs/one", 3),
        ("round", 2, 0.25, 1.5, "rate 2 of 3"),
        ("chose", 0.1, 2),
        ("round", 2, None, 1.5, ""),
    ]
    assert not ours.poll()
