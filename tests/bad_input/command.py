"""Running the command line, and what a refusal has to look like."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from federa import cli

LONGEST = 800
"""Characters of a message; more is no clear line."""


class Outcome(NamedTuple):
    """How a command ended."""

    code: object
    out: str
    err: str


def federa(*arguments: str) -> Outcome:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with (
        mock.patch.object(sys, "argv", ["federa", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as stopped:
            code = stopped.code
    return Outcome(code, out.getvalue(), err.getvalue())


def spawn(*arguments: str, seconds: float = 120) -> Outcome:
    """Run a command in a process of its own, with nothing to read."""
    done = subprocess.run(
        [sys.executable, "-m", "federa", *arguments],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        timeout=seconds,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def listing(folder: Path) -> dict[str, int]:
    """Everything below ``folder``, hidden things too, with sizes of files."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.join(root, name)] = -1
        for name in files:
            found[os.path.join(root, name)] = os.lstat(os.path.join(root, name)).st_size
    return found


def assert_refused(outcome: Outcome, *parts: str, code: int = 2) -> None:
    """One readable line that holds ``parts``, and the exit code."""
    assert "Traceback" not in outcome.out + outcome.err
    assert outcome.code == code, outcome
    lines = outcome.err.splitlines()
    assert len([line for line in lines if line.strip()]) == len(lines) == 1, outcome.err[:2000]
    assert lines[0].startswith("federa: error: ")
    assert lines[0].isprintable()
    assert len(lines[0]) < LONGEST, f"{len(lines[0])} characters: {lines[0][:300]}"
    for part in parts:
        assert part in lines[0]
