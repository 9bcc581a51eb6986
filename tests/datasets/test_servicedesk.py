"""The built-in corpus: its size, its balance, and that nobody's machine composes another one."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from federa.datasets import ServiceDesk
from federa.types import Corpus, Table

SHA256 = "46bd357e4222dd071789ab3da720feaf04a4608a8b63628d738b1084b6576ca8"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return ServiceDesk().load()


def both(corpus: Corpus) -> list[Table]:
    assert corpus.test is not None
    return [corpus.train, corpus.test]


def test_sizes_and_columns(corpus: Corpus) -> None:
    train, test = both(corpus)
    assert corpus.validation is None
    for table, fewest in ((train, 2000), (test, 500)):
        assert list(table) == ["id", "text", "label"]
        assert len(table["id"]) == len(table["text"]) == len(table["label"]) >= fewest


def test_every_label_is_in_both_splits_and_about_equally_common(corpus: Corpus) -> None:
    assert len(corpus.labels) >= 12
    assert list(corpus.labels) == sorted(set(corpus.labels))
    for table in both(corpus):
        counts = Counter(table["label"])
        assert set(counts) == set(corpus.labels)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_no_text_and_no_id_occurs_twice(corpus: Corpus) -> None:
    for column in ("id", "text"):
        values = [value for table in both(corpus) for value in table[column]]
        assert len(set(values)) == len(values)


def test_texts_are_clean_and_complete(corpus: Corpus) -> None:
    for table in both(corpus):
        for text in table["text"]:
            assert text == text.strip()
            assert text.isprintable()
            assert not set(text) & set("{}[]|_")
            assert len(text.split()) >= 3


def test_labels_are_shuffled(corpus: Corpus) -> None:
    for table in both(corpus):
        assert len(set(table["label"][:100])) == len(corpus.labels)


def test_the_corpus_is_the_same_everywhere(corpus: Corpus) -> None:
    digest = hashlib.sha256()
    for table in both(ServiceDesk().load()):
        for row in zip(table["id"], table["text"], table["label"], strict=True):
            digest.update("\t".join(row).encode() + b"\n")
    assert ServiceDesk().load() == corpus
    assert digest.hexdigest() == SHA256
