"""A real process, stopped at random moments of its whole life, from its start to its end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faults.conftest import Undisturbed
from faults.nursery import STOPPED, Nursery, contents, require_same

NUM_STOPS = 12
# a signal may come before Python or federa handles it, and then ends the process by itself
CODES = {signal.SIGINT: (130, -2), signal.SIGTERM: (143, -15), signal.SIGKILL: (-9,)}


LOADING = """
signum = int(sys.argv.pop(1))
seen = 0

def at_import(event, arguments):
    global seen
    if event == "import":
        seen += 1
        if seen == imports:
            os.kill(os.getpid(), signum)

import federa, runpy, signal, typing
sys.addaudithook(at_import)
runpy.run_module("federa", run_name="__main__", alter_sys=True)
"""


def accept_interrupts() -> None:
    """Undo what a shell does to jobs in the background, whose children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Begin a process whose stderr goes to a file."""
    with log.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "federa", "run", *command],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=os.environ,
            preexec_fn=accept_interrupts,  # noqa: PLW1509 - no thread is alive here
        )


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_is_loaded(signum: signal.Signals, tmp_path: Path) -> None:
    """It ends the process quietly, at whichever import it comes."""
    program = "import sys, os\nimports = int(sys.argv.pop(1))\n" + LOADING
    for number in range(1, 400, 40):
        done = subprocess.run(
            [sys.executable, "-c", program, str(number), str(int(signum)), "methods"],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=accept_interrupts,
        )
        assert done.stderr == "", (number, done)
        assert done.returncode in (0, *CODES[signum]), (number, done)


@pytest.mark.slow
def test_signals_over_the_whole_life(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    seed = time.time_ns()  # other moments every time, on purpose
    rng = random.Random(seed)
    folder, log = tmp_path / "runs" / "tiny", tmp_path / "log"
    new = [str(undisturbed.file), "--folder", str(tmp_path / "runs")]
    began = time.monotonic()
    process = start([str(undisturbed.file), "--folder", str(tmp_path / "whole")], log)
    assert process.wait(300) == 0, log.read_text()
    life = time.monotonic() - began
    story: list[object] = [f"seed {seed}", f"life {life:.2f} s"]
    for number in range(NUM_STOPS):
        command = ["--resume", str(folder)] if folder.exists() else new
        process = start(command, log)
        # one stop in each twelfth of the life, in random order, so that no part is left out
        share = (number * 5 % NUM_STOPS + rng.random()) / NUM_STOPS
        time.sleep(share * life)
        signum = rng.choice(list(CODES))
        process.send_signal(signum)
        code = process.wait(60)
        errors = log.read_text()
        story.append((command[0], f"{share * life:.3f} s", signum.name, code, errors))
        if "Traceback" in errors:  # Python's own start, before a line of federa is run
            assert "federa/" not in errors, story
            assert code in (1, -2), story
            continue
        assert code in (0, *CODES[signum]), story
        assert errors in ("", f"{STOPPED}{folder}\n"), story
    again: tuple[object, ...] = ("--resume", folder) if folder.exists() else tuple(new)
    outcome = nursery.run("run", *again)
    assert (outcome.code, outcome.err) == (0, ""), story
    require_same(contents(folder), undisturbed.contents, story)
