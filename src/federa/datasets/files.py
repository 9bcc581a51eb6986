"""The user's own tables: CSV, TSV, JSON lines, Parquet, or a folder saved by ``datasets``."""

from __future__ import annotations

import glob
import math
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.datasets.interface import read_text
from federa.errors import DataError
from federa.registry import RECORD, nearest
from federa.types import Corpus, Table

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
SPLITS = ("train", "validation", "test")


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
    train: str
    validation: str | None = None
    test: str | None = None
    text: str = Field("text", description="column with the text")
    label: str = Field("label", description="column with the label")
    client: str | None = Field(None, description="column with the client's name")
    file_per_client: bool = False

    def load(self) -> Corpus:
        """The tables, with columns text, label and, where clients are given, client."""
        found = {
            split: rows
            for split in SPLITS
            if (place := getattr(self, split)) is not None
            for rows in [self._read(split, place)]
        }
        if list(found) == ["train"]:
            for split in SPLITS[1:]:
                rows = _other_split(self.train, split)
                if rows is not None:
                    found[split] = self._named(f"{self.train} [{split}]", rows, with_client=False)
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
        if is_saved_dataset(Path(place).expanduser()):
            rows = _saved_split(Path(place).expanduser(), split)
            return self._named(place, rows, with_client=training)
        whole: Table = {}
        for path in expand(place):
            table = self._named(str(path), read_table(path), with_client=training)
            if training and self.file_per_client:
                table["client"] = [path.stem] * len(table["text"])
            for name, values in table.items():
                whole.setdefault(name, []).extend(values)
        return whole

    def _named(self, place: str, rows: Table, *, with_client: bool) -> Table:
        wanted = {"text": self.text, "label": self.label}
        if with_client and self.client and not self.file_per_client:
            wanted["client"] = self.client
        table: Table = {}
        for name, column in wanted.items():
            if column not in rows:
                raise DataError(
                    f"{place}: no column {column!r} (data.{name}); " + nearest(column, rows)
                )
            table[name] = [
                _cell(place, column, index, value) for index, value in enumerate(rows[column])
            ]
        if not table["text"]:
            raise DataError(f"{place}: the table has no rows")
        return table


def _cell(place: str, column: str, index: int, value: Any) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    text = "" if missing else str(value)
    if not text.strip():
        raise DataError(f"{place}: row {index + 1} has no value in column {column!r}")
    return text if column == "text" else text.strip()


def expand(place: str) -> list[Path]:
    """The files that a path, a folder or a pattern names, sorted.

    Raises: DataError if there are none or their format is not read.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
    elif path.exists():
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

            return dict(parquet.read_table(path).to_pydict())
        content = read_text(path).encode()
        return _read_csv(content, suffix) if suffix in (".csv", ".tsv") else _read_json(content)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot be read as {suffix[1:]} ({reason})") from error


def _read_csv(content: bytes, suffix: str) -> Table:
    import pyarrow
    from pyarrow import csv

    delimiter = "\t" if suffix == ".tsv" else ","
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    header = csv.open_csv(pyarrow.BufferReader(content), parse_options=parse).schema.names
    # as text, so that a label such as 007 stays one
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(header, pyarrow.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    table = csv.read_csv(
        pyarrow.BufferReader(content), parse_options=parse, convert_options=convert
    )
    return dict(table.to_pydict())


def _read_json(content: bytes) -> Table:
    import pyarrow
    from pyarrow import json as arrow_json

    if content.lstrip().startswith(b"["):
        raise ValueError("one JSON object a line is expected, not one array")
    parse = arrow_json.ParseOptions(newlines_in_values=False)
    read = arrow_json.ReadOptions(block_size=max(1 << 20, len(content) + 1))
    table = arrow_json.read_json(
        pyarrow.BufferReader(content), parse_options=parse, read_options=read
    )
    return dict(table.to_pydict())


def is_saved_dataset(path: Path) -> bool:
    """Whether ``path`` is a folder written by ``datasets``' ``save_to_disk``."""
    return (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file()


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
    path = Path(place).expanduser()
    if not (path / "dataset_dict.json").is_file() or not (path / split).is_dir():
        return None
    return _saved_split(path, split)
