"""Tokenised tables, kept on disk under a hash of what they were made from.

A file is a prefix (magic, length and SHA-256 of the header), a header in JSON, and the arrays. The
header holds all that is not an array; texts that are a column of the table stand there as the
column's name. Nothing in a file is executed: its classes are those of ``CLASSES``.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import platform
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache, reduce
from importlib import metadata
from operator import is_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from federa.files import cache_folder, write_atomically
from federa.tasks.questions import EncodedQuestions
from federa.tasks.sentences import EncodedSentences
from federa.tasks.text_classification import EncodedTexts
from federa.tasks.windows import Windows
from federa.types import Table, num_rows
from federa.version import __version__

if TYPE_CHECKING:
    import numpy

    from federa.tasks import Encoded, Task

VERSION = 1  # of the file's format
MIN_ROWS = 1000
"""Smaller tables are tokenised each time, which takes about a second at most."""
MAX_BYTES = 4 << 30
"""Of all files together; those used longest ago make room."""
CLASSES: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (EncodedTexts, EncodedSentences, EncodedQuestions, Windows)
}
SUFFIX = ".encoded"
_MAGIC = b"FEDERA E"
_PREFIX = len(_MAGIC) + 8 + 32
_ALIGNMENT = 64
_NUMBERS = "biuf"
_TOKENIZER_FACTS = (
    *("special_tokens_map", "model_input_names", "pad_token_id", "cls_token_id"),
    *("padding_side", "truncation_side", "split_special_tokens"),
)


def encode_cached(
    task: Task, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
) -> Encoded:
    """``task.encode`` of the same arguments, from the cache folder where it was made before.

    Arrays that come from the cache are read-only and mapped: processes share their pages. What
    cannot be kept, and a cache that cannot be read or written, is passed over.
    Raises: what ``task.encode`` raises.
    """
    path = _place(task, table, labels, tokenizer, max_length)
    if path is None:
        return task.encode(table, labels, tokenizer, max_length)
    with suppress(Exception):  # absent, or damaged: made anew
        kept: Encoded = _read(path, table)
        return kept
    encoded = task.encode(table, labels, tokenizer, max_length)
    with suppress(Exception):  # a cache that cannot be written is no reason to stop
        path.parent.mkdir(parents=True, exist_ok=True)
        content = _packed(encoded, table, path.stem)
        if _make_room(path.parent, len(content)):
            write_atomically(path, content)
    return encoded


def _place(
    task: Task, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
) -> Path | None:
    """The file of an encoding, or None for one that is not kept."""
    if num_rows(table) < MIN_ROWS or getattr(tokenizer, "backend_tokenizer", None) is None:
        return None
    with suppress(Exception):  # what has no canonical form, or no home folder
        key = content_key(task, table, labels, tokenizer, max_length)
        return cache_folder() / "encoded" / f"{key}{SUFFIX}"
    return None


def content_key(
    task: Task, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
) -> str:
    """SHA-256 over all that an encoding depends on; the tokenizer is a fast one.

    Raises: an error of any kind for what has no canonical form.
    """
    assert isinstance(task, BaseModel), "a task is a record"
    digest = hashlib.sha256()

    def add(part: bytes) -> None:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)

    add(_json([VERSION, _code(), max_length, list(labels)]))
    add(_json([type(task).__name__, task.model_dump_json()]))
    for part in _tokenizer_content(tokenizer):
        add(part)
    for name, column in table.items():
        add(_json(name))
        _add_column(column, add)
    return digest.hexdigest()


@cache
def _code() -> list[str]:
    """What encodes: versions, and a hash of the tasks, which may change without one.

    Python is among them because its tables of letters say what a blank is.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).with_name("tasks").glob("*.py")):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    packages = [metadata.version(name) for name in ("transformers", "tokenizers")]
    return [__version__, platform.python_version(), *packages, digest.hexdigest()]


def _tokenizer_content(tokenizer: Any) -> Iterator[bytes]:
    facts = {name: getattr(tokenizer, name) for name in _TOKENIZER_FACTS}
    yield _json([type(tokenizer).__name__, {name: str(value) for name, value in facts.items()}])
    content: str = tokenizer.backend_tokenizer.to_str()  # fails with parts written in Python
    # how its last call cut and padded is written before its tokens, and decides nothing
    head, mark, rest = content.partition('"added_tokens"')
    settings = json.loads(head.rstrip().rstrip(",") + "}") if mark else {}
    for passing in ("truncation", "padding"):
        settings.pop(passing, None)
    yield _json(settings)
    yield (rest if mark else content).encode("utf-8", "surrogatepass")


def _add_column(column: list[Any], add: Callable[[bytes], None]) -> None:
    """Texts are joined, which is the fastest, and their lengths say where each ends."""
    import numpy

    if set(map(type, column)) <= {str}:
        add(b"texts")
        add(numpy.fromiter(map(len, column), "<i8", len(column)).tobytes())
        add("".join(column).encode("utf-8", "surrogatepass"))
    else:
        add(b"values")
        add(_json(column))


