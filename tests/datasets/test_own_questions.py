"""The user's own questions: tables, and files in SQuAD's layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import Files
from federa.errors import ConfigError
from federa.types import Corpus

CONTEXT = "Ada met Bo; Ada wrote."
EXPECTED = {
    "question": [" Who? ", "Whom?", "Why?"],
    "context": [CONTEXT] * 3,
    "answers": [[{"text": "Ada", "start": 12}], [{"text": "Bo", "start": 8}], []],
    "references": [["Ada"], ["Bo"], []],
    "id": ["a", "b", "c"],
}
ROWS: list[dict[str, Any]] = [
    {
        "id": "a",
        "question": " Who? ",
        "context": CONTEXT,
        "answers": [{"text": "Ada", "start": 12}],
    },
    {"id": "b", "question": "Whom?", "context": CONTEXT, "answers": "Bo"},
    {"id": "c", "question": "Why?", "context": CONTEXT, "answers": []},
]


def load(train: Path | str, **keys: Any) -> Corpus:
    return Files(train=str(train), **keys).load("question_answering")


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json"])
def test_json_lines(tmp_path: Path, suffix: str) -> None:
    corpus = load(write(tmp_path / f"a{suffix}", *ROWS))
    assert corpus == Corpus(train=EXPECTED, labels=())
    assert len({id(context) for context in corpus.train["context"]}) == 1


def test_columns_of_other_names_and_no_ids(tmp_path: Path) -> None:
    names = {"question": "q", "context": "passage", "answers": "gold"}
    rows = [{names[key]: row[key] for key in names} for row in ROWS]
    corpus = load(write(tmp_path / "a.jsonl", *rows), **names)
    assert corpus.train == EXPECTED | {"id": ["1", "2", "3"]}


def test_parquet_and_a_saved_folder(tmp_path: Path) -> None:
    import datasets

    answers = {
        "text": datasets.Value("string"),
        "answer_start": datasets.Value("int32"),
    }
    features = {
        **{name: datasets.Value("string") for name in ("id", "question", "context")},
        "answers": datasets.Sequence(answers),
    }
    columns: dict[str, list[Any]] = {name: [row[name] for row in ROWS] for name in features}
    columns["answers"] = [
        {"text": ["Ada"], "answer_start": [12]},
        {"text": ["Bo"], "answer_start": [8]},
        {"text": [], "answer_start": []},
    ]
    made = datasets.Dataset.from_dict(columns, datasets.Features(features))
    made.to_parquet(str(tmp_path / "a.parquet"))
    made.save_to_disk(tmp_path / "saved")
    assert load(tmp_path / "a.parquet").train == EXPECTED
    assert load(tmp_path / "saved").train == EXPECTED


def test_a_csv_of_plain_answers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'question,context,answers\nWho?,"{CONTEXT}",Ada\nWhy?,"{CONTEXT}",\n', "utf-8")
    train = load(path).train
    assert train["answers"] == [[{"text": "Ada", "start": 0}], []]


def squad(title: str | None = "Ada") -> dict[str, Any]:
    qas = [
        {"id": "a", "question": " Who? ", "answers": [{"text": "Ada", "answer_start": 12}]},
        {"id": "b", "question": "Whom?", "answers": [{"text": "Bo", "answer_start": 8}]},
        {"id": "c", "question": "Why?", "answers": [], "is_impossible": True},
    ]
    article: dict[str, Any] = {"paragraphs": [{"context": CONTEXT, "qas": qas}]}
    return {"data": [article | ({"title": title} if title else {})]}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("names", [{}, {"question": "q", "answers": "gold"}])
def test_a_file_in_the_layout_of_squad(
    tmp_path: Path, indent: int | None, names: dict[str, str]
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(squad(), indent=indent), encoding="utf-8")
    assert load(path, **names).train == EXPECTED | {"title": ["Ada"] * 3}
    path.write_text(json.dumps(squad(None)), encoding="utf-8")
    assert load(path).train == EXPECTED | {"title": [""] * 3}


def test_clients_of_both_kinds(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "a.json").write_text(json.dumps(squad()), encoding="utf-8")
    write(tmp_path / "sites" / "b.jsonl", *ROWS)
    train = load(tmp_path / "sites", file_per_client=True).train
    assert train["client"] == ["a"] * 3 + ["b"] * 3
    assert train["id"] == ["a/a", "a/b", "a/c", "b/a", "b/b", "b/c"]
    assert "title" not in train  # of one file only
    rows = [row | {"site": "s1"} for row in ROWS]
    assert load(write(tmp_path / "c.jsonl", *rows), client="site").train["client"] == ["s1"] * 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ROWS[0] | {"id": "d", "answers": "Cy"},
            "row 4: the answer 'Cy' does not occur in the con",
        ),
        (ROWS[0] | {"id": "d", "question": " "}, "row 4 has no value in column 'question'"),
        (ROWS[0] | {"id": "d", "context": None}, "row 4 has no value in column 'context'"),
        (ROWS[0] | {"id": "d", "context": ["x"]}, "row 4 holds list in column 'context'"),
        (ROWS[0], "row 4: the id 'a' came before; each must be given once"),
        (ROWS[0] | {"id": None}, "row 4 has no value in column 'id'"),
        (
            ROWS[0] | {"id": "d", "answers": [{"text": "Ada", "start": 1}]},
            "row 4: the answer 'Ada' does not start at character 1, where 'da ' stands",
        ),
    ],
)
def test_a_wrong_row_is_refused(
    tmp_path: Path, refusal: Callable[..., str], row: Any, message: str
) -> None:
    path = write(tmp_path / "a.jsonl", *ROWS, row)
    assert refusal(Files(train=str(path)), "question_answering").startswith(f"{path}: {message}")


def test_what_is_wrong_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    def refused(path: Path) -> str:
        return refusal(Files(train=str(path)), "question_answering")

    path = write(tmp_path / "a.jsonl", {"question": "x", "context": "y", "answer": "y"})
    message = refused(path)
    assert message == f"{path}: no column 'answers' (data.answers); did you mean 'answer'?"
    path = tmp_path / "b.json"
    path.write_text(json.dumps(squad(), indent=1)[:300], encoding="utf-8")
    assert refused(path).startswith(f"{path}: no JSON (line ")
    wrong = squad()
    wrong["data"][0]["paragraphs"][0]["qas"][1]["answers"][0]["answer_start"] = 9
    path.write_text(json.dumps(wrong), encoding="utf-8")
    assert refused(path).startswith(f"{path}: question 'b', answers[0]: the answer 'Bo' does not")
    path.write_text("", encoding="utf-8")
    assert refused(path) == f"{path}: the file is empty"
    with pytest.raises(ConfigError, match=r"^data\.answers: 'x' is the question column; they must"):
        Files(train="a.json", question="x", answers="x")
