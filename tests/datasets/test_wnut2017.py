"""WNUT-2017 in the release's own files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from federa.datasets import Wnut2017
from federa.types import Corpus

TRAIN = "Ada\tB-person\nsang\tO\n\t\nin\tO\nRio\tB-location\nSul\tI-location\n\t\n"
DEV = "a\u200bb\tO\n\ufeff\tO\nAcme\tB-corporation\n\n"
TEST = "it\tO\n\nis\tO"
LABELS = ("O", "B-corporation", "B-location", "B-person", "I-location")
NAMES = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")


def release(folder: Path, **changes: str) -> Path:
    for name, content in zip(NAMES, (TRAIN, DEV, TEST), strict=True):
        (folder / name).write_bytes(changes.get(name.split(".")[-2], content).encode())
    return folder


def load(folder: Path) -> Corpus:
    return Wnut2017(folder=str(folder)).load("token_classification")


def test_sentences_tags_and_splits(tmp_path: Path) -> None:
    assert load(release(tmp_path)) == Corpus(
        train={
            "id": ["train-1", "train-2"],
            "words": [["Ada", "sang"], ["in", "Rio", "Sul"]],
            "tags": [["B-person", "O"], ["O", "B-location", "I-location"]],
        },
        labels=LABELS,
        validation={
            "id": ["validation-1"],
            "words": [["a\u200bb", "\ufeff", "Acme"]],
            "tags": [["O", "O", "B-corporation"]],
        },
        test={"id": ["test-1", "test-2"], "words": [["it"], ["is"]], "tags": [["O"], ["O"]]},
    )


def test_what_is_wrong_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    record = Wnut2017(folder=str(release(tmp_path)))
    (tmp_path / NAMES[1]).write_text("Ada\tB-persn\n", encoding="utf-8")
    path = f"{tmp_path}/{NAMES[1]}"
    assert refusal(record) == f"{path}:1: no type 'persn'; did you mean 'person'?"
    (tmp_path / NAMES[1]).write_text("Ada\tB-person\nsang O\n", encoding="utf-8")
    assert refusal(record).startswith(f"{path}:2: ['sang O'] where 2 columns")
    (tmp_path / NAMES[1]).unlink()
    assert refusal(record) == f"{path}: cannot read (No such file or directory)"


def test_the_release_is_as_described(real: Callable[[str], Path]) -> None:
    corpus = load(real("wnut2017"))
    validation, test = corpus.validation, corpus.test
    assert validation is not None
    assert test is not None
    assert len(corpus.train["id"]) == 3394
    assert len(validation["id"]) == 1009
    assert len(test["id"]) in (654, 1287)
    assert sum(map(len, corpus.train["words"])) == 62_730
    assert sum(map(len, validation["words"])) == 15_733
    if len(test["id"]) == 654:
        assert sum(map(len, test["words"])) == 11_779
    types = ("corporation", "creative-work", "group", "location", "person", "product")
    assert corpus.labels == (
        "O",
        *(f"B-{name}" for name in types),
        *(f"I-{name}" for name in types),
    )
    assert sum(set(tags) == {"O"} for tags in corpus.train["tags"]) == 2166
    for table in (corpus.train, validation, test):
        assert [len(words) for words in table["words"]] == [len(tags) for tags in table["tags"]]
        for tags in table["tags"]:  # no I- tag without the B- or I- of its type before it
            for before, tag in zip(["O", *tags], tags, strict=False):
                assert not tag.startswith("I-") or before[2:] == tag[2:]
    words = [word for sentence in validation["words"] for word in sentence]
    assert any("\u200b" in word for word in words)
    assert any("\ufeff" in word for word in words)


@pytest.mark.parametrize("words", ["Ada", "Rio"])
def test_equal_words_are_one_object(tmp_path: Path, words: str) -> None:
    release(tmp_path, wnut17train=f"{words}\tB-person\n\n{words}\tO\n")
    first, second = load(tmp_path).train["words"]
    assert first[0] is second[0]
