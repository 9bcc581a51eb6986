"""Writing files so that a power cut leaves either the old content or the new, never half."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from federa.errors import RunError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an operating-system error while writing ``path`` into a one-line RunError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(f"{path}: the disk is full; free some space and resume") from error
        raise RunError(f"{path}: cannot write ({error.strerror or error})") from error


@contextmanager
def explained_reading(path: Path) -> Iterator[None]:
    """Turn an operating-system error while reading ``path`` into a one-line RunError."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot read ({error.strerror or error})") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` through a synced temporary file and a rename.

    Raises: RunError if the disk is full or the folder cannot be written.
    """
    if not path.name:  # as in "." and "/"
        raise RunError(f"{path}: cannot write (Is a directory)")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explained(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def copy_atomically(source: Path, path: Path) -> None:
    """Copy the file ``source`` to ``path`` as ``write_atomically`` does.

    Raises: RunError.
    """
    with explained_reading(source):
        content = source.read_bytes()
    write_atomically(path, content)


def append_line(path: Path, line: str, *, make: bool = True) -> None:
    """Append one line to ``path`` and sync it.

    make: the file where it is not there; without it, lines that were there and are gone are not
    passed over. Raises: RunError if the disk is full or the file cannot be written.
    """
    with explained(path), path.open("a" if make else "r+", encoding="utf-8") as file:
        file.seek(0, os.SEEK_END)
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def user_path(place: str) -> Path:
    """``place`` with ``~`` spelt out; an unknown user's stays as it is, where pathlib raises."""
    return Path(os.path.expanduser(place))


def cache_folder() -> Path:
    """Where derived data may be kept between runs: ``$FEDERA_CACHE``, else the user's cache."""
    given = os.environ.get("FEDERA_CACHE")
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "federa"
