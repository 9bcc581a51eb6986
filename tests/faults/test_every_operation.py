"""Every single file-system operation of a whole run fails, or is the last; then the run goes on.

The operations are counted in a run that nothing happens to. Then each number in turn is disturbed,
the fault is taken away, and the run must end as if nothing had been.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from faults.conftest import Undisturbed
from faults.injection import HALF_DONE, KILLED, NEEDS_SPACE, READS, Fault
from faults.nursery import (
    STOPPED,
    Nursery,
    Outcome,
    contents,
    require_one_line,
    require_same,
)

SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def sound() -> set[str]:
    """Digests of remains that were gone on from already, under whichever fault they were left."""
    return set()


class Enumeration:
    """One kind of fault at every operation of a command that begins from ``before``."""

    def __init__(
        self, nursery: Nursery, undisturbed: Undisturbed, place: Path, sound: set[str]
    ) -> None:
        self.nursery, self.undisturbed, self.place = nursery, undisturbed, place
        self.sound = sound
        self.before: Path | None = None

    def command(self) -> list[object]:
        """What is disturbed: a new run, or the resumed ``before``."""
        shutil.rmtree(self.place, ignore_errors=True)
        if self.before is None:
            return ["run", self.undisturbed.file, "--folder", self.place]
        self.place.mkdir()
        shutil.copytree(self.before, self.place / "tiny")
        return ["run", "--resume", self.place / "tiny"]

    def operations(self) -> list[str]:
        """The kind of every operation, in order."""
        trace = self.place.with_name("trace")
        trace.unlink(missing_ok=True)
        fault = Fault(str(self.place), trace=str(trace))
        outcome = self.nursery.run(*self.command(), fault=fault)
        assert outcome.code == 0, outcome
        require_same(contents(self.place / "tiny"), self.undisturbed.contents, "counted")
        return [line.split()[0] for line in trace.read_text().splitlines()]

    def disturb(self, action: str, at: int, number: int = 0) -> Outcome:
        """Run the command with one fault."""
        fault = Fault(str(self.place), action, at, number)
        return self.nursery.run(*self.command(), fault=fault)

    def require_complete(self, where: str) -> None:
        """Everything is there, beside perhaps what an export was to replace."""
        found = contents(self.place / "tiny")
        kept = {name: value for name, value in found.items() if not name.startswith("export/.")}
        require_same(kept, self.undisturbed.contents, where)

    def require_recovery(self, where: str) -> None:
        """Go on without the fault, and compare; the same remains are gone on from once only."""
        folder = self.place / "tiny"
        state = "nothing"
        if folder.exists():
            state = hashlib.sha256(repr(contents(folder, partial=True)).encode()).hexdigest()
            again: list[object] = ["run", "--resume", folder]
        else:
            left = [path.name for path in self.place.glob("*")] if self.place.exists() else []
            assert all(name.startswith(".tiny.") for name in left), (where, left)
            again = ["run", self.undisturbed.file, "--folder", self.place]
        if state in self.sound:
            return
        self.sound.add(state)
        outcome = self.nursery.run(*again)
        assert outcome.code == 0, (where, outcome)
        assert outcome.err == "", (where, outcome)
        require_same(contents(folder), self.undisturbed.contents, where)


@pytest.fixture
def enumeration(
    begin: str,
    nursery: Nursery,
    undisturbed: Undisturbed,
    undisturbed_search: Undisturbed,
    tmp_path: Path,
    sound: set[str],
) -> Enumeration:
    """A ``new`` run, one with a ``search``, or one killed in its second round and ``resumed``."""
    aim = undisturbed_search if begin == "search" else undisturbed
    found = Enumeration(nursery, aim, tmp_path / "runs", sound)
    if begin == "resumed":
        half = _records_written(found)[1]
        assert found.disturb("kill", half).code == KILLED
        found.before = tmp_path / "before"
        shutil.copytree(found.place / "tiny", found.before)
        assert len((found.before / "rounds.jsonl").read_text().splitlines()) == 1
    return found


def _records_written(enumeration: Enumeration) -> list[int]:
    """The numbers of the operations that open the records to add to them."""
    enumeration.operations()
    lines = enumeration.place.with_name("trace").read_text().splitlines()
    return [
        number
        for number, line in enumerate(lines, start=1)
        if line.startswith("open ") and line.endswith("rounds.jsonl")
    ]


@pytest.mark.parametrize(
    ("begin", "action"),
    [
        ("new", "kill"),
        pytest.param("resumed", "kill", marks=SLOW),
        pytest.param("search", "kill", marks=SLOW),
        pytest.param("new", "power_cut", marks=SLOW),
    ],
)
def test_sudden_death_at_every_operation(enumeration: Enumeration, action: str) -> None:
    operations = enumeration.operations()
    assert len(operations) > 60, "the operations are seen at all"
    without_trace = READS if action == "power_cut" else READS | {"fsync"}
    for at, (before, kind) in enumerate(pairwise(["open", *operations]), start=1):
        if before in without_trace and kind not in HALF_DONE:
            continue  # the disk is as it was at the operation before
        where = f"{action} at {at} ({kind})"
        outcome = enumeration.disturb(action, at)
        assert outcome.code == KILLED, (where, outcome)
        enumeration.require_recovery(where)


@pytest.mark.parametrize(
    ("begin", "action", "number"),
    [
        ("new", "once", errno.EIO),
        pytest.param("resumed", "once", errno.EIO, marks=SLOW),
        pytest.param("new", "full", errno.ENOSPC, marks=SLOW),
        pytest.param("resumed", "full", errno.ENOSPC, marks=SLOW),
        pytest.param("new", "read_only", errno.EROFS, marks=SLOW),
    ],
)
def test_every_operation_fails(enumeration: Enumeration, action: str, number: int) -> None:
    for at, kind in enumerate(enumeration.operations(), start=1):
        if (action == "full" and kind not in NEEDS_SPACE) or (
            action == "read_only" and kind in READS
        ):
            continue
        where = f"{action} at {at} ({kind})"
        outcome = enumeration.disturb(action, at, number)
        if outcome.code == 0:  # all was done but perhaps for some cleaning up
            assert outcome.err == "", (where, outcome)
            enumeration.require_complete(where)
        else:
            line = require_one_line(outcome, 2)
            assert str(enumeration.place) in line, (where, line)
        enumeration.require_recovery(where)


@pytest.mark.slow
@pytest.mark.parametrize("begin", ["new"])
def test_a_signal_at_every_operation(enumeration: Enumeration) -> None:
    for at, kind in enumerate(enumeration.operations(), start=1):
        signum, code = [(signal.SIGINT, 130), (signal.SIGTERM, 143)][at % 2]
        where = f"{signum.name} at {at} ({kind})"
        outcome = enumeration.disturb("signal", at, signum)
        assert outcome.code == code, (where, outcome)
        assert outcome.err in ("", f"{STOPPED}{enumeration.place / 'tiny'}\n"), (where, outcome)
        enumeration.require_recovery(where)
