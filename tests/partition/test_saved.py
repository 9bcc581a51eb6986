"""Split files: written and read again, the same bytes anywhere, refused in one line."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy
import pytest

from federa.errors import DataError
from federa.partition import Saved, read_split, table_digest, write_split

TABLE = {"id": ["p", "q", "r", "s", "t"], "text": ["ä", "b", "c", "d", "e"]}


def _write(path: Path, **changes: Any) -> Path:
    content = {"format": 1, "num_train_examples": 5, "clients": [[3, 0], [1]], "validation": [2, 4]}
    content.update(changes)
    path.write_text(json.dumps({k: v for k, v in content.items() if v != "LEFT OUT"}))
    return path


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    clients = [numpy.array([0, 3]), numpy.array([1])]
    write_split(path, TABLE, clients, [4, 2], data="mine", made_by={"name": "iid", "seed": 1})
    found = read_split(str(path))
    assert [part.tolist() for part in found.clients] == [[0, 3], [1]]
    assert found.validation is not None
    assert found.validation.tolist() == [2, 4]
    assert (found.path, found.data, found.num_train_examples) == (path, "mine", 5)
    assert found.made_by == {"name": "iid", "seed": 1}
    assert found.train_sha256 == table_digest(TABLE)
    found.require(TABLE)
    assert json.loads(path.read_text())["ids"] == {
        "clients": [["p", "s"], ["q"]],
        "validation": ["r", "t"],
    }
    assert [part.dtype for part in found.clients] == [numpy.int64, numpy.int64]


def test_the_bytes_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    write_split(path, {"text": ["é"]}, [[0]], None)
    row = b'{"text":"\\u00e9"}\n'
    assert path.read_text() == (
        '{\n"format": 1,\n"data": null,\n"num_train_examples": 1,\n'
        f'"train_sha256": "{hashlib.sha256(row).hexdigest()}",\n'
        '"made_by": null,\n"clients": [\n[0]\n],\n"validation": null,\n"ids": null\n}\n'
    )
    assert read_split(path).validation is None


def test_the_digest_is_of_the_content_alone() -> None:
    rows = b'{"a":[1,2.5,null],"b":"x\\u00e9\\ud83d\\ude00"}\n{"a":{"k":true,"l":0},"b":"\\n"}\n'
    table = {"b": ["xé😀", "\n"], "a": [(1, 2.5, None), {"l": 0, "k": True}]}
    assert table_digest(table) == hashlib.sha256(rows).hexdigest()
    assert table_digest({"a": table["a"], "b": table["b"]}) == table_digest(table)
    assert table_digest({"a": [numpy.int64(3), numpy.array([1.5])]}) == table_digest(
        {"a": [3, [1.5]]}
    )
    assert table_digest({"a": ["x", "y"]}) != table_digest({"a": ["y", "x"]})
    assert table_digest({"a": ["1"]}) != table_digest({"a": [1]})


def test_a_split_of_other_examples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    write_split(path, TABLE, [[0, 1], [2, 3, 4]], None)
    split = read_split(path)
    with pytest.raises(DataError, match="a split of 5 training examples; the data has 4"):
        split.require({"text": ["a"] * 4})
    with pytest.raises(DataError, match="train_sha256 differs"):
        split.require({**TABLE, "text": ["b", "ä", "c", "d", "e"]})
    read_split(_write(path)).require({"text": ["a"] * 5})  # written by hand, without a digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2; this version reads 1"),
        ({"format": True}, "format True; this version reads 1"),
        ({"format": "LEFT OUT"}, "not a split"),
        ({"clients": "LEFT OUT"}, "not a split"),
        ({"client": []}, "unknown key 'client'; allowed: format, data"),
        ({"num_train_examples": "LEFT OUT"}, "num_train_examples: expected a number, not None"),
        ({"num_train_examples": 5.0}, "num_train_examples: expected a number, not 5.0"),
        ({"num_train_examples": 0}, "num_train_examples: expected a number, not 0"),
        ({"data": 3}, "data: expected text or null, not 3"),
        ({"train_sha256": []}, "train_sha256: expected text or null"),
        ({"clients": []}, "clients: expected lists of row numbers"),
        ({"clients": {"a": [0]}}, "clients: expected lists of row numbers"),
        ({"clients": [[0, 3], []]}, r"clients\[1\]: expected row numbers, not \[\]"),
        ({"clients": [[0, 3], 1]}, r"clients\[1\]: expected row numbers, not 1"),
        ({"clients": [[0, 3], [5]]}, r"clients\[1\]: 5 is no row; allowed: 0 to 4"),
        ({"clients": [[-1, 3], [1]]}, r"clients\[0\]: -1 is no row"),
        ({"clients": [[0, 3], ["1"]]}, r"clients\[1\]: '1' is no row"),
        ({"clients": [[0, 3], [True]]}, r"clients\[1\]: True is no row"),
        ({"clients": [[0, 3], [1.0]]}, r"clients\[1\]: 1.0 is no row"),
        ({"clients": [[0, 0], [1]]}, r"clients\[0\]: row 0 is twice"),
        ({"clients": [[0, 3], [3, 1]]}, r"clients\[1\]: row 3 is also in clients\[0\]"),
        ({"validation": [2, 4, 1]}, r"validation: row 1 is also in clients\[1\]"),
        ({"validation": []}, r"validation: expected row numbers, not \[\]"),
        ({"validation": None}, "2 of 5 rows are nowhere, the first is 2"),
        ({"clients": [[0], [1]]}, "1 of 5 rows are nowhere, the first is 3"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = _write(tmp_path / "split.json", **changes)
    with pytest.raises(DataError, match=message) as caught:
        read_split(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "split.json:1: not JSON"),
        (b'{"format": 1,\n', "split.json:2: not JSON"),
        (b"[1]", "not a split"),
        (b"\xff\xfe{}", "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b'{"format": 1, "format": 1, "clients": []}', "a key is given twice"),
        (b'{"format": ' + b"9" * 5000 + b', "clients": []}', "not JSON in UTF-8"),
    ],
)
def test_what_is_not_json_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_split(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: cannot read \(No such file"):
        read_split(tmp_path / "none.json")
    with pytest.raises(DataError, match="not a plain file"):
        read_split(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a plain file"):
        read_split(tmp_path / "pipe")


def test_a_saved_split_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="read, not made"):
        Saved(file="split.json").split([], 1, numpy.random.default_rng(0))
