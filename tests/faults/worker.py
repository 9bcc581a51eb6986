"""A process that has loaded everything once and runs each command in a fork of itself.

A run then takes a tenth of a second instead of seconds, in a process as fresh as any other: the
worker warms up on one whole run, and no GPU is visible to it, whose threads would forbid forking.
Requests and answers are JSON lines: ``warm``, ``start`` (answers with the process id), ``wait``.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from injection import Fault, install


def main() -> None:
    """Answer requests until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "start":
            answer = {"pid": start(request)}
        elif request["do"] == "wait":
            answer = {"code": wait(request["pid"], request["seconds"])}
        else:
            answer = {"code": command(request["arguments"])}
            gc.collect()
            gc.freeze()  # so that a fork's collections leave its parent's pages alone
        answers.write(json.dumps(answer) + "\n")


def start(request: dict[str, Any]) -> int:
    """Fork a process that runs a command, and return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        redirect(request["output"], request["errors"])
        for number in (signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request["file_bytes"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
        if request["clock"]:
            turn_back_the_clock()
        with nothing_imported_from_here():
            if request["fault"]:
                install(Fault(**request["fault"]))
            code = command(request["arguments"])
        sys.stdout.flush()
    except BaseException:  # as the interpreter itself would end
        traceback.print_exc()
        code = 1
    finally:
        os._exit(code)


def redirect(output: str, errors: str) -> None:
    """Send the standard streams to files."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def turn_back_the_clock() -> None:
    """Every look at the wall clock finds an hour less than the last one did."""
    began, looks = time.time(), count()
    time.time = lambda: began - 3600.0 * next(looks)
    time.time_ns = lambda: int(time.time() * 1e9)


@contextmanager
def nothing_imported_from_here() -> Iterator[None]:
    """Take this folder off the import path, as it is not on a user's."""
    here = sys.path.pop(0)
    yield
    sys.path.insert(0, here)


def command(arguments: list[str]) -> int:
    """Run ``federa`` with ``arguments``, and return its exit code."""
    from federa.cli import main as federa

    sys.argv = ["federa", *arguments]
    try:
        federa()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


def wait(pid: int, seconds: float) -> int:
    """The exit code of a process, negative for the signal that ended it."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return 99
        time.sleep(0.002)


if __name__ == "__main__":
    main()
