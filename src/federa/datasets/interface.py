"""What every data set is: a record that loads tables of text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from federa.errors import DataError
from federa.files import user_path

if TYPE_CHECKING:
    from federa.types import Corpus


class DataSet(Protocol):
    """A source of training, validation and test tables for one task."""

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    task: ClassVar[str]

    @property
    def name(self) -> str:
        """The registered name."""

    def load(self) -> Corpus:
        """Read everything.

        Raises: DataError naming the file, the line and what is allowed.
        """


def find_folder(name: str, given: str | None, source: str) -> Path:
    """The folder of the public data set ``name``: ``given``, else ``$FEDERA_DATA/name``.

    source: where to get the files, for the error.
    Raises: DataError if it is not there.
    """
    if given is not None:
        folder = user_path(given)
        if not os.path.isdir(folder):
            raise DataError(f"data.folder: no folder {given}")
        return folder
    root = os.environ.get("FEDERA_DATA")
    if root and (Path(root) / name).is_dir():
        return Path(root) / name
    where = f"$FEDERA_DATA/{name} (FEDERA_DATA is {root or 'not set'})"
    raise DataError(f"data: {name} is not in {where}; get it from {source}, or set data.folder")


def read_text(path: Path) -> str:
    """The content of a UTF-8 file, line ends as they are.

    Raises: DataError if it is missing, empty or not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror})") from error
    if not content.strip():
        raise DataError(f"{path}: the file is empty")
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{path}: a NUL byte at position {content.index(0)}; it is damaged, binary or UTF-16"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 (byte {content[error.start]:#04x} at position {error.start}); "
            "convert it first, for instance with iconv"
        ) from error
