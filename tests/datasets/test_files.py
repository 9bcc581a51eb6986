"""The user's own tables: what is read, cell by cell, and a line for everything that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from federa.datasets import Files
from federa.datasets.files import expand, read_table
from federa.errors import DataError
from federa.types import Corpus

Write = Callable[[str, str | bytes], Path]
GOOD = "text,label\nhello,a\nworld,b\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file, folders included."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def load(train: Path | str, **keys: Any) -> Corpus:
    return Files(train=str(train), **keys).load("text_classification")


def refusal(train: Path | str, **keys: Any) -> str:
    """The error that the data is refused with, which is one line."""
    with pytest.raises(DataError) as caught:
        load(train, **keys)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# Formats


TABLES: dict[str, tuple[str | bytes, list[str], list[str]]] = {
    "plain.csv": (GOOD, ["hello", "world"], ["a", "b"]),
    "no_last_newline.csv": (GOOD.rstrip(), ["hello", "world"], ["a", "b"]),
    "upper.CSV": (GOOD, ["hello", "world"], ["a", "b"]),
    "bom.csv": (b"\xef\xbb\xbf" + GOOD.encode(), ["hello", "world"], ["a", "b"]),
    "crlf.csv": (GOOD.replace("\n", "\r\n"), ["hello", "world"], ["a", "b"]),
    "blank_lines.csv": (GOOD.replace("\n", "\n\n"), ["hello", "world"], ["a", "b"]),
    "other.csv": ("id,label,text\n1,a,x\n2,b,y\n", ["x", "y"], ["a", "b"]),
    "quotes.csv": ('text,label\n"a, ""b""\nc",x\n"it\'s",y\n', ['a, "b"\nc', "it's"], ["x", "y"]),
    "digits.csv": ("text,label\n1.50,007\n2020-01-01,7\n", ["1.50", "2020-01-01"], ["007", "7"]),
    "words.csv": (
        "text,label\nNA,NA\nnull,nan\nx,true\n",
        ["NA", "null", "x"],
        ["NA", "nan", "true"],
    ),
    "unicode.csv": ("text,label\nçà 日本,é\nx,b\n", ["çà 日本", "x"], ["é", "b"]),
    "spaces.csv": ("text,label\n x , a \ny,b\n", [" x ", "y"], ["a", "b"]),
    "long.csv": (f"text,label\n{'x' * 3_000_000},a\ny,b\n", ["x" * 3_000_000, "y"], ["a", "b"]),
    "tabs.tsv": ('text\tlabel\na, b\tx\n"c\td"\ty\n', ["a, b", "c\td"], ["x", "y"]),
    "lines.jsonl": (
        '{"text": "a\\nb", "label": 1}\n\n{"label": 2, "text": "\\u00e9", "id": null}\n',
        ["a\nb", "é"],
        ["1", "2"],
    ),
    "lines.ndjson": (
        '{"text": "a", "label": "007"}\n{"text": "b", "label": "7"}\n',
        ["a", "b"],
        ["007", "7"],
    ),
    "one.json": (
        '{"text": "a", "label": "x"}\r\n{"text": "b", "label": "y"}',
        ["a", "b"],
        ["x", "y"],
    ),
    "dates.jsonl": (
        '{"text": "2020-01-01", "label": "2020-01-01T00:00:00Z"}\n'
        '{"text": "2021-01-01", "label": "2021-01-01 00:00:00"}\n',
        ["2020-01-01", "2021-01-01"],
        ["2020-01-01T00:00:00Z", "2021-01-01 00:00:00"],
    ),
    "large_numbers.jsonl": (
        '{"text": "a", "label": 123456789012345678901}\n'
        '{"text": "b", "label": 123456789012345678902}\n',
        ["a", "b"],
        ["123456789012345678901", "123456789012345678902"],
    ),
}
"""Content, texts, labels."""


@pytest.mark.parametrize("name", TABLES)
def test_text_tables(write: Write, name: str) -> None:
    content, texts, labels = TABLES[name]
    corpus = load(write(name, content))
    assert corpus.train == {"text": texts, "label": labels}
    assert corpus.labels == tuple(sorted(labels))
    assert corpus.validation is None
    assert corpus.test is None


def test_many_rows_with_newlines_in_cells(write: Write) -> None:
    rows = [f'row {row}\nand "more", {"x" * (row % 90)}' for row in range(30_000)]
    cells = ['"' + row.replace('"', '""') + '"' for row in rows]
    content = "text,label\n" + "".join(f"{cell},{row % 2}\n" for row, cell in enumerate(cells))
    assert load(write("big.csv", content)).train["text"] == rows


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pyarrow.array([1, 2]), ["1", "2"]),
        (pyarrow.array(["x", "007"]), ["x", "007"]),
        (pyarrow.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pyarrow.array(["x", "y"], pyarrow.large_string()), ["x", "y"]),
    ],
)
def test_parquet(tmp_path: Path, labels: pyarrow.Array, expected: list[str]) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a", "b\n"], "label": labels, "id": [1, 2]}), path)
    assert load(path).train == {"text": ["a", "b\n"], "label": expected}


def test_read_table_has_every_column(write: Write) -> None:
    path = write("a.csv", 'id,text,note\n1,x,\n2,y,""\n')
    assert read_table(path) == {"id": ["1", "2"], "text": ["x", "y"], "note": [None, ""]}


# Columns, splits, clients


def test_named_columns_and_splits(write: Write) -> None:
    train = write("train.csv", "body,topic,label\nx,a,1\ny,b,1\n")
    test = write("test.jsonl", '{"topic": "b", "body": "z"}\n')
    corpus = load(train, validation=str(train), test=str(test), text="body", label="topic")
    assert corpus.train == corpus.validation == {"text": ["x", "y"], "label": ["a", "b"]}
    assert corpus.test == {"text": ["z"], "label": ["b"]}


@pytest.mark.parametrize(
    ("text", "label"), [("text", "label"), ("body", "topic"), ("label", "text")]
)
def test_labels_are_stripped_and_texts_are_not(write: Write, text: str, label: str) -> None:
    train = write("a.csv", f"{text},{label}\n x , a\n y,b \n")
    assert load(train, text=text, label=label).train == {"text": [" x ", " y"], "label": ["a", "b"]}


@pytest.mark.parametrize("place", ["clients", "clients/*", "clients/*.csv", "clients/[ab].*"])
def test_a_folder_or_pattern_is_read_in_order(write: Write, tmp_path: Path, place: str) -> None:
    write("clients/b.csv", "text,label\nb1,x\nb2,y\n")
    write("clients/a.csv", "label,text\ny,a1\n")
    if place == "clients":
        write("clients/readme.md", "not a table")
    corpus = load(tmp_path / place)
    assert corpus.train == {"text": ["a1", "b1", "b2"], "label": ["y", "x", "y"]}
    named = load(tmp_path / place, file_per_client=True, client="ignored")
    assert named.train == {**corpus.train, "client": ["a", "b", "b"]}


def test_a_tilde_is_the_home_folder(write: Write, tmp_path: Path, monkeypatch: Any) -> None:
    write("a.csv", GOOD)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("~/a.csv").train["text"] == ["hello", "world"]
    assert expand("~/*.csv") == [tmp_path / "a.csv"]


def test_files_of_one_name_in_two_folders_are_two_clients(write: Write, tmp_path: Path) -> None:
    for folder in ("north", "south"):
        write(f"{folder}/train.csv", GOOD)
    clients = load(tmp_path / "*" / "train.csv", file_per_client=True).train["client"]
    assert clients[0] == clients[1] != clients[2] == clients[3]


def test_a_client_column_is_read_for_training_only(write: Write) -> None:
    train = write("train.csv", "text,label,site\nx,a, 01\ny,b,2\n")
    test = write("test.csv", GOOD)
    corpus = load(train, test=str(test), client="site")
    assert corpus.train["client"] == ["01", "2"]
    assert corpus.test == {"text": ["hello", "world"], "label": ["a", "b"]}


# Folders saved by ``datasets``


def saved(path: Path, *, names: list[str] | None, splits: tuple[str, ...] = ()) -> Path:
    import datasets

    kind = datasets.ClassLabel(names=names) if names else datasets.Value("string")
    features = datasets.Features({"text": datasets.Value("string"), "label": kind})
    labels = [1, 0, 1] if names else ["y", "x", "y"]
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": labels}, features)
    if splits:
        datasets.DatasetDict(dict.fromkeys(splits, made)).save_to_disk(path)
    else:
        made.save_to_disk(path)
    return path


@pytest.mark.parametrize("names", [None, ["x", "y"]])
def test_a_saved_dataset(tmp_path: Path, names: list[str] | None) -> None:
    corpus = load(saved(tmp_path / "saved", names=names))
    assert corpus == Corpus(
        train={"text": ["a", "b", "c"], "label": ["y", "x", "y"]}, labels=("x", "y")
    )


@pytest.mark.parametrize("splits", [("train",), ("train", "test"), ("train", "validation", "test")])
def test_a_saved_dict_names_its_splits(tmp_path: Path, splits: tuple[str, ...]) -> None:
    corpus = load(saved(tmp_path / "saved", names=["x", "y"], splits=splits))
    table = {"text": ["a", "b", "c"], "label": ["y", "x", "y"]}
    assert corpus.train == table
    assert corpus.validation == (table if "validation" in splits else None)
    assert corpus.test == (table if "test" in splits else None)


def test_a_saved_dataset_that_is_wrong_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "dict", names=["x", "y"], splits=("test",))
    assert refusal(folder) == f"{folder}: no split 'train'; it has test"
    single = saved(tmp_path / "single", names=["x", "y"])
    error = refusal(single, text="txt")
    assert error == f"{single}: no column 'txt' (data.text); did you mean 'text'?"
    for file in single.glob("*.arrow"):
        file.write_bytes(b"damaged")
    assert refusal(single).startswith(f"{single}: cannot be read as a datasets folder (")


def test_unlabelled_rows_of_a_saved_dataset_are_refused(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["x", "y"])}
    )
    content = {"text": ["a", "b", "c"], "label": [1, 0, -1]}
    datasets.Dataset.from_dict(content, features).save_to_disk(tmp_path / "saved")
    assert refusal(tmp_path / "saved").endswith("row 3 has no value in column 'label'")


# What is wrong


WRONG: dict[str, tuple[str | bytes, str]] = {
    "empty.csv": ("", "the file is empty"),
    "blank.csv": ("\n \n", "the file is empty"),
    "bom.csv": (b"\xef\xbb\xbf", ""),
    "header.csv": ("text,label\n", "the table has no rows"),
    "header_alone.csv": ("text,label", ""),
    "latin.csv": ("text,label\ncafé,a\n".encode("latin-1"), "not UTF-8 (byte 0xe9 at position 14)"),
    "utf16.csv": (GOOD.encode("utf-16"), "not UTF-8 (byte 0xff at position 0)"),
    "latin.jsonl": ('{"text": "é"}'.encode("latin-1"), "not UTF-8 (byte 0xe9 at position 10)"),
    "column.csv": ("txt,label\nx,a\n", "no column 'text' (data.text); did you mean 'txt'?"),
    "column.tsv": ("text\tlabl\nx\ta\n", "no column 'label' (data.label); did you mean 'labl'?"),
    "columns.csv": ("a,b\nx,a\n", "no column 'text' (data.text); allowed: a, b"),
    "semicolons.csv": ("text;label\nx;a\n", "no column 'text' (data.text); allowed: text;label"),
    "odd_column.csv": ('"te\nxt",label\nx,a\n', "no column 'text' (data.text)"),
    "twice.csv": ("text,label,label\nx,a,b\ny,b,a\n", ""),
    "unlabelled.csv": ("text,label\nx,a\ny,\n", "row 2 has no value in column 'label'"),
    "blank_label.csv": ("text,label\nx,a\ny, \n", "row 2 has no value in column 'label'"),
    "quoted.csv": ('text,label\nx,a\ny,""\n', "row 2 has no value in column 'label'"),
    "no_text.csv": ("text,label\n,a\ny,b\n", "row 1 has no value in column 'text'"),
    "null.jsonl": ('{"text": "x", "label": null}', "row 1 has no value in column 'label'"),
    "absent.jsonl": (
        '{"text": "x", "label": "a"}\n{"text": "y"}\n',
        "row 2 has no value in column 'label'",
    ),
    "one.csv": ("text,label\nx,a\ny,a\n", "only one label ('a'); at least 2 are needed"),
    "long_row.csv": ("text,label\nx,a\ny,b,c\n", "cannot be read as csv ("),
    "short_row.csv": ("text,label\nx,a\ny\n", "cannot be read as csv ("),
    "ragged.csv": ('text,label\n"a\nb",x,"c\nd"\n', "cannot be read as csv ("),
    "open_quote.csv": ('text,label\nx,a\n"y,b\n', "cannot be read as csv ("),
    "array.json": (
        '[{"text": "x", "label": "a"}]',
        "cannot be read as json (one JSON object a line",
    ),
    "broken.jsonl": ('{"text": "x", "label": "a"}\n{"text":', "cannot be read as jsonl ("),
    "scalars.jsonl": ("1\n2\n", "cannot be read as jsonl ("),
    "lists.jsonl": ('{"text": ["x"], "label": "a"}\n{"text": ["y"], "label": "b"}', ""),
    "objects.jsonl": ('{"text": "x", "label": {"a": 1}}\n{"text": "y", "label": {"a": 2}}', ""),
    "surrogate.jsonl": ('{"text": "\\ud800", "label": "a"}', "cannot be read as jsonl ("),
    "broken.parquet": ("no table", "cannot be read as parquet ("),
    "empty.parquet": ("", "cannot be read as parquet ("),
    "table.xlsx": ("x", "format .xlsx is not read; allowed: .csv, .tsv, .jsonl"),
    "table": ("x", "format without suffix is not read; allowed: .csv, .tsv, .jsonl"),
}
"""Content, how the message begins."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_one_line(write: Write, name: str) -> None:
    content, message = WRONG[name]
    path = write(name, content)
    error = refusal(path)
    assert error.startswith(f"{path}: {message}")
    assert len(error) < len(str(path)) + 250


