"""PLONER: domains, their files, and what the release is known to hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from federa.datasets import Ploner, Wnut2017
from federa.errors import ConfigError
from federa.types import Corpus

SIX = ["connl03", "onbc", "onbn", "onmz", "onnw", "wnut16"]
SPLITS = ("train", "dev", "test")


def release(folder: Path, *domains: str) -> Path:
    for domain in domains:
        for split in SPLITS:
            content = f"{domain} B-ORG \n{split} O \n\nAda B-PER \nHill I-PER \n\n"
            (folder / f"{domain}_{split}.txt").write_text(content, encoding="utf-8")
    return folder


def load(folder: Path, domains: list[str] | None = None) -> Corpus:
    return Ploner(folder=str(folder), domains=domains).load("token_classification")


def test_domains_one_after_the_other(tmp_path: Path) -> None:
    corpus = load(release(tmp_path, "wnut16", "onbc", "onwb"))
    assert corpus.train == {
        "id": [f"{name}-train-{n}" for name in ("onbc", "onwb", "wnut16") for n in (1, 2)],
        "words": [
            words
            for name in ("onbc", "onwb", "wnut16")
            for words in ([name, "train"], ["Ada", "Hill"])
        ],
        "tags": [["B-ORG", "O"], ["B-PER", "I-PER"]] * 3,
        "domain": ["onbc"] * 2 + ["onwb"] * 2 + ["wnut16"] * 2,
    }
    assert corpus.labels == ("O", "B-ORG", "B-PER", "I-PER")
    assert corpus.group == "domain"
    assert corpus.validation is not None
    assert corpus.validation["words"][0] == ["onbc", "dev"]
    assert corpus.validation["id"][0] == "onbc-validation-1"
    assert corpus.test is not None
    assert corpus.test["words"][0] == ["onbc", "test"]


def test_some_domains_in_the_order_given(tmp_path: Path) -> None:
    corpus = load(release(tmp_path, *SIX), ["wnut16", "onbn"])
    assert corpus.train["domain"] == ["wnut16"] * 2 + ["onbn"] * 2


@pytest.mark.parametrize("spelling", ["connl03", "conll03"])
@pytest.mark.parametrize("given", ["connl03", "conll03", None])
def test_both_spellings_of_conll(tmp_path: Path, spelling: str, given: str | None) -> None:
    corpus = load(release(tmp_path, spelling), [given] if given else None)
    assert corpus.train["domain"] == ["connl03"] * 2
    assert corpus.train["words"][0] == [spelling, "train"]


def test_a_domain_that_is_not_there_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    release(tmp_path, "onbc", "wnut16")
    message = refusal(Ploner(folder=str(tmp_path), domains=["onbc", "onmz"]))
    assert message.startswith(
        f"{tmp_path}: no onmz_train.txt (data.domains); there are: onbc, wnut16; get it from http"
    )
    (tmp_path / "onbc_dev.txt").unlink()
    message = refusal(Ploner(folder=str(tmp_path)))
    assert message == f"{tmp_path}/onbc_dev.txt: cannot read (No such file or directory)"
    with pytest.raises(ConfigError, match=r"^data\.domains: a domain is named twice$"):
        Ploner(domains=["conll03", "connl03"])
    with pytest.raises(ValueError, match="onbx"):
        Ploner(domains=["onbx"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="domains"):
        Ploner(domains=[])


def test_a_wrong_line_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    release(tmp_path, "onbc")
    (tmp_path / "onbc_test.txt").write_text("in O \n\nUtah B-GPE \n", encoding="utf-8")
    message = refusal(Ploner(folder=str(tmp_path)))
    assert message == f"{tmp_path}/onbc_test.txt:3: no type 'GPE'; did you mean 'PER'?"


def test_the_release_is_as_described(real: Callable[[str], Path]) -> None:
    corpus = load(real("ploner"), SIX)
    assert corpus.validation is not None
    assert corpus.test is not None
    assert Counter(corpus.train["domain"]) == dict.fromkeys(SIX, 1750)
    assert Counter(corpus.validation["domain"]) == dict.fromkeys(SIX, 250)
    assert Counter(corpus.test["domain"]) == dict.fromkeys(SIX, 500) | {"onbc": 501}
    assert list(dict.fromkeys(corpus.train["domain"])) == SIX  # sorted
    assert corpus.labels == ("O", "B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER")
    for table in (corpus.train, corpus.validation, corpus.test):
        assert len(set(table["id"])) == len(table["id"])
        assert [len(words) for words in table["words"]] == [len(tags) for tags in table["tags"]]
        assert not any(" " in word for words in table["words"] for word in words)
    rows: dict[str, set[tuple[str, ...]]] = {name: set() for name in SIX}
    for domain, words in zip(corpus.train["domain"], corpus.train["words"], strict=True):
        rows[domain].add(tuple(words))
    twice = Counter(
        domain
        for domain, words in zip(corpus.test["domain"], corpus.test["words"], strict=True)
        if tuple(words) in rows[domain]
    )
    assert (min(twice.values()), max(twice.values())) == (6, 19)


def test_twitter_sentences_are_also_in_wnut_2017(real: Callable[[str], Path]) -> None:
    real("wnut2017")
    twitter = load(real("ploner"), ["wnut16"])
    other = Wnut2017().load("token_classification")

    def sentences(corpus: Corpus) -> set[tuple[str, ...]]:
        tables = (corpus.train, corpus.validation, corpus.test)
        return {tuple(words) for table in tables if table for words in table["words"]}

    assert 800 < len(sentences(twitter) & sentences(other)) < 900