def _json(value: Any) -> bytes:
    """Lone surrogates pass as they are; escaped, two of them would come back as one letter."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _packed(encoded: Any, table: Table, key: str) -> bytes:
    """The content of a file.

    Raises: TypeError or ValueError for what cannot be kept.
    """
    arrays: list[numpy.ndarray] = []
    tree = _described(encoded, table, arrays)
    parts: list[Any] = []
    for array in arrays:
        parts += [array, bytes(-array.nbytes % _ALIGNMENT)]
    size = sum(memoryview(part).nbytes for part in parts)
    crc = reduce(lambda found, part: zlib.crc32(part, found), parts, 0)
    header = _json({"key": key, "size": size, "crc": crc, "content": tree})
    header += b" " * (-(_PREFIX + len(header)) % _ALIGNMENT)
    checked = len(header).to_bytes(8, "big") + hashlib.sha256(header).digest()
    return b"".join([_MAGIC, checked, header, *parts])


def _described(value: Any, table: Table, arrays: list[numpy.ndarray]) -> dict[str, Any]:
    """``value`` as JSON; its arrays are added to ``arrays``.

    Raises: TypeError for what would not come back as it is.
    """
    import numpy

    if CLASSES.get(type(value).__name__) is type(value):
        parts = {part.name: getattr(value, part.name) for part in fields(value)}
        described = {name: _described(part, table, arrays) for name, part in parts.items()}
        return {"class": type(value).__name__, "fields": described}
    if type(value) is numpy.ndarray and value.dtype.kind in _NUMBERS:
        begin = sum(array.nbytes + -array.nbytes % _ALIGNMENT for array in arrays)
        arrays.append(numpy.ascontiguousarray(value))
        return {"dtype": value.dtype.str, "shape": value.shape, "begin": begin}
    name = _column_of(value, table)
    if name is not None:
        return {"column": name}
    return {"tuples": _tuples(value), "value": value}


def _column_of(value: Any, table: Table) -> str | None:
    """The column of texts that the tuple ``value`` is, if it is one."""
    if type(value) is tuple and set(map(type, value)) == {str}:
        for name, column in table.items():
            if len(column) == len(value) and all(map(is_, column, value)):
                return name
    return None


def _tuples(value: Any) -> int:
    """How many levels of ``value``, from the outermost, are tuples; below are lists and dicts.

    Raises: TypeError for what JSON would not give back.
    """
    if type(value) is not tuple:
        _require_plain(value)
        return 0
    levels = {_tuples(item) for item in value}
    if len(levels) > 1:
        raise TypeError("tuples beside other values are not kept")
    return 1 + max(levels, default=0)


def _require_plain(value: Any) -> None:
    if type(value) is dict and set(map(type, value)) <= {str}:
        value = list(value.values())
    if type(value) is list:
        for item in value:
            _require_plain(item)
    elif value is not None and type(value) not in (str, int, float, bool):
        raise TypeError(f"{type(value).__name__} is not kept")


def _read(path: Path, table: Table) -> Any:
    """What the file holds, its arrays mapped.

    Raises: OSError if there is none, an error of another kind if it is damaged.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begin = _PREFIX + int.from_bytes(mapped[len(_MAGIC) : len(_MAGIC) + 8], "big")
    header = mapped[_PREFIX:begin]
    checksum = mapped[_PREFIX - 32 : _PREFIX]
    if mapped[: len(_MAGIC)] != _MAGIC or hashlib.sha256(header).digest() != checksum:
        raise ValueError("damaged")
    facts = json.loads(header.decode("utf-8", "surrogatepass"))
    arrays = memoryview(mapped)[begin:]
    whole = facts["size"] == len(arrays) and facts["crc"] == zlib.crc32(arrays)
    if facts["key"] != path.stem or not whole:
        raise ValueError("damaged")
    found = _restored(facts["content"], table, arrays)
    with suppress(OSError):
        os.utime(path)  # so that what is used stays
    return found


def _restored(described: dict[str, Any], table: Table, arrays: memoryview) -> Any:
    import numpy

    if "class" in described:
        kind, parts = CLASSES[described["class"]], described["fields"]
        return kind(**{name: _restored(part, table, arrays) for name, part in parts.items()})
    if "dtype" in described:
        dtype = numpy.dtype(described["dtype"])
        if dtype.kind not in _NUMBERS:
            raise ValueError("damaged")
        return numpy.ndarray(described["shape"], dtype, arrays, described["begin"])
    if "column" in described:
        return tuple(table[described["column"]])
    return _with_tuples(described["value"], described["tuples"])


def _with_tuples(value: Any, levels: int) -> Any:
    if levels < 2:
        return tuple(value) if levels else value
    return tuple(_with_tuples(item, levels - 1) for item in value)


def _make_room(folder: Path, needed: int) -> bool:
    """Remove the files used longest ago until ``needed`` more bytes fit, if they ever can."""
    found = []
    for path in folder.iterdir():
        if SUFFIX in path.name:  # what a killed process left half written is among them
            with suppress(OSError):  # another process may remove it first
                facts = path.stat()
                found.append((facts.st_mtime_ns, facts.st_size, path))
    size = sum(entry[1] for entry in found)
    for _, freed, path in sorted(found):
        if size + needed <= MAX_BYTES or needed > MAX_BYTES:
            break
        with suppress(OSError):
            path.unlink(missing_ok=True)
            size -= freed
    return size + needed <= MAX_BYTES
