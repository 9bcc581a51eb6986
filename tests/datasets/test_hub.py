"""Copies on the hub, as local folders with the same features; what an absent hub says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import Mrqa, SemEval2010Task8, Squad, TwentyNewsgroups, Wnut2017
from federa.types import Corpus

NEWS = {"text": ["From: a\n\nOn orbits\n", ""], "label": [14, 7]}
SENTENCES = {
    "sentence": ["A <e1>flu</e1> and a <e2>fever</e2>.", "A <e1>box</e1> in a <e2>hall</e2>."],
    "relation": [1, 0],
}
TAGS = ["O", "B-corporation", "I-corporation", "B-person", "I-person"]
CONTEXT = "\U0001f602 Ada met Bo; Ada wrote."


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def store(folder: Path, features: Any, **splits: dict[str, list[Any]]) -> str:
    """A folder of Parquet files as the hub has them, one for each split."""
    import datasets

    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, columns in splits.items():
        made = datasets.Dataset.from_dict(columns, datasets.Features(features))
        made.to_parquet(str(folder / "data" / f"{split}-00000-of-00001.parquet"))
    return str(folder)


def text() -> Any:
    import datasets

    return datasets.Value("string")


def classes(names: list[str]) -> Any:
    import datasets

    return datasets.ClassLabel(names=names)


def load(record: Any) -> Corpus:
    found: Corpus = record.load(record.tasks[0])
    return found


def newsgroups(folder: Path) -> str:
    import datasets

    rows = NEWS | {"label_text": ["sci.space", "rec.autos"]}
    features = {"text": text(), "label": datasets.Value("int64"), "label_text": text()}
    return store(folder, features, train=rows, test=rows)


def test_newsgroups(tmp_path: Path) -> None:
    place = newsgroups(tmp_path / "hub")
    corpus = load(TwentyNewsgroups(hub=place))
    assert corpus.train == {
        "id": ["train-1", "train-2"],
        "text": NEWS["text"],
        "label": ["sci.space", "rec.autos"],
    }
    assert corpus.test is not None
    assert corpus.test["id"] == ["test-1", "test-2"]
    assert corpus.labels == ("rec.autos", "sci.space")
    stripped = load(TwentyNewsgroups(hub=place, strip=["headers"]))
    assert stripped.train["text"] == ["On orbits\n", ""]


def test_semeval(tmp_path: Path) -> None:
    features = {"sentence": text(), "relation": classes(["Other", "Cause-Effect(e1,e2)"])}
    place = store(tmp_path / "hub", features, train=SENTENCES, test=SENTENCES)
    corpus = load(SemEval2010Task8(hub=place))
    assert corpus.train == {
        "id": ["1", "2"],
        "text": SENTENCES["sentence"],
        "label": ["Cause-Effect(e1,e2)", "Other"],
    }
    assert corpus.test is not None
    assert corpus.test["id"] == ["3", "4"]
    assert corpus.labels == ("Cause-Effect(e1,e2)", "Other")


def test_wnut(tmp_path: Path) -> None:
    import datasets

    features = {
        "id": text(),
        "tokens": datasets.Sequence(text()),
        "ner_tags": datasets.Sequence(classes(TAGS)),
    }
    rows = {"id": ["0", "1"], "tokens": [["Ada", "Hill"], ["so"]], "ner_tags": [[3, 4], [0]]}
    place = store(tmp_path / "hub", features, train=rows, validation=rows, test=rows)
    corpus = load(Wnut2017(hub=place))
    assert corpus.train == {
        "id": ["train-1", "train-2"],
        "words": [["Ada", "Hill"], ["so"]],
        "tags": [["B-person", "I-person"], ["O"]],
    }
    assert corpus.labels == ("O", "B-person", "I-person")
    assert corpus.validation is not None
    assert corpus.validation["words"] == corpus.train["words"]


def squad(folder: Path, *more: tuple[str, list[str], list[int]]) -> str:
    import datasets

    rows = [("q1", ["Ada", "Ada met Bo"], [2, 2]), ("q2", ["Bo"], [10]), *more]
    answers = {"text": text(), "answer_start": datasets.Value("int32")}
    features = {
        **{name: text() for name in ("id", "title", "context", "question")},
        "answers": datasets.Sequence(answers),
    }
    columns: dict[str, list[Any]] = {
        "id": [row[0] for row in rows],
        "title": ["Ada"] * len(rows),
        "context": [CONTEXT] * len(rows),
        "question": [" Who? "] * len(rows),
        "answers": [{"text": row[1], "answer_start": row[2]} for row in rows],
    }
    return store(folder, features, train=columns, validation=columns)


def test_squad(tmp_path: Path) -> None:
    place = squad(tmp_path / "hub")
    corpus = load(Squad(hub=place))
    assert corpus.train == {
        "id": ["q1", "q2"],
        "question": [" Who? "] * 2,
        "context": [CONTEXT] * 2,
        "answers": [
            [{"text": "Ada", "start": 2}, {"text": "Ada met Bo", "start": 2}],
            [{"text": "Bo", "start": 10}],
        ],
        "references": [["Ada", "Ada met Bo"], ["Bo"]],
        "title": ["Ada"] * 2,
    }
    assert corpus.train["context"][0] is corpus.train["context"][1]
    assert corpus.validation == corpus.train
    assert corpus.test is None
    assert load(Squad(hub=place, dev="test")).test == corpus.train


def test_squad_without_answers(tmp_path: Path, refusal: Callable[..., str]) -> None:
    place = squad(tmp_path / "hub", ("q3", [], []))
    train = load(Squad(hub=place, version="2.0")).train
    assert train["answers"][2] == train["references"][2] == []
    message = refusal(Squad(hub=place))
    assert message.endswith("row 3: question 'q3' has no answer; set data.version to \"2.0\"")


def test_a_span_that_does_not_match_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    place = squad(tmp_path / "hub", ("q3", ["Bo"], [11]))
    message = refusal(Squad(hub=place))
    assert message.startswith(
        f"{place} [train], row 3: the answer 'Bo' does not start at character"
    )


@pytest.mark.parametrize("nested", ["lists", "objects"])
@pytest.mark.parametrize("test_split", [True, False])
def test_mrqa(tmp_path: Path, nested: str, test_split: bool) -> None:
    import datasets

    number = datasets.Value("int32")
    if nested == "objects":  # as the hub's own copy is read
        spans = datasets.Sequence({"start": number, "end": number})
        detected: Any = datasets.Sequence({"text": text(), "char_spans": spans})
        cell: Any = {"text": ["Ada"], "char_spans": [{"start": [2, 14], "end": [4, 16]}]}
    else:
        pairs = datasets.List({"start": number, "end": number})
        detected = datasets.List({"text": text(), "char_spans": pairs})
        both = [{"start": 2, "end": 4}, {"start": 14, "end": 16}]
        cell = [{"text": "Ada", "char_spans": both}]
    features = {
        **{name: text() for name in ("subset", "context", "qid", "question")},
        "detected_answers": detected,
        "answers": datasets.Sequence(text()),
    }
    rows: dict[str, list[Any]] = {
        "subset": ["SQuAD", "NewsQA"],
        "context": [CONTEXT] * 2,
        "qid": ["a", "b"],
        "question": ["Who?"] * 2,
        "detected_answers": [cell] * 2,
        "answers": [["Ada"], ["ada"]],
    }
    splits = ("train", "validation", *(("test",) if test_split else ()))
    place = store(tmp_path / "hub", features, **dict.fromkeys(splits, rows))
    corpus = load(Mrqa(hub=place, sources=["NewsQA"]))
    assert corpus.train == {
        "id": ["b"],
        "question": ["Who?"],
        "context": [CONTEXT],
        "answers": [[{"text": "Ada", "start": 2}, {"text": "Ada", "start": 14}]],
        "references": [["ada"]],
        "source": ["NewsQA"],
    }
    assert corpus.group == "source"
    assert corpus.validation == corpus.train
    assert (corpus.test is not None) == test_split
    assert load(Mrqa(hub=place)).train["source"] == ["SQuAD", "NewsQA"]
    as_test = load(Mrqa(hub=place, dev="test"))
    assert as_test.validation is None
    assert as_test.test is not None
    assert as_test.test["id"] == ["a", "b"]


# What is refused


def test_other_columns_and_splits_are_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    place = newsgroups(tmp_path / "hub")
    message = refusal(Wnut2017(hub=place))
    assert (
        message
        == f"data.hub: {place} has no column 'tokens' (train); allowed: text, label, "
        + ("label_text")
    )
    assert refusal(Squad(hub=place)).startswith(f"data.hub: {place} has no column 'id' (train)")
    for file in (tmp_path / "hub" / "data").glob("test-*"):
        file.unlink()
    message = refusal(TwentyNewsgroups(hub=place))
    assert message == f"data.hub: {place} has no split 'test'; it has train"


def test_other_values_are_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    import datasets

    features = {"text": text(), "label": datasets.Value("int64"), "label_text": text()}
    rows = {"text": ["x", None], "label": [1, 2], "label_text": ["sci.space", "sci.space"]}
    place = store(tmp_path / "one", features, train=rows, test=rows)
    message = refusal(TwentyNewsgroups(hub=place))
    assert message == f"{place} [train], row 2: 'text' holds None, where text is expected"
    rows = {"text": ["x", "y"], "label": [1, 2], "label_text": ["sci.space", "sci.spaces"]}
    place = store(tmp_path / "two", features, train=rows, test=rows)
    message = refusal(TwentyNewsgroups(hub=place))
    assert message.startswith(f"{place} [train], row 2: no group 'sci.spaces'; did you mean")


def test_a_damaged_folder_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refusal(TwentyNewsgroups(hub=str(empty))).startswith(f"data.hub: {empty} cannot be read")
    place = Path(newsgroups(tmp_path / "hub"))
    for file in (place / "data").glob("train-*"):
        file.write_bytes(file.read_bytes()[:100])
    assert refusal(TwentyNewsgroups(hub=str(place))).startswith(f"data.hub: {place} cannot be read")


@pytest.mark.parametrize("place", ["nobody-at-all/nothing-here", "/nowhere/at/all", "a/b/c", "a b"])
@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.timeout(60)
def test_what_is_not_there_is_refused_soon(
    refusal: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    place: str,
    offline: bool,
) -> None:
    import huggingface_hub

    import datasets

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)
    # a port that nobody listens on: the network is gone, whether this machine has one or not
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    before = time.monotonic()
    message = refusal(Wnut2017(hub=place))
    assert time.monotonic() - before < 20
    assert message.startswith("data.hub: ")
    assert place in message
    assert capfd.readouterr().err == ""
