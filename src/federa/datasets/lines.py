"""Text files line by line, plain or gzipped, and the JSON objects in them."""

from __future__ import annotations

import gzip
import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from federa.errors import DataError
from federa.registry import nearest, shown

_KINDS = {str: "text", list: "a list", dict: "an object", int: "a whole number"}


def require_plain(path: Path) -> None:
    """Refuse what is no readable plain file; a pipe would be waited for.

    Raises: DataError.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot read ({reason})") from error
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: cannot read (Is a directory)")
    if not stat.S_ISREG(mode):
        raise DataError(f"{path}: not a plain file (but a pipe or a device)")


def list_folder(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without hidden things.

    Raises: DataError if it cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot read ({error.strerror})") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Number, from 1, and text of each line of a UTF-8 file; only ``\n`` and ``\r\n`` end a line.

    A name that ends in ``.gz`` is unpacked on the way; a byte order mark is dropped.
    Raises: DataError if the file is missing, no plain file, cut off, empty or not UTF-8.
    """
    require_plain(path)
    number, position, blank = 0, 0, True
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for raw in file:
                number += 1
                blank = blank and not raw.removeprefix(b"\xef\xbb\xbf").strip()
                yield number, _decoded(path, number, position, raw)
                position += len(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or cut off after line {number} ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror or error})") from error
    if blank:
        raise DataError(f"{path}: the file is empty")


def _decoded(path: Path, number: int, position: int, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 (byte {raw[error.start]:#04x} at position "
            f"{position + error.start}) in line {number}; convert it first, for instance with iconv"
        ) from error
    if "\0" in text:
        raise DataError(
            f"{path}: a NUL byte at position {position + raw.index(0)}, in line {number}; "
            "it is damaged, binary or UTF-16"
        )
    if number == 1:
        text = text.removeprefix("\ufeff")
    if text.endswith("\n"):
        return text[:-2] if text.endswith("\r\n") else text[:-1]
    return text


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """``file:line`` and the JSON object on each line that is not blank.

    Raises: DataError.
    """
    for number, line in read_lines(path):
        if line.strip():
            place = f"{path}:{number}"
            yield place, parse_object(line, place)


def parse_object(text: str, place: str) -> dict[str, Any]:
    """The JSON object that ``text`` is; place: for errors, as ``file`` or ``file:line``.

    Raises: DataError.
    """
    try:
        value = json.loads(text)
        if "\\ud" in text or "\\uD" in text:  # a lone half of a surrogate pair is no character
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise DataError(f"{place}: no JSON ({line}column {error.colno}: {error.msg})") from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{place}: no JSON ({reason})") from error
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected a JSON object, not {shown(value)}")
    return value


def value_of(record: Mapping[str, Any], key: str, kind: type, place: str) -> Any:
    """The value of a key, which is of ``kind`` (str, list, dict or int).

    Raises: DataError if it is missing or of another kind.
    """
    if key not in record:
        raise DataError(f"{place}: no {key!r}; {nearest(key, record)}")
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{place}: {key!r} holds {shown(value)}, where {_KINDS[kind]} is expected")
    return value


def texts_of(record: Mapping[str, Any], key: str, place: str) -> list[str]:
    """The value of a key, which is a list of strings.

    Raises: DataError.
    """
    values: list[str] = value_of(record, key, list, place)
    for value in values:
        if not isinstance(value, str):
            raise DataError(f"{place}: {key!r} holds {shown(value)}, where text is expected")
    return values


def members_of(
    record: Mapping[str, Any], key: str, place: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and value of each object in the list that a key holds.

    Raises: DataError.
    """
    for index, value in enumerate(value_of(record, key, list, place)):
        inner = f"{place}, {key}[{index}]"
        if not isinstance(value, dict):
            raise DataError(f"{inner}: expected an object, not {shown(value)}")
        yield inner, value
