"""A split read from a file, and the files that splits are written to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn

from pydantic import BaseModel, Field

from federa.errors import DataError
from federa.files import user_path, write_atomically
from federa.registry import RECORD, shown
from federa.types import Table, num_rows

if TYPE_CHECKING:
    import numpy

FORMAT = 1
_KEYS = (
    *("format", "data", "num_train_examples", "train_sha256", "clients", "validation"),
    *("ids", "made_by"),
)


class Saved(BaseModel):
    """The split in a file that ``federa partition`` wrote, or another system: see SavedSplit."""

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("file",)
    summary: ClassVar[str] = "a split read from a file"
    reads: ClassVar[str] = "file"

    name: Literal["saved"] = "saved"
    file: str = Field(min_length=1)

    def split(self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator) -> NoReturn:
        """Not for use: ``read_split(self.file)`` has the rows."""
        raise AssertionError("a saved split is read, not made")


@dataclass(frozen=True)
class SavedSplit:
    """Who holds which rows of a training table, as a file says it.

    The file is one JSON object: ``format`` 1; ``data`` the data set's name or null;
    ``num_train_examples`` rows of the table as the data set gives it, before any are held out;
    ``train_sha256`` see ``table_digest``, or null; ``clients`` a list of row numbers from 0 for
    each client; ``validation`` the row numbers held out, or null where none are; ``ids`` null or
    {"clients": [[id, ...], ...], "validation": [id, ...] or null} in the order of the row numbers,
    for systems that find examples by their id; ``made_by`` anything. Every row is in one place.

    clients: sorted rows of each; validation: sorted rows, or None.
    """

    path: Path
    data: str | None
    num_train_examples: int
    train_sha256: str | None
    clients: tuple[numpy.ndarray, ...]
    validation: numpy.ndarray | None
    made_by: Any = None

    def require(self, table: Table) -> None:
        """Raises: DataError unless the split was made for ``table``."""
        number = num_rows(table)
        if number != self.num_train_examples:
            raise DataError(
                f"{self.path}: a split of {self.num_train_examples} training examples; the data "
                f"has {number}"
            )
        if self.train_sha256 is not None and table_digest(table) != self.train_sha256:
            raise DataError(
                f"{self.path}: train_sha256 differs: the split was made for other training "
                "examples, or for the same in another order"
            )


def table_digest(table: Table) -> str:
    """SHA-256 over the rows, the same on any machine.

    Of each row, in order: a JSON object of its columns, keys sorted, ``,`` and ``:`` without
    spaces, everything beyond ASCII as ``\\uXXXX``, and a line end.
    """
    digest = hashlib.sha256()
    columns = sorted(table)
    for values in zip(*(table[name] for name in columns), strict=True):
        row = dict(zip(columns, values, strict=True))
        text = json.dumps(row, sort_keys=True, separators=(",", ":"), default=_plain)
        digest.update(text.encode("ascii") + b"\n")
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """What JSON knows for a value that it does not know."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def write_split(
    path: Path,
    table: Table,
    clients: Sequence[Sequence[int] | numpy.ndarray],
    validation: Sequence[int] | numpy.ndarray | None,
    *,
    data: str | None = None,
    made_by: Any = None,
) -> None:
    """Write a split of ``table``, the training table before any row was held out.

    clients, validation: row numbers in ``table``; ids are written if it has a column ``id``.
    Raises: RunError if the file cannot be written.
    """
    rows = [sorted(map(int, part)) for part in clients]
    held = None if validation is None else sorted(map(int, validation))
    ids = None
    if "id" in table:
        name = [str(value) for value in table["id"]]
        ids = {
            "clients": [[name[row] for row in part] for part in rows],
            "validation": None if held is None else [name[row] for row in held],
        }
    content = {
        "format": FORMAT,
        "data": data,
        "num_train_examples": num_rows(table),
        "train_sha256": table_digest(table),
        "made_by": made_by,
        "clients": rows,
        "validation": held,
        "ids": ids,
    }
    write_atomically(path, "".join(_lines(content)).encode("ascii"))


def _lines(content: dict[str, Any]) -> Iterator[str]:
    """JSON with a key a line, and a client a line."""
    for place, (key, value) in enumerate(content.items()):
        yield ("{\n" if place == 0 else ",\n") + f"{json.dumps(key)}: "
        if key == "clients":
            yield "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
        else:
            yield json.dumps(value)
    yield "\n}\n"


def read_split(path: str | Path) -> SavedSplit:
    """The split in a file.

    Raises: DataError if the file cannot be read, is not such a file, or its rows do not fit.
    """
    path = user_path(str(path))
    content = _read_object(path)
    unknown = sorted(set(content) - set(_KEYS))
    if unknown:
        raise DataError(f"{path}: unknown key {shown(unknown[0])}; allowed: {', '.join(_KEYS)}")
    number = content.get("num_train_examples")
    if type(number) is not int or number < 1:
        raise DataError(f"{path}: num_train_examples: expected a number, not {shown(number)}")
    for key in ("data", "train_sha256"):
        if not isinstance(content.get(key), str | None):
            raise DataError(f"{path}: {key}: expected text or null, not {shown(content[key])}")
    clients = content.get("clients")
    if not isinstance(clients, list) or not clients:
        raise DataError(f"{path}: clients: expected lists of row numbers, not {shown(clients)}")
    validation = content.get("validation")
    places = {f"clients[{client}]": rows for client, rows in enumerate(clients)}
    if validation is not None:
        places["validation"] = validation
    found = _check_rows(path, places, number)
    return SavedSplit(
        path=path,
        data=content.get("data"),
        num_train_examples=number,
        train_sha256=content.get("train_sha256"),
        clients=tuple(found[: len(clients)]),
        validation=None if validation is None else found[-1],
        made_by=content.get("made_by"),
    )


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of the right format."""
    try:
        if path.exists() and not path.is_file():  # a pipe would keep the reader waiting
            raise DataError(f"{path}: not a plain file")
        content = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_once)
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror or error})") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON in UTF-8 ({error})") from None
    if not isinstance(content, dict) or "format" not in content or "clients" not in content:
        raise DataError(f"{path}: not a split; expected an object with format, clients, ...")
    if type(content["format"]) is not int or content["format"] != FORMAT:
        raise DataError(f"{path}: format {shown(content['format'])}; this version reads {FORMAT}")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, which would otherwise keep the last of two values."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _check_rows(path: Path, places: dict[str, Any], number: int) -> list[numpy.ndarray]:
    """Sorted rows of each place; every row of the table is in exactly one."""
    import numpy

    owner: dict[int, str] = {}
    for place, rows in places.items():
        if not isinstance(rows, list) or not rows:
            raise DataError(f"{path}: {place}: expected row numbers, not {shown(rows)}")
        for row in rows:
            if type(row) is not int or not 0 <= row < number:
                raise DataError(
                    f"{path}: {place}: {shown(row)} is no row; allowed: 0 to {number - 1}"
                )
            if row in owner:
                also = "twice" if owner[row] == place else f"also in {owner[row]}"
                raise DataError(f"{path}: {place}: row {row} is {also}")
            owner[row] = place
    if len(owner) < number:
        missing = next(row for row in range(number) if row not in owner)
        raise DataError(
            f"{path}: {number - len(owner)} of {number} rows are nowhere, the first is {missing}"
        )
    return [numpy.sort(numpy.array(rows, dtype=numpy.int64)) for rows in places.values()]
