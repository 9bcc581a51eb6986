"""The user's own words and tags."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import Files
from federa.errors import ConfigError
from federa.types import Corpus

WORDS = [["Ada", "sang"], ["Rio"]]
TAGS = [["B-PER", "O"], ["B-LOC"]]
COLUMNS = "Ada\tB-PER\nsang\tO\n\t\nRio\tB-LOC\n"
EXPECTED = {"words": WORDS, "tags": TAGS, "id": ["1", "2"]}
LABELS = ("O", "B-LOC", "B-PER")


def load(train: Path | str, **keys: Any) -> Corpus:
    return Files(train=str(train), **keys).load("token_classification")


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def jsonl(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def rows(words: str = "words", tags: str = "tags") -> list[dict[str, Any]]:
    return [{words: one, tags: two} for one, two in zip(WORDS, TAGS, strict=True)]


@pytest.mark.parametrize("name", ["a.conll", "a.iob", "a.bio", "a.txt", "a.CONLL"])
@pytest.mark.parametrize(
    "content",
    [
        COLUMNS,
        COLUMNS.replace("\t", " "),
        COLUMNS.replace("\n", "\r\n"),
        "-DOCSTART- -X- O O\n\nAda NNP I B-PER\nsang VB O O\n\nRio NNP I B-LOC\n",
    ],
)
def test_column_files(tmp_path: Path, name: str, content: str) -> None:
    assert load(write(tmp_path / name, content)) == Corpus(train=EXPECTED, labels=LABELS)


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json"])
def test_json_lines(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", jsonl(*rows("tokens", "ner")))
    assert load(path, words="tokens", tags="ner").train == EXPECTED


def classified(folder: Path) -> Any:
    import datasets

    names = datasets.ClassLabel(names=["O", "B-PER", "B-LOC"])
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "words": datasets.Sequence(datasets.Value("string")),
            "tags": datasets.Sequence(names),
        }
    )
    columns = {"id": ["x", "y"], "words": WORDS, "tags": [[1, 0], [2]]}
    return datasets.Dataset.from_dict(columns, features)


def test_named_classes_in_parquet_and_in_a_saved_folder(tmp_path: Path) -> None:
    import datasets

    made = classified(tmp_path)
    made.to_parquet(str(tmp_path / "a.parquet"))
    made.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"train": made, "test": made}).save_to_disk(tmp_path / "both")
    expected = EXPECTED | {"id": ["x", "y"]}
    assert load(tmp_path / "a.parquet") == Corpus(train=expected, labels=LABELS)
    assert load(tmp_path / "saved") == Corpus(train=expected, labels=LABELS)
    assert load(tmp_path / "both") == Corpus(train=expected, labels=LABELS, test=expected)


def test_numbers_without_names_are_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"words": WORDS, "tags": [[1, 0], [2]]}), path)
    assert refusal(Files(train=str(path)), "token_classification") == (
        f"{path}: row 1, column 'tags': expected strings that are not empty, not 1"
    )


def test_splits_and_clients(tmp_path: Path) -> None:
    write(tmp_path / "sites" / "north.conll", COLUMNS)
    write(tmp_path / "sites" / "south.jsonl", jsonl(*({"id": "x"} | row for row in rows()[:1])))
    test = write(tmp_path / "test.txt", "Bo I-PER\n")
    corpus = load(tmp_path / "sites", test=str(test), file_per_client=True)
    assert corpus.train["client"] == ["north", "north", "south"]
    assert corpus.train["id"] == ["1", "2", "3"]  # not every file has ids of its own
    assert corpus.labels == ("O", "B-LOC", "B-PER", "I-PER")
    assert corpus.test == {"words": [["Bo"]], "tags": [["I-PER"]], "id": ["1"]}
    named = [row | {"site": "s1"} for row in rows()]
    path = write(tmp_path / "a.jsonl", jsonl(*named))
    assert load(path, client="site").train["client"] == ["s1", "s1"]


def test_ids_of_several_files_stay_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        content = jsonl(*({"id": number} | row for number, row in enumerate(rows())))
        write(tmp_path / "sites" / f"{name}.jsonl", content)
    assert load(tmp_path / "sites").train["id"] == ["a/0", "a/1", "b/0", "b/1"]


ODD: list[tuple[Any, str]] = [
    ({"words": ["Ada"], "tags": ["B-PER", "O"]}, "row 3 has 1 words and 2 tags"),
    (
        {"words": "Ada", "tags": ["O"]},
        "row 3, column 'words': expected a list of strings, not 'Ada'",
    ),
    ({"words": [], "tags": []}, "row 3, column 'words': expected a list of strings, not []"),
    ({"words": ["Ada"]}, "row 3, column 'tags': expected a list of strings, not None"),
    (
        {"words": ["Ada", ""], "tags": ["O", "O"]},
        "row 3, column 'words': expected strings that are",
    ),
    (
        {"words": ["Ada"], "tags": [0]},
        "row 3, column 'tags': expected strings that are not empty, n",
    ),
    ({"words": ["Ada"], "tags": ["PER"]}, "row 3: no tag 'PER'; expected O, B-type or I-type"),
]


@pytest.mark.parametrize(("row", "message"), ODD)
def test_a_wrong_row_is_refused(
    tmp_path: Path, refusal: Callable[..., str], row: Any, message: str
) -> None:
    path = write(tmp_path / "a.jsonl", jsonl(*rows(), row))
    assert refusal(Files(train=str(path)), "token_classification").startswith(f"{path}: {message}")


def test_what_is_wrong_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    def refused(train: Path, **keys: Any) -> str:
        return refusal(Files(train=str(train), **keys), "token_classification")

    path = write(tmp_path / "a.conll", COLUMNS)
    assert refused(path.with_suffix(".csv")).endswith("a.csv: no such file; a file, folder or "
        "pattern of .conll, .iob, .bio, .txt, .jsonl, .ndjson, .json, .parquet")  # fmt: skip
    table = write(tmp_path / "a.csv", "words,tags\nAda,O\n")
    assert refused(table).startswith(f"{table}: format .csv is not read; allowed: .conll, .iob")
    wrong = write(tmp_path / "b.conll", "Ada\tB-PER\nsang\n")
    assert refused(wrong).startswith(f"{wrong}:2: ['sang'] where 2 columns")
    assert refused(path, test=str(wrong)).startswith(f"{wrong}:2: ")
    other = write(tmp_path / "c.conll", "Acme\tB-ORG\n")
    assert refused(path, test=str(other)) == (
        f"{other}: type 'ORG' of the test split does not occur in training"
    )
    assert refused(path, client="site").startswith(f"{path}: no column 'site' (data.client)")
    lines = write(tmp_path / "d.jsonl", jsonl(*rows("tokens")))
    assert refused(lines).startswith(f"{lines}: no column 'words' (data.words); ")
    same = write(tmp_path / "e.jsonl", jsonl(*({"id": 1} | row for row in rows())))
    assert refused(same) == f"{same}: row 2: the id '1' came before; each must be given once"
    only = write(tmp_path / "f.conll", "so\tO\n")
    assert refused(only) == f"{only}: only one tag ('O'); at least 2 are needed"
    assert refused(path, file_per_client=True).startswith("data.file_per_client: ")
    write(tmp_path / "sites" / "train.conll", COLUMNS)
    write(tmp_path / "sites" / "dev.conll", COLUMNS)
    assert "holds a file 'dev', which is no training data" in refused(tmp_path / "sites")
    with pytest.raises(
        ConfigError, match=r"^data\.tags: 'x' is the words column; they must differ"
    ):
        Files(train="a.conll", words="x", tags="x")
