"""Ends everything that a supervising process started, also after that was killed outright.

Every process that ``Processes`` starts has a mark in its environment, which its own children
inherit into whatever session they move. So all of them are found in /proc, also those whose parents
are gone. The guard is a small process beside the supervisor that waits for it to end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = "FEDERA_PROCESSES"
GRACE_SECONDS, KILL_SECONDS = 8.0, 5.0


def marked(mark: str) -> list[int]:
    """The processes that carry ``mark``; those that have ended and only await their parent do not.

    Only processes of this user can be looked into, and only those are started here.
    """
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                if wanted in Path("/proc", entry, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry))
    return found


def end_marked(mark: str, grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask every process with ``mark`` to end, once; kill those that are left after the grace."""
    asked: set[int] = set()
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, KILL_SECONDS)):
        until = time.monotonic() + seconds
        while (left := marked(mark)) and time.monotonic() < until:
            for process in left:
                # a second SIGTERM would cut off an orderly end
                if number == signal.SIGKILL or process not in asked:
                    asked.add(process)
                    with suppress(ProcessLookupError):
                        os.kill(process, number)
            time.sleep(0.05)


def main() -> None:
    """Wait for the other end of standard input to close; then end what is marked, and tidy up."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.write(1, b"ready\n")
    while os.read(0, 1):
        pass
    end_marked(sys.argv[1])
    shutil.rmtree(sys.argv[2], ignore_errors=True)


if __name__ == "__main__":
    main()
