"""What every data set is: a record that loads tables of text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from federa.errors import ConfigError, DataError
from federa.files import user_path

if TYPE_CHECKING:
    from federa.types import Corpus


class DataSet(Protocol):
    """A source of training, validation and test tables.

    tasks: names of the tasks that it can be loaded for, the default first.
    """

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]

    @property
    def name(self) -> str:
        """The registered name."""

    def task_settings(self) -> dict[str, Any]:
        """Fields of the task that follow from the data, for those that the user left out."""

    def load(self, task: str) -> Corpus:
        """Read everything for one of ``tasks``.

        text_classification: columns text, label; token_classification: words, tags (lists of equal
        length); question_answering: id, question, context, answers (lists of {"text", "start"},
        characters of the context) and references (lists of strings; both empty without an answer).
        Raises: DataError naming the file, the line and what is allowed.
        """


def require_task(data: DataSet, task: str) -> None:
    """Refuse a task that ``data`` cannot be loaded for.

    Raises: DataError.
    """
    if task not in data.tasks:
        raise DataError(f"data: {data.name} is for {', '.join(data.tasks)}, not {task!r}")


def one_place(folder: str | None, hub: str | None) -> None:
    """Refuse a data set that is to be read from two places.

    Raises: ConfigError.
    """
    if folder is not None and hub is not None:
        raise ConfigError("data.hub: data.folder is set too; name one place")


def find_folder(name: str, given: str | None, source: str, hub: str | None = None) -> Path:
    """The folder of a public data set: ``given``, else ``$FEDERA_DATA/name``.

    source: where to get the files, for the error; hub: the id of a copy on the Hugging Face hub.
    Raises: DataError if it is not there.
    """
    if given is not None:
        folder = user_path(given)
        if not os.path.isdir(folder):
            raise DataError(f"data.folder: no folder {given}")
        return folder
    root = os.environ.get("FEDERA_DATA")
    if root and os.path.isdir(user_path(root) / name):
        return user_path(root) / name
    where = f"$FEDERA_DATA/{name} (FEDERA_DATA is {root or 'not set'})"
    online = f", or data.hub to the id of a copy on the hub ({hub})" if hub else ""
    raise DataError(
        f"data: {name} is not in {where}; get it from {source} and put it there, "
        f"or set data.folder{online}"
    )


def read_text(path: Path) -> str:
    """The content of a UTF-8 file, line ends as they are.

    Raises: DataError if it is missing, empty or not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror})") from error
    if not content.removeprefix(b"\xef\xbb\xbf").strip():
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
