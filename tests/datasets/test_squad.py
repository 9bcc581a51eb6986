"""SQuAD's own JSON: spans, versions, and what is refused."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import Squad
from federa.types import Corpus

CONTEXT = "\U0001f602 Ada Lovelace met Babbage in Zürich, and Ada wrote."
CONTENT: dict[str, Any] = {
    "version": "1.1",
    "data": [
        {
            "title": "Ada",
            "paragraphs": [
                {
                    "context": CONTEXT,
                    "qas": [
                        {
                            "id": "q1",
                            "question": " Who met Babbage? ",
                            "answers": [
                                {"text": "Ada Lovelace", "answer_start": 2},
                                {"text": "Ada", "answer_start": 2},
                                {"text": "Ada", "answer_start": 2},
                            ],
                        },
                        {
                            "id": "q2",
                            "question": "Where?",
                            "answers": [{"text": "Zürich", "answer_start": 30}],
                        },
                    ],
                },
                {"context": "Empty of questions.", "qas": []},
            ],
        }
    ],
}
EXPECTED = {
    "id": ["q1", "q2"],
    "question": [" Who met Babbage? ", "Where?"],
    "context": [CONTEXT, CONTEXT],
    "answers": [
        [
            {"text": "Ada Lovelace", "start": 2},
            {"text": "Ada", "start": 2},
            {"text": "Ada", "start": 2},
        ],
        [{"text": "Zürich", "start": 30}],
    ],
    "references": [["Ada Lovelace", "Ada", "Ada"], ["Zürich"]],
    "title": ["Ada", "Ada"],
}
IMPOSSIBLE = {
    "id": "q3",
    "question": "Why?",
    "is_impossible": True,
    "answers": [],
    "plausible_answers": [{"text": "wrote", "answer_start": 46}],
}


def release(folder: Path, train: Any = CONTENT, version: str = "1.1") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, content in (("train", train), ("dev", CONTENT)):
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{part}-v{version}.json").write_text(text, encoding="utf-8")
    return folder


def load(folder: Path, **keys: Any) -> Corpus:
    return Squad(folder=str(folder), **keys).load("question_answering")


def changed(**question: Any) -> dict[str, Any]:
    """The content with keys of its second question replaced, or left out where None."""
    content = copy.deepcopy(CONTENT)
    target = content["data"][0]["paragraphs"][0]["qas"][1]
    target.update(question)
    for key in [key for key, value in question.items() if value is None]:
        del target[key]
    return content


def with_impossible() -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    content["data"][0]["paragraphs"][0]["qas"].append(IMPOSSIBLE)
    return content


def test_questions_spans_and_references(tmp_path: Path) -> None:
    corpus = load(release(tmp_path))
    assert corpus == Corpus(train=EXPECTED, labels=(), validation=EXPECTED)
    contexts = corpus.train["context"]
    assert contexts[0] is contexts[1]
    for context, answers in zip(contexts, corpus.train["answers"], strict=True):
        for answer in answers:
            assert context[answer["start"] :].startswith(answer["text"])


def test_a_number_for_an_id_is_its_text(tmp_path: Path) -> None:
    assert load(release(tmp_path, changed(id=7))).train["id"] == ["q1", "7"]


def test_the_development_set_serves_as_test(tmp_path: Path) -> None:
    assert load(release(tmp_path), dev="test") == Corpus(train=EXPECTED, labels=(), test=EXPECTED)


@pytest.mark.parametrize("version", ["2.0", 2.0])
def test_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: Any) -> None:
    release(tmp_path / "squad_v2", with_impossible(), "2.0")
    monkeypatch.setenv("FEDERA_DATA", str(tmp_path))
    record = Squad(version=version)
    assert record.version == "2.0"
    assert record.task_settings() == {"unanswerable": True}
    train = record.load("question_answering").train
    assert train["id"] == ["q1", "q2", "q3"]
    assert train["answers"][2] == train["references"][2] == []
    assert train["title"][2] == "Ada"


def test_version_1_finds_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(tmp_path / "squad_v1")
    monkeypatch.setenv("FEDERA_DATA", str(tmp_path))
    assert Squad(version=1.1).load("question_answering").train == EXPECTED  # type: ignore[arg-type]
    assert Squad().task_settings() == {}
    with pytest.raises(ValueError, match="version"):
        Squad(version="3.0")  # type: ignore[arg-type]


def test_the_other_version_is_pointed_to(tmp_path: Path, refusal: Callable[..., str]) -> None:
    release(tmp_path, with_impossible(), "2.0")
    message = refusal(Squad(folder=str(tmp_path)))
    assert message == (
        f'{tmp_path}: holds train-v2.0.json, not train-v1.1.json; set data.version to "2.0"'
    )
    release(tmp_path, with_impossible(), "1.1")
    message = refusal(Squad(folder=str(tmp_path)))
    assert message == (
        f"{tmp_path}/train-v1.1.json: question 'q3' has no answer (is_impossible); "
        'set data.version to "2.0"'
    )


WRONG: list[tuple[Any, str]] = [
    (
        changed(answers=[{"text": "Zürich", "answer_start": 31}]),
        ": question 'q2', answers[0]: the answer 'Zürich' does not start at character 31, where "
        "'ürich,' stands",
    ),
    (changed(answers=[{"text": "Zürich", "answer_start": -5}]), ": question 'q2', answers[0]: the"),
    (
        changed(answers=[{"text": "Zürich", "answer_start": 999}]),
        ": question 'q2', answers[0]: the answer 'Zürich' does not start at character 999, where "
        "nothing stands",
    ),
    (changed(answers=[{"text": "", "answer_start": 3}]), ": question 'q2', answers[0]: the answer"),
    (changed(answers=[{"text": "Zürich"}]), ": question 'q2', answers[0]: no 'answer_start'; "),
    (
        changed(answers=[{"text": "Zürich", "answer_start": "30"}]),
        ": question 'q2', answers[0]: 'answer_start' holds '30', where a whole number is expected",
    ),
    (
        changed(answers=[{"text": "Zürich", "answer_start": 30.0}]),
        ": question 'q2', answers[0]: 'answer_start' holds 30.0, where a whole number is expected",
    ),
    (changed(answers=["Zürich"]), ": question 'q2', answers[0]: expected an object, not 'Zürich'"),
    (changed(answers=[]), ": question 'q2': has no answers and is not marked is_impossible"),
    (changed(answers=None), ": question 'q2': no 'answers'; "),
    (changed(question="  "), ": question 'q2': the question is empty"),
    (changed(question=None), ": question 'q2': no 'question'; "),
    (changed(id="q1"), ", data[0], paragraphs[0], qas[1]: the id 'q1' came before; each must be"),
    (changed(id=7.0), ", data[0], paragraphs[0], qas[1]: 'id' holds 7.0, where text is expected"),
    (changed(id=""), ", data[0], paragraphs[0], qas[1]: the id is empty"),
    (changed(is_impossible="no"), ": question 'q2': 'is_impossible' holds 'no', not true or false"),
    ({"data": [{"paragraphs": [{"qas": []}]}]}, ", data[0], paragraphs[0]: no 'context'; "),
    ({"data": [{"paragraphs": [{"context": " ", "qas": []}]}]}, ", data[0], paragraphs[0]: the co"),
    ({"data": [{"paragraphs": {}}]}, ", data[0]: 'paragraphs' holds {}, where a list is expected"),
    ({"data": [{"title": 3, "paragraphs": []}]}, ", data[0]: 'title' holds 3, where text"),
    ({"data": []}, ": holds no questions"),
    ({"version": "1.1"}, ": no 'data'; allowed: version"),
    ([CONTENT], ": expected a JSON object, not "),
    (json.dumps(CONTENT)[:200], ": no JSON (column "),
    (json.dumps(CONTENT, indent=1)[:200], ": no JSON (line "),
    ("", ": the file is empty"),
    (json.dumps(CONTENT).replace("Where?", "\\ud800"), ": no JSON ("),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_what_is_wrong_is_refused(
    tmp_path: Path, refusal: Callable[..., str], content: Any, message: str
) -> None:
    release(tmp_path, content)
    assert refusal(Squad(folder=str(tmp_path))).startswith(f"{tmp_path}/train-v1.1.json{message}")


def test_the_release_is_as_described(real: Callable[[str], Path]) -> None:
    corpus = load(real("squad_v1"))
    train, dev = corpus.train, corpus.validation
    assert dev is not None
    assert len(train["id"]) in (11_877, 87_599)
    assert len(dev["id"]) in (7_358, 10_570)
    assert not set(train["id"]) & set(dev["id"])
    assert {len(answers) for answers in train["answers"]} == {1}
    counts = Counter(len(answers) for answers in dev["answers"])
    assert (min(counts), max(counts)) == (1, 6)
    assert counts.most_common(1)[0][0] == 3
    assert any(len(set(texts)) < len(texts) for texts in dev["references"])
    assert dev["references"] == [[one["text"] for one in answers] for answers in dev["answers"]]
    if len(dev["id"]) == 7_358:
        assert len(set(train["title"])) == 44
        assert len(set(dev["title"])) == 33
        assert len({id(context) for context in train["context"]}) == 2_430
        assert len({id(context) for context in dev["context"]}) == 1_387
    assert any(question != question.strip() for question in train["question"] + dev["question"])
    assert any(ord(letter) > 127 for context in dev["context"] for letter in context)
    for table in (train, dev):
        for context, answers in zip(table["context"], table["answers"], strict=True):
            for answer in answers:
                assert context[answer["start"] :].startswith(answer["text"])
