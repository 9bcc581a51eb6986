"""The user's own tables: CSV, TSV, JSON lines, Parquet, or a folder saved by ``datasets``."""

from __future__ import annotations

import glob
import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from federa.datasets.interface import read_text
from federa.errors import ConfigError, DataError
from federa.files import user_path
from federa.registry import RECORD, Flag, nearest
from federa.types import Corpus, Table

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
SPLITS = ("train", "validation", "test")
EVALUATION_STEMS = frozenset({"validation", "valid", "dev", "test"})


class Files(BaseModel):
    """Named columns of the user's own files.

    train, validation, test: a file, a folder or a pattern of files, or a folder saved by
    ``datasets`` (if that holds several splits, ``train`` alone names them all);
    text, label, client: columns; file_per_client: each training file is one client, named by it.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("table", "own")
    summary: ClassVar[str] = "your own CSV, TSV, JSON lines, Parquet or datasets folder"
    task: ClassVar[str] = "text_classification"

    name: Literal["files"] = "files"
    train: str = Field(min_length=1)
    validation: str | None = None
    test: str | None = None
    text: str = Field("text", min_length=1, description="column with the text")
    label: str = Field("label", min_length=1, description="column with the label")
    client: str | None = Field(None, min_length=1, description="column with the client's name")
    file_per_client: Flag = False

    @model_validator(mode="after")
    def _differ(self) -> Files:
        if self.text == self.label:
            raise ConfigError(f"data.label: {self.label!r} is the text column; they must differ")
        return self

    def load(self) -> Corpus:
        """The tables, with columns text, label and, where clients are given, client."""
        found: dict[str, Table] = {}
        for split in SPLITS:
            place = getattr(self, split)
            if place is not None:
                found[split] = self._read(split, place)
        if list(found) == ["train"]:
            for split in SPLITS[1:]:
                rows = _other_split(self.train, split)
                if rows is not None:
                    found[split] = self._named(f"{self.train} [{split}]", rows, training=False)
        labels = tuple(sorted(set(found["train"]["label"])))
        if len(labels) < 2:
            raise DataError(f"{self.train}: only one label ({labels[0]!r}); at least 2 are needed")
        for split, table in found.items():
            unknown = sorted(set(table["label"]) - set(labels))
            if unknown:
                raise DataError(
                    f"{getattr(self, split) or self.train}: label {unknown[0]!r} of the {split} "
                    "split does not occur in training"
                )
        return Corpus(labels=labels, **found)

    def _read(self, split: str, place: str) -> Table:
        training = split == "train"
        if is_saved_dataset(user_path(place)):
            rows = _saved_split(user_path(place), split)
            return self._named(place, rows, training=training)
        whole: Table = {}
        paths = expand(place)
        stems = [path.stem for path in paths]
        other = sorted(set(map(str.lower, stems)) & EVALUATION_STEMS)
        if training and len(paths) > 1 and other:
            raise DataError(
                f"{place}: holds a file {other[0]!r}, which is no training data; name the files in "
                "data.train, data.validation and data.test"
            )
        if training and self.file_per_client and len(paths) == 1:
            raise DataError(
                f"data.file_per_client: {place} is one file, so that there would be one client; "
                "name a folder or a pattern of files"
            )
        unique = len(set(stems)) == len(stems)
        client_names = {path: path.stem if unique else str(path) for path in paths}
        for path in paths:
            table = self._named(str(path), read_table(path), training=training)
            if training and self.file_per_client:
                table["client"] = [client_names[path]] * len(table["text"])
            for name, values in table.items():
                whole.setdefault(name, []).extend(values)
        return whole

    def _named(self, place: str, rows: Table, *, training: bool) -> Table:
        wanted = {"text": self.text, "label": self.label}
        by_column = self.client is not None and not self.file_per_client
        if by_column and (training or self.client in rows):
            wanted["client"] = str(self.client)
        table: Table = {}
        for name, column in wanted.items():
            if column not in rows:
                raise DataError(
                    f"{place}: no column {column!r} (data.{name}); " + nearest(column, rows)
                )
            table[name] = [
                cell_text(place, column, index, value) for index, value in enumerate(rows[column])
            ]
            if name != "text":
                table[name] = [value.strip() for value in table[name]]
        if not table["text"]:
            raise DataError(f"{place}: the table has no rows")
        return table


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


def expand(place: str) -> list[Path]:
    """The files that a path, a folder or a pattern names, sorted.

    Raises: DataError if there are none or their format is not read.
    """
    path = user_path(place)
    if os.path.isdir(path):
        found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
        if not found:
            raise DataError(f"{place}: the folder holds no {', '.join(SUFFIXES)} file")
    elif os.path.exists(path):
        found = [path]
    else:
        found = sorted(Path(match) for match in glob.glob(str(path)))
    if not found:
        raise DataError(
            f"{place}: no such file; a file, folder or pattern of {', '.join(SUFFIXES)}"
        )
    for file in found:
        if file.suffix.lower() not in SUFFIXES:
            raise DataError(
                f"{file}: format {file.suffix or 'without suffix'} is not read; "
                f"allowed: {', '.join(SUFFIXES)}"
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
            from pyarrow import parquet

            _refuse_twice(parquet.read_schema(path).names)
            return dict(parquet.read_table(path).to_pydict())
        content = read_text(path)
        if suffix in (".csv", ".tsv"):
            return _read_csv((content.rstrip("\n") + "\n").encode(), suffix)
        return _read_json(content)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot be read as {suffix[1:]} ({reason})") from error


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


def _read_json(text: str) -> Table:
    """JSON lines; Arrow's reader would turn dates to timestamps and long numbers to floats."""
    if text.lstrip().startswith("["):
        raise ValueError("one JSON object a line is expected, not one array")
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
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
        rows.append(row)
    columns = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in columns}


def is_saved_dataset(path: Path) -> bool:
    """Whether ``path`` is a folder written by ``datasets``' ``save_to_disk``."""
    names = ("dataset_info.json", "dataset_dict.json")
    return any(os.path.isfile(path / name) for name in names)


def _saved_split(path: Path, split: str) -> Table:
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
        columns[name] = values
    return columns


def _other_split(place: str, split: str) -> Table | None:
    path = user_path(place)
    if not (path / "dataset_dict.json").is_file() or not (path / split).is_dir():
        return None
    return _saved_split(path, split)
