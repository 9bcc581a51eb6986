"""One server at a time on a folder, and whether there is one."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federa.errors import RunError
from federa.files import explained, explained_reading

LOCK = ".lock"
LOOKED_AT_SECONDS = 1.0
"""Longer than ``is_running`` holds the lock, which is no reason for a server not to start."""


def is_running(folder: Path) -> bool:
    """Whether a server runs on the folder.

    Raises: RunError.
    """
    path = folder / LOCK
    if not path.exists():
        return False
    with explained_reading(path), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other servers off the folder inside the block.

    Raises: RunError if there is one.
    """
    path = folder / LOCK
    with explained(path):
        file = path.open("a")
    until = time.monotonic() + LOOKED_AT_SECONDS
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise RunError(f"{folder}: another server is running on it") from None
                time.sleep(0.05)
            else:
                break
        yield