@pytest.mark.parametrize("column", ["text", "label"])
@pytest.mark.parametrize(
    "values",
    [pyarrow.array([b"x", b"y"]), pyarrow.array([["x"], ["y"]]), pyarrow.array([{"a": 1}] * 2)],
)
def test_parquet_cells_that_are_no_text_are_refused(
    tmp_path: Path, column: str, values: pyarrow.Array
) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(
        pyarrow.table({"text": ["a", "b"], "label": ["x", "y"], column: values}), path
    )
    assert f"column {column!r}" in refusal(path)


@pytest.mark.parametrize("values", [[1.0, None], [1.0, float("nan")]])
def test_missing_numbers_in_parquet_are_refused(tmp_path: Path, values: list[float | None]) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": values}), path)
    assert refusal(path) == f"{path}: row 2 has no value in column 'label'"


@pytest.mark.parametrize(
    "place",
    [
        "absent.csv",
        "absent",
        "*.csv",
        "two\nlines.csv",
        "x" * 5000 + ".csv",
        "a\0b.csv",
        "~nobody-here/a.csv",
    ],
)
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, place: str) -> None:
    error = refusal(place if place.startswith("~") else tmp_path / place)
    assert "no such file" in error
    assert ".csv, .tsv, .jsonl, .ndjson, .json, .parquet" in error


