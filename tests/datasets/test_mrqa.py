"""MRQA: sources, inclusive spans, and what becomes of each folder."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import Mrqa
from federa.errors import ConfigError
from federa.types import Corpus, Table

CONTEXT = "The Broncos won; \U0001f602 the Broncos sang."


def question(name: str, spans: list[list[list[int]]], answers: list[str]) -> dict[str, Any]:
    detected = [
        {"text": "The Broncos", "char_spans": pairs, "token_spans": [[0, 1]] * len(pairs)}
        for pairs in spans
    ]
    return {
        "id": "",
        "qid": name,
        "question": f"Who is {name}?",
        "question_tokens": [["Who", 0]],
        "detected_answers": detected,
        "answers": answers,
    }


def lines(source: str, *qas: dict[str, Any]) -> str:
    record = {"id": "", "context": CONTEXT, "context_tokens": [["The", 0]], "qas": list(qas)}
    return f'{{"header": {{"dataset": "{source}"}}}}\n{json.dumps(record)}\n'


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def release(folder: Path) -> Path:
    """Two sources to train on, one with a development part, and one out of domain."""
    one = question("a1", [[[4, 10], [23, 29]], [[4, 10]], [[0, 10]]], ["Broncos", "the team"])
    two = question("a2", [[[0, 2]]], ["The"])
    write(folder, "train/SQuAD.jsonl.gz", lines("SQuAD", one, two))
    write(folder, "train/NewsQA.jsonl", lines("NewsQA", question("b1", [[[12, 14]]], ["won"])))
    write(folder, "dev/SQuAD.jsonl.gz", lines("SQuAD", question("c1", [[[12, 14]]], ["won"])))
    write(folder, "dev_ood/DROP.jsonl.gz", lines("DROP", question("d1", [[[0, 2]]], ["THE"])))
    write(folder, "train/notes.txt", "not a source")
    return folder


def load(folder: Path, **keys: Any) -> Corpus:
    return Mrqa(folder=str(folder), **keys).load("question_answering")


def test_spans_are_inclusive_and_each_is_one_answer(tmp_path: Path) -> None:
    corpus = load(release(tmp_path), sources=["SQuAD"])
    broncos = {"text": "Broncos", "start": 4}, {"text": "Broncos", "start": 23}
    assert corpus.train == {
        "id": ["a1", "a2"],
        "question": ["Who is a1?", "Who is a2?"],
        "context": [CONTEXT, CONTEXT],
        "answers": [[*broncos, {"text": "The Broncos", "start": 0}], [{"text": "The", "start": 0}]],
        "references": [["Broncos", "the team"], ["The"]],
        "source": ["SQuAD", "SQuAD"],
    }
    assert corpus.train["context"][0] is corpus.train["context"][1]
    assert corpus.labels == ()
    assert corpus.group == "source"
    assert corpus.test is None  # no out-of-domain file of that source


def ids(table: Table | None) -> list[str] | None:
    return table and table["id"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, (["b1", "a1", "a2"], ["c1"], ["d1"])),
        ({"dev": "test"}, (["b1", "a1", "a2"], None, ["c1"])),
        ({"sources": ["NewsQA"]}, (["b1"], None, None)),
        ({"sources": ["DROP", "SQuAD"]}, (["a1", "a2"], ["c1"], ["d1"])),
        ({"sources": ["SQuAD"], "dev": "test"}, (["a1", "a2"], None, ["c1"])),
    ],
)
def test_what_each_folder_serves_as(tmp_path: Path, keys: dict[str, Any], expected: Any) -> None:
    corpus = load(release(tmp_path), **keys)
    assert (ids(corpus.train), ids(corpus.validation), ids(corpus.test)) == expected


def test_the_out_of_domain_folder_may_be_absent(tmp_path: Path) -> None:
    (release(tmp_path) / "dev_ood" / "DROP.jsonl.gz").unlink()
    assert load(tmp_path).test is None
    (tmp_path / "dev_ood").rmdir()
    assert load(tmp_path).test is None


def test_sources_that_are_not_there_are_refused(
    tmp_path: Path, refusal: Callable[..., str]
) -> None:
    folder = str(release(tmp_path))
    message = refusal(Mrqa(folder=folder, sources=["SQuAD", "NewsQB"]))
    assert message == "data.sources: no source 'NewsQB'; did you mean 'NewsQA'?"
    message = refusal(Mrqa(folder=folder, sources=["x"]))
    assert message == "data.sources: no source 'x'; allowed: DROP, NewsQA, SQuAD"
    message = refusal(Mrqa(folder=folder, sources=["DROP"]))
    assert message == "data.sources: DROP has no training part"
    with pytest.raises(ConfigError, match=r"^data\.sources: a source is named twice$"):
        Mrqa(sources=["SQuAD", "SQuAD"])
    with pytest.raises(ValueError, match="sources"):
        Mrqa(sources=[])
    for name in ("SQuAD.jsonl.gz", "NewsQA.jsonl"):
        (tmp_path / "train" / name).unlink()
    message = refusal(Mrqa(folder=folder))
    assert message.startswith(f"{tmp_path}/train: no <source>.jsonl.gz; get it from https://")


def row(**changes: Any) -> str:
    """A line whose question has keys replaced, or left out where None."""
    changed = question("a3", [[[0, 2]]], ["The"]) | changes
    kept = {key: value for key, value in changed.items() if value is not None}
    return json.dumps({"context": CONTEXT, "qas": [kept]})


def spans(*pairs: Any) -> list[dict[str, Any]]:
    return [{"text": "x", "char_spans": list(pairs)}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            row(detected_answers=spans([0, 38])),
            ", qas[0]: the span [0, 38] lies outside the 36 cha",
        ),
        (row(detected_answers=spans([-1, 2])), ", qas[0]: the span [-1, 2] lies outside"),
        (row(detected_answers=spans([3, 2])), ", qas[0]: the span [3, 2] lies outside"),
        (row(detected_answers=spans([0])), ", qas[0]: the span [0] is no pair of whole numbers"),
        (row(detected_answers=spans(["0", 2])), ", qas[0]: the span ['0', 2] is no pair of whole"),
        (row(detected_answers=spans(3)), ", qas[0]: the span 3 is no pair of whole numbers"),
        (row(detected_answers=[{"text": "x"}]), ", qas[0], detected_answers[0]: no 'char_spans'; "),
        (row(detected_answers=None), ", qas[0]: no 'detected_answers'; "),
        (row(qid="a1"), ", qas[0]: the id 'a1' came before; each must be given once"),
        (row(qid=None), ", qas[0]: no 'qid'; did you mean 'id'?"),
        (row(question=3), ", qas[0]: 'question' holds 3, where text is expected"),
        (row(question=" "), ", qas[0]: the question is empty"),
        (row(answers=[]), ", qas[0]: question 'a3' has no answers"),
        (row(answers=[3]), ", qas[0]: 'answers' holds 3, where text is expected"),
        ('{"context": "x"}', ": no 'qas'; allowed: context"),
        ('{"context": "", "qas": []}', ": the context is empty"),
        ('{"context": 3, "qas": []}', ": 'context' holds 3, where text is expected"),
        ('{"context": "x", "qas": [', ": no JSON (column 26"),
        ("[]", ": expected a JSON object, not []"),
    ],
)
def test_a_wrong_line_is_refused(
    tmp_path: Path, refusal: Callable[..., str], line: str, message: str
) -> None:
    first = lines("SQuAD", question("a1", [[[0, 2]]], ["The"]))
    path = write(release(tmp_path), "train/SQuAD.jsonl.gz", f"{first}\n{line}\n")
    assert refusal(Mrqa(folder=str(tmp_path))).startswith(f"{path}:4{message}")


def test_a_file_without_header_or_questions_is_refused(
    tmp_path: Path, refusal: Callable[..., str]
) -> None:
    path = write(release(tmp_path), "train/SQuAD.jsonl.gz", row() + "\n")
    message = refusal(Mrqa(folder=str(tmp_path)))
    assert message == f"{path}:1: no 'header'; allowed: context, qas"
    write(tmp_path, "train/SQuAD.jsonl.gz", lines("SQuAD").splitlines()[0])
    assert refusal(Mrqa(folder=str(tmp_path))) == f"{path}: holds no questions"


# The files that are known


QUESTIONS = {
    "train": {"SQuAD": 11_683, "NaturalQuestions": 6_835, "HotpotQA": 655},
    "validation": {"SQuAD": 7_316, "NaturalQuestions": 882, "HotpotQA": 333},
    "test": {"DROP": 234, "COVID-QA": 944},
}
CONTEXTS = {
    "train": {"SQuAD": 2_427, "NaturalQuestions": 6_554, "HotpotQA": 655},
    "validation": {"SQuAD": 1_387, "NaturalQuestions": 873, "HotpotQA": 333},
    "test": {"DROP": 45, "COVID-QA": 320},
}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    import os

    folder = Path(os.environ.get("FEDERA_DATA", "/nowhere")) / "mrqa"
    if not (folder / "dev_ood" / "COVID-QA.jsonl.gz").is_file():
        pytest.skip("needs mrqa, with COVID-QA, below $FEDERA_DATA")
    return load(folder)


def tables(corpus: Corpus) -> dict[str, Table]:
    assert corpus.validation is not None
    assert corpus.test is not None
    return {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}


def test_the_counts_are_those_described(corpus: Corpus) -> None:
    for split, table in tables(corpus).items():
        assert set(table) == {"id", "question", "context", "answers", "references", "source"}
        assert Counter(table["source"]) == QUESTIONS[split]
        pairs = {
            (source, id(context))
            for source, context in zip(table["source"], table["context"], strict=True)
        }
        assert Counter(source for source, _ in pairs) == CONTEXTS[split]
    assert [sum(counts.values()) for counts in QUESTIONS.values()] == [19_173, 8_531, 1_178]
    ids = [name for table in tables(corpus).values() for name in table["id"]]
    assert len(set(ids)) == len(ids)


def test_the_oddities_are_those_described(corpus: Corpus) -> None:
    several = undetected = 0
    cases: Counter[str] = Counter()
    for table in tables(corpus).values():
        names = ("context", "answers", "references", "source")
        for context, answers, references, source in zip(*map(table.get, names), strict=True):  # type: ignore[arg-type]
            assert answers
            starts = [(answer["start"], answer["text"]) for answer in answers]
            assert len(set(starts)) == len(starts)
            assert all(context[start:].startswith(text) for start, text in starts)
            texts = {text for _, text in starts}
            several += len(answers) > len(texts)  # an answer with more than one span
            undetected += not set(references) <= texts
            lowered = {text.lower() for text in texts}
            cases[source] += any(
                reference not in texts and reference.lower() in lowered for reference in references
            )
    assert several > 0
    assert undetected > 0
    assert cases["DROP"] > 0
    dev = tables(corpus)["validation"]
    found = [
        answers
        for answers, references in zip(dev["answers"], dev["references"], strict=True)
        if "The Broncos" in references
    ]
    assert any({"Broncos"} >= {answer["text"] for answer in answers} for answers in found)


def test_no_training_context_is_in_the_development_part(corpus: Corpus) -> None:
    train, dev = tables(corpus)["train"], tables(corpus)["validation"]
    for source in CONTEXTS["train"]:
        both = [
            {
                context
                for name, context in zip(table["source"], table["context"], strict=True)
                if name == source
            }
            for table in (train, dev)
        ]
        assert not both[0] & both[1]
