"""Standard output on a full disk, closed, or read by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.conftest import Undisturbed
from faults.nursery import Nursery, Outcome, contents, require_one_line, require_same

FULL = Path("/dev/full")
LISTS = ("schema", "methods", "rules", "datasets", "partitions", "models", "--version", "--help")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


def federa(*arguments: object, shell: str, unbuffered: str = "") -> Outcome:
    """A real process, whose streams a shell has set up."""
    line = f'exec "$@" {shell}'
    command = [sys.executable, "-m", "federa", *map(str, arguments)]
    done = subprocess.run(
        ["sh", "-c", line, "sh", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@needs_full
@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [*((command, "") for command in LISTS), ("schema", "1"), ("--help", "1")],
)
def test_a_list_to_a_full_disk(command: str, unbuffered: str) -> None:
    outcome = federa(command, shell="> /dev/full", unbuffered=unbuffered)
    line = require_one_line(outcome, 2)
    assert "standard output" in line


@pytest.mark.slow
@needs_full
def test_predictions_to_a_full_disk(undisturbed: Undisturbed, tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("the printer\n" * 300)
    outcome = federa("predict", undisturbed.folder, tmp_path / "texts", shell="> /dev/full")
    assert "standard output" in require_one_line(outcome, 2)


@needs_full
def test_a_run_that_cannot_say_anything(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    outcome = federa("run", undisturbed.file, "--folder", tmp_path, shell="> /dev/full")
    if outcome.code != 0:
        assert "standard output" in require_one_line(outcome, 2)
    folder = tmp_path / "tiny"
    again = ("--resume", folder) if folder.exists() else (undisturbed.file, "--folder", tmp_path)
    assert nursery.run("run", *again).code == 0
    require_same(contents(folder), undisturbed.contents, "full")


@pytest.mark.parametrize("command", ["schema", "methods", "--help"])
@pytest.mark.parametrize("shell", [">&-", ">&- 2>&-", "<&-", "> /dev/full 2> /dev/full"])
def test_closed_streams(command: str, shell: str) -> None:
    outcome = federa(command, shell=shell)
    assert outcome.code in (0, 2)
    assert len(outcome.err.splitlines()) <= 1, outcome


@pytest.mark.slow
def test_a_run_without_streams(undisturbed: Undisturbed, tmp_path: Path) -> None:
    outcome = federa("run", undisturbed.file, "--folder", tmp_path, shell="<&- >&- 2>&-")
    assert outcome.code == 0
    require_same(contents(tmp_path / "tiny"), undisturbed.contents, "closed")


def test_a_run_whose_reader_goes_away_is_no_success(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Exit code 0 would say that it is finished."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "federa", "run", str(undisturbed.file)]
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [*command, "--folder", str(tmp_path)],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    folder = tmp_path / "tiny"
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1, done.stderr
    if done.returncode == 0:
        require_same(contents(folder), undisturbed.contents, "exit code 0")
    again = ("--resume", folder) if folder.exists() else (undisturbed.file, "--folder", tmp_path)
    assert nursery.run("run", *again).code == 0
    require_same(contents(folder), undisturbed.contents, "closed pipe")
