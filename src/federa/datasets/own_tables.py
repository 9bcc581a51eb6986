"""Tables in files: CSV, TSV, JSON lines, Parquet, and folders saved by ``datasets``."""

from __future__ import annotations

import glob
import json
import math
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from federa.datasets.interface import read_text
from federa.datasets.lines import read_lines
from federa.errors import DataError
from federa.files import user_path
from federa.types import Table

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


def cell_text(place: str, column: str, index: int, value: Any) -> str:
    """The text of a cell; numbers become text.

    Raises: DataError naming the row if the cell is empty or holds anything else.
    """
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    text = "" if missing else str(value)
    if not text.strip():
        raise DataError(f"{place}: row {index + 1} has no value in column {column!r}")
    if isinstance(value, bytes | list | dict):
        raise DataError(
            f"{place}: row {index + 1} holds {type(value).__name__} in column {column!r}; "
            "text or numbers are expected"
        )
    if isinstance(value, float) and math.isinf(value):
        raise DataError(f"{place}: row {index + 1} holds {text} in column {column!r}")
    return text


def column_texts(place: str, rows: Table, column: str) -> list[str]:
    """The text of every cell of a column.

    Raises: DataError.
    """
    return [cell_text(place, column, index, value) for index, value in enumerate(rows[column])]


def expand(place: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """The files that a path, a folder or a pattern names, sorted.

    Raises: DataError if there are none or their format is not read.
    """
    path = user_path(place)
    if os.path.isdir(path):
        found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in suffixes)
        if not found:
            raise DataError(f"{place}: the folder holds no {', '.join(suffixes)} file")
    elif os.path.exists(path):
        found = [path]
    else:
        found = sorted(Path(match) for match in glob.glob(str(path)))
    if not found:
        raise DataError(
            f"{place}: no such file; a file, folder or pattern of {', '.join(suffixes)}"
        )
    for file in found:
        if file.suffix.lower() not in suffixes:
            raise DataError(
                f"{file}: format {file.suffix or 'without suffix'} is not read; "
                f"allowed: {', '.join(suffixes)}"
            )
        if not os.path.isfile(file):  # reading a pipe would wait, or never end
            raise DataError(
                f"{file}: not a plain file (but a folder, a pipe, a device or a link to nothing)"
            )
    return found


def read_table(path: Path) -> Table:
    """All columns of one file; CSV and TSV cells stay text.

    Raises: DataError.
    """
    import pyarrow

    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return _read_parquet(path)
        if suffix in (".csv", ".tsv"):
            return _read_csv((read_text(path).rstrip("\n") + "\n").encode(), suffix)
        return _from_lines(read_lines(path))
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot be read as {suffix[1:]} ({reason})") from error


def _read_parquet(path: Path) -> Table:
    import pyarrow
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    _refuse_twice(schema.names)
    columns = dict(parquet.read_table(path).to_pydict())
    lists = [
        field.name
        for field in schema
        if (pyarrow.types.is_list(field.type) or pyarrow.types.is_large_list(field.type))
        and pyarrow.types.is_integer(field.type.value_type)
    ]
    if lists and b"huggingface" in (schema.metadata or {}):  # numbers of named classes, maybe
        import datasets

        features = datasets.Features.from_arrow_schema(schema)
        return {name: _class_names(features.get(name), columns[name]) for name in columns}
    return columns


def _class_names(feature: Any, values: list[Any]) -> list[Any]:
    """The names of classes in a column of lists; any other column as it is."""
    import datasets

    inner = getattr(feature, "feature", None)
    if not isinstance(inner, datasets.ClassLabel):
        return values
    return [
        None if row is None else [None if n is None or n < 0 else inner.int2str(n) for n in row]
        for row in values
    ]


def _read_csv(content: bytes, suffix: str) -> Table:
    import pyarrow
    from pyarrow import csv

    delimiter = "\t" if suffix == ".tsv" else ","
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = csv.ReadOptions(block_size=max(1 << 20, len(content) + 1))
    header = csv.open_csv(
        pyarrow.BufferReader(content), parse_options=parse, read_options=read
    ).schema.names
    _refuse_twice(header)
    # as text, so that a label such as 007 stays one
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(header, pyarrow.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    table = csv.read_csv(
        pyarrow.BufferReader(content),
        parse_options=parse,
        convert_options=convert,
        read_options=read,
    )
    return dict(table.to_pydict())


def _refuse_twice(names: list[str]) -> None:
    if len(set(names)) < len(names):
        twice = min(name for name, number in Counter(names).items() if number > 1)
        raise ValueError(f"the column {twice!r} is given twice")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, which would otherwise keep the last of two values."""
    _refuse_twice([name for name, _ in pairs])
    return dict(pairs)


def read_json_lines(text: str) -> Table:
    """The columns of JSON objects, one a line.

    Raises: ValueError naming the line.
    """
    return _from_lines(enumerate(text.split("\n"), start=1))


def _from_lines(lines: Iterable[tuple[int, str]]) -> Table:
    """JSON lines; Arrow's reader would turn dates to timestamps and long numbers to floats."""
    columns: Table = {}
    total = 0
    for number, line in lines:
        if not line.strip():
            continue
        if not total and line.lstrip().startswith("["):
            raise ValueError("one JSON object a line is expected, not one array")
        row = _parse_row(number, line)
        for name in row:
            if name not in columns:
                columns[name] = [None] * total
        for name, values in columns.items():
            values.append(row.get(name))
        total += 1
    return columns


def _parse_row(number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_once)
        json.dumps(row, ensure_ascii=False).encode()  # refuses lone surrogates
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}, column {error.colno}: {error.msg}") from error
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    except RecursionError as error:
        raise ValueError(f"line {number}: nested too deep") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number}: one JSON object a line is expected")
    return row


def is_saved_dataset(path: Path) -> bool:
    """Whether ``path`` is a folder written by ``datasets``' ``save_to_disk``."""
    names = ("dataset_info.json", "dataset_dict.json")
    return any(os.path.isfile(path / name) for name in names)


def saved_split(path: Path, split: str) -> Table:
    """One split of a folder written by ``save_to_disk``; classes as their names.

    Raises: DataError if it cannot be read or has no such split.
    """
    import datasets

    try:
        saved = datasets.load_from_disk(str(path))
    except Exception as error:  # datasets raises many kinds on damaged folders
        raise DataError(f"{path}: cannot be read as a datasets folder ({error})") from error
    if isinstance(saved, datasets.DatasetDict):
        if split not in saved:
            raise DataError(f"{path}: no split {split!r}; it has {', '.join(saved)}")
        saved = saved[split]
    columns = {}
    for name, feature in saved.features.items():
        values = list(saved[name])
        if isinstance(feature, datasets.ClassLabel):
            values = [
                None if number is None or number < 0 else feature.int2str(number)
                for number in values
            ]
        columns[name] = _class_names(feature, values)
    return columns


def other_split(place: str, split: str) -> Table | None:
    """A further split of the saved folder that ``place`` is, or None."""
    path = user_path(place)
    if not (path / "dataset_dict.json").is_file() or not (path / split).is_dir():
        return None
    return saved_split(path, split)