def test_a_folder_without_tables_is_refused(write: Write, tmp_path: Path) -> None:
    write("folder/readme.md", "nothing here")
    error = refusal(tmp_path / "folder")
    assert error.startswith(f"{tmp_path / 'folder'}: ")
    assert ".csv, .tsv, .jsonl, .ndjson, .json, .parquet" in error


def test_a_bad_file_among_good_ones_is_named(write: Write, tmp_path: Path) -> None:
    write("folder/a.csv", GOOD)
    bad = write("folder/b.csv", "text,label\nx,\n")
    assert refusal(tmp_path / "folder") == f"{bad}: row 1 has no value in column 'label'"
    write("folder/c.txt", "x")
    assert refusal(tmp_path / "folder" / "*").startswith(f"{tmp_path}/folder/c.txt: format .txt is")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_unknown_to_training_is_refused(write: Write, split: str) -> None:
    train = write("train.csv", GOOD)
    other = write("other.csv", "text,label\nx,a\ny,zebra\n")
    assert refusal(train, **{split: str(other)}) == (
        f"{other}: label 'zebra' of the {split} split does not occur in training"
    )


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_wrong_evaluation_file_is_refused(write: Write, tmp_path: Path, split: str) -> None:
    train = write("train.csv", GOOD)
    assert "absent.csv: no such file" in refusal(train, **{split: str(tmp_path / "absent.csv")})
    empty = write("empty.csv", "")
    assert refusal(train, **{split: str(empty)}) == f"{empty}: the file is empty"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD, "no column 'site' (data.client); allowed: text, label"),
        ("text,label,sites\nx,a,1\n", "no column 'site' (data.client); did you mean 'sites'?"),
        ("text,label,site\nx,a,1\ny,b,\n", "row 2 has no value in column 'site'"),
    ],
)
def test_a_client_column_that_is_wrong_is_refused(write: Write, content: str, message: str) -> None:
    path = write("a.csv", content)
    assert refusal(path, client="site") == f"{path}: {message}"


def test_numbers_are_the_same_label_in_every_format(write: Write, tmp_path: Path) -> None:
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 2}]
    train = write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    test = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), test)
    csv = write("a.csv", "text,label\na,1\nb,2\n")
    corpus = load(train, test=str(test), validation=str(csv))
    assert corpus.train == corpus.test == corpus.validation
