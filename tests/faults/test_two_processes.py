"""Two processes on one run folder, and readers of a folder that is being written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.conftest import Undisturbed
from faults.injection import Fault
from faults.nursery import ERROR, Child, Nursery, contents, require_one_line, require_same

SECONDS = 60


def wait_for(ready: Callable[[], bool]) -> None:
    """Look again and again."""
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


class Paused:
    """A new run that stops at one operation until it is released."""

    def __init__(self, nursery: Nursery, undisturbed: Undisturbed, place: Path) -> None:
        self.nursery, self.undisturbed = nursery, undisturbed
        self.runs, self.folder = place / "runs", place / "runs" / "tiny"
        self.released, self.reached = place / "released", place / "reached"
        self.child: Child | None = None

    def operations(self, place: Path) -> list[str]:
        """The operations of a run, with paths relative to where runs are."""
        trace = place / "trace"
        fault = Fault(str(place / "counted"), trace=str(trace))
        command = ("run", self.undisturbed.file, "--folder", place / "counted")
        assert self.nursery.run(*command, fault=fault).code == 0
        return [
            line.replace(str(place / "counted") + os.sep, "")
            for line in trace.read_text().splitlines()
        ]

    def begin(self, at: int) -> Child:
        """Start, and wait until operation ``at`` is reached."""
        targets = (str(self.released), str(self.reached))
        fault = Fault(str(self.runs), "pause", at, targets=targets)
        command = ("run", self.undisturbed.file, "--folder", self.runs)
        child = self.nursery.start(*command, fault=fault)
        wait_for(self.reached.exists)
        return child


@pytest.fixture
def paused(nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path) -> Paused:
    """A run that can be held up."""
    return Paused(nursery, undisturbed, tmp_path)


def number_of(operations: list[str], wanted: str, which: int = 0) -> int:
    """The number of the operation of that kind on that file."""
    found = [number for number, line in enumerate(operations, start=1) if line == wanted]
    return found[which]


@pytest.mark.parametrize(
    ("wanted", "which"),
    [
        ("open tiny/rounds.jsonl", 0),
        ("rename tiny/latest.safetensors", 0),
        ("open tiny/rounds.jsonl", -1),
        ("rename tiny/summary.json", 0),
    ],
)
def test_the_second_process_is_refused_and_the_first_undisturbed(
    paused: Paused, nursery: Nursery, tmp_path: Path, wanted: str, which: int
) -> None:
    operations = paused.operations(tmp_path)
    first = paused.begin(number_of(operations, wanted, which))
    before = contents(paused.folder, partial=True)
    for _ in range(2):
        line = require_one_line(nursery.run("run", "--resume", paused.folder), 2)
        assert line == f"{ERROR}{paused.folder}: another process is working on this run"
    assert contents(paused.folder, partial=True) == before, "it has not touched anything"
    paused.released.touch()
    outcome = nursery.wait(first)
    assert (outcome.code, outcome.err) == (0, "")
    require_same(contents(paused.folder), paused.undisturbed.contents, wanted)


def test_the_lock_is_free_at_once_after_a_kill(
    paused: Paused, nursery: Nursery, tmp_path: Path
) -> None:
    first = paused.begin(number_of(paused.operations(tmp_path), "open tiny/rounds.jsonl", -1))
    require_one_line(nursery.run("run", "--resume", paused.folder), 2)
    os.kill(first.pid, signal.SIGKILL)
    assert nursery.wait(first).code == -signal.SIGKILL
    outcome = nursery.run("run", "--resume", paused.folder)
    assert (outcome.code, outcome.err) == (0, "")
    require_same(contents(paused.folder), paused.undisturbed.contents, "killed")


def test_new_runs_at_the_same_time_get_folders_of_their_own(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    command = ("run", undisturbed.file, "--folder", tmp_path)
    for outcome in [nursery.wait(child) for child in [nursery.start(*command) for _ in range(4)]]:
        assert (outcome.code, outcome.err) == (0, "")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["tiny", "tiny-2", "tiny-3", "tiny-4"]
    for folder in tmp_path.iterdir():
        require_same(contents(folder), undisturbed.contents, folder)


def test_predict_and_export_while_a_run_writes(
    paused: Paused, nursery: Nursery, tmp_path: Path
) -> None:
    """At every tenth operation there is a state to use, from the first moment of the folder."""
    operations = paused.operations(tmp_path)
    texts = tmp_path / "texts"
    texts.write_text("the printer\nthe screen\n")
    first_seen = next(n for n, line in enumerate(operations, start=1) if line.endswith("tiny")) + 1
    for at in range(first_seen, len(operations) + 1, 10):
        paused.reached.unlink(missing_ok=True)
        paused.released.unlink(missing_ok=True)
        paused.runs = tmp_path / f"runs{at}"
        folder = paused.runs / "tiny"
        first = paused.begin(at)
        where = (at, operations[at - 1])
        predicted = nursery.run("predict", folder, texts)
        assert (predicted.code, predicted.err) == (0, ""), (where, predicted)
        assert len([json.loads(line) for line in predicted.out.splitlines()]) == 2
        exported = nursery.run("export", folder, "--out", tmp_path / f"out{at}")
        assert (exported.code, exported.err) == (0, ""), (where, exported)
        paused.released.touch()
        outcome = nursery.wait(first)
        assert (outcome.code, outcome.err) == (0, ""), where
        require_same(contents(folder), paused.undisturbed.contents, where)


@pytest.mark.slow
def test_two_whole_processes(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The same with nothing shared: two interpreters, the first killed at last."""
    command = [sys.executable, "-m", "federa", "run"]
    more = ["--set", "federation.num_rounds=100000"]
    new = [*command, str(undisturbed.file), "--folder", str(tmp_path), *more]
    with subprocess.Popen(new, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as first:
        records = tmp_path / "tiny" / "rounds.jsonl"
        wait_for(lambda: records.exists() and records.read_bytes().count(b"\n") > 2)
        resume = [*command, "--resume", str(tmp_path / "tiny")]
        second = subprocess.run(
            resume, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert second.returncode == 2
        assert second.stderr == (
            f"{ERROR}{tmp_path / 'tiny'}: another process is working on this run\n"
        )
        done = records.read_bytes().count(b"\n")
        wait_for(lambda: records.read_bytes().count(b"\n") > done)
        first.send_signal(signal.SIGKILL)
    assert first.returncode == -signal.SIGKILL
    done = records.read_bytes().count(b"\n")
    with subprocess.Popen(resume, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as third:
        wait_for(lambda: records.read_bytes().count(b"\n") > done + 2)
        third.send_signal(signal.SIGTERM)
        assert third.stderr is not None
        assert "stopped; go on with" in third.stderr.read().decode()
    assert third.returncode == 143
