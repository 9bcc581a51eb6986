"""Hidden states of windows on disk: bounded, shared by processes, safe against power cuts."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import struct
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from federa.files import cache_folder

if TYPE_CHECKING:
    import numpy

LOGGER = logging.getLogger("federa")
FORMAT = "federa prefix 1"
HEADER_BYTES = 32
CHECKSUM = struct.Struct("<I")
FLOAT_BYTES = 4


class PrefixCache:
    """Float32 rows [L, D] of W windows; a cache that cannot be read or written holds nothing.

    Two files a key: ``.rows``, where each window has its place whether it is there or not, and
    ``.index``, a checksum a window, 0 if it is absent. A checksum that does not fit, as after a
    power cut, makes a window absent. Several processes may read and write at once.
    """

    def __init__(
        self, lengths: numpy.ndarray, width: int, num_stored: int, files: tuple[int, int] | None
    ) -> None:
        import numpy

        self.lengths, self.width, self.num_stored = lengths, width, num_stored
        self._ends = numpy.cumsum(lengths, dtype=numpy.int64) * (width * FLOAT_BYTES)
        self._files = files
        self.close = weakref.finalize(self, _close, files)
        """Let go of the files, which others may then remove; done at the latest with the object."""

    @classmethod
    def open(
        cls, folder: Path | None, key: str, lengths: numpy.ndarray, width: int, limit_bytes: int
    ) -> PrefixCache:
        """The cache called ``key`` in ``folder`` (None: the user's), made if it is not there.

        lengths [W]: rows of each window; limit_bytes: the first windows that fit are stored, the
        others never; it bounds the whole folder too: what was opened longest ago and nobody has
        open is removed. A cache of other lengths or width, or a damaged one, starts afresh.
        """
        import numpy

        lengths = numpy.asarray(lengths, dtype="<i8")
        ends = numpy.cumsum(lengths) * (width * FLOAT_BYTES)
        num_stored = int(numpy.searchsorted(ends, limit_bytes, side="right"))
        num_bytes = int(ends[num_stored - 1]) if num_stored else 0
        described = f"{FORMAT} {key} {width} ".encode() + lengths.tobytes()
        header = hashlib.sha256(described).digest()
        folder = folder or cache_folder() / "prefix"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(folder):
                files = _open_files(folder / f"{key}.rows", header, len(lengths), num_bytes)
                _remove_oldest(folder, folder / f"{key}.rows", limit_bytes - num_bytes)
        except OSError as error:  # a cache that cannot be kept is no reason to stop
            LOGGER.warning("%s: no hidden states are kept (%s)", folder, error.strerror or error)
            return cls(lengths, width, 0, None)
        return cls(lengths, width, num_stored, files)

    def get(self, window: int) -> numpy.ndarray | None:
        """The rows [L, D] of ``window``, or None if they are absent or damaged."""
        import numpy

        if self._files is None or not self.close.alive or window >= self.num_stored:
            return None
        rows, index = self._files
        begin, size = self._place(window)
        with suppress(OSError, struct.error):
            (wanted,) = CHECKSUM.unpack(os.pread(index, CHECKSUM.size, _checksum_at(window)))
            content = os.pread(rows, size, begin) if wanted else b""
            if len(content) == size and _checksum(content) == wanted:
                flat = numpy.frombuffer(bytearray(content), dtype="<f4")
                return flat.reshape(-1, self.width)
        return None

    def put(self, window: int, array: numpy.ndarray) -> None:
        """Store the rows [L, D] of ``window``, if it is one of those that are kept.

        Raises: ValueError if they are of another shape.
        """
        import numpy

        if array.shape != (self.lengths[window], self.width):
            raise ValueError(
                f"window {window} has {self.lengths[window]} rows of {self.width}, "
                f"not the shape {array.shape}"
            )
        if self._files is None or not self.close.alive or window >= self.num_stored:
            return
        rows, index = self._files
        content = numpy.ascontiguousarray(array, dtype="<f4").tobytes()
        # not through a memory map: there a full disk would end the process
        with suppress(OSError):
            if os.pwrite(rows, content, self._place(window)[0]) == len(content):
                os.pwrite(index, CHECKSUM.pack(_checksum(content)), _checksum_at(window))

    def _place(self, window: int) -> tuple[int, int]:
        size = int(self.lengths[window]) * self.width * FLOAT_BYTES
        return int(self._ends[window]) - size, size


def _checksum(content: bytes) -> int:
    return zlib.crc32(content) or 1  # 0 says that there is nothing


def _checksum_at(window: int) -> int:
    return HEADER_BYTES + window * CHECKSUM.size


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process opens or removes caches in ``folder`` meanwhile."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_files(rows: Path, header: bytes, num_windows: int, num_bytes: int) -> tuple[int, int]:
    """Both files, open, the first of them held so that others do not remove it."""
    index = rows.with_suffix(".index")
    if not (rows.is_file() and _is_sound(index, header, num_windows)):
        for path in (rows, index):  # who has the old ones open keeps them
            path.unlink(missing_ok=True)
        rows.touch()
        index.write_bytes(header + bytes(num_windows * CHECKSUM.size))
    files = os.open(rows, os.O_RDWR), os.open(index, os.O_RDWR)
    try:
        fcntl.flock(files[0], fcntl.LOCK_SH)
        os.ftruncate(files[0], num_bytes)
        os.utime(rows)
    except OSError:
        _close(files)
        raise
    return files


def _is_sound(index: Path, header: bytes, num_windows: int) -> bool:
    try:
        with index.open("rb") as file:
            begins = file.read(HEADER_BYTES)
        return begins == header and index.stat().st_size == _checksum_at(num_windows)
    except OSError:
        return False


def _remove_oldest(folder: Path, own: Path, room_bytes: int) -> None:
    """Remove other caches than ``own``, the one used longest ago first, until the rest fit."""
    others = {path: path.stat() for path in folder.glob("*.rows") if path != own}
    total = sum(_disk_bytes(found) for found in others.values())
    for path in sorted(others, key=lambda path: others[path].st_mtime):
        if total <= room_bytes:
            return
        descriptor = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # in use
            continue
        finally:
            os.close(descriptor)
        path.unlink()
        path.with_suffix(".index").unlink(missing_ok=True)
        total -= _disk_bytes(others[path])


def _disk_bytes(found: os.stat_result) -> int:
    return found.st_blocks * 512  # a sparse file takes less than its length


def _close(files: tuple[int, int] | None) -> None:
    for descriptor in files or ():
        with suppress(OSError):
            os.close(descriptor)
