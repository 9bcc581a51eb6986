"""Entities and their scores against hand-worked sentences, conlleval, seqeval and wnuteval."""

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

from federa.metrics.entities import entity_scores, spans, surface_scores
from federa.metrics.prediction_files import write_tags
from metrics import scorers

KINDS = ("person", "location", "creative-work")
TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BI" for kind in KINDS)]
WORDS = ["Ada", "ada", "Oslo", "of", "\N{SNOWMAN}"]

token = st.tuples(st.sampled_from(WORDS), st.sampled_from(TAGS), st.sampled_from(TAGS))
corpora = st.lists(st.lists(token, max_size=8), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("", []),
        ("O O", []),
        ("B-a I-a O B-b", [("a", 0, 1), ("b", 3, 3)]),
        ("B-a B-a", [("a", 0, 0), ("a", 1, 1)]),
        ("O I-a I-a", [("a", 1, 2)]),  # an orphan begins an entity
        ("I-a", [("a", 0, 0)]),
        ("B-a I-b I-b", [("a", 0, 0), ("b", 1, 2)]),  # so does a change of type
        ("B-a O I-a", [("a", 0, 0), ("a", 2, 2)]),
        ("I-a B-a I-a", [("a", 0, 0), ("a", 1, 2)]),
        ("B-creative-work I-creative-work", [("creative-work", 0, 1)]),
    ],
)
def test_spans(tags: str, wanted: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == wanted
    assert get_entities(tags.split()) == wanted


def test_by_hand() -> None:
    words = [["Ada", "of", "Oslo"], ["Ada", "in", "Oslo"], ["Oslo", "rains"]]
    gold = [["B-per", "O", "B-loc"], ["B-per", "O", "B-loc"], ["B-loc", "O"]]
    guess = [["B-per", "O", "B-loc"], ["I-per", "O", "B-per"], ["B-loc", "I-loc"]]
    scores = entity_scores(gold, guess, words)
    # found 5, right 5, correct: Ada, Oslo in the first, Ada in the second (as an orphan I-)
    assert [scores[name] for name in ("precision", "recall", "f1")] == pytest.approx([3 / 5] * 3)
    assert scores["accuracy"] == 5 / 8
    assert scores["per_type"] == {
        "loc": {"precision": 0.5, "recall": 1 / 3, "f1": pytest.approx(0.4), "num_entities": 3},
        "per": {"precision": 2 / 3, "recall": 1.0, "f1": pytest.approx(0.8), "num_entities": 2},
    }
    # forms: gold Ada/per, Oslo/loc; guess also Oslo/per and "Oslo rains"/loc; both gold ones found
    assert scores["surface_precision"] == 2 / 4
    assert scores["surface_recall"] == 1
    assert scores["surface_f1"] == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_surface_forms_need_the_place_the_type_and_the_letter_case() -> None:
    words = [["Ada"], ["Ada"], ["ada"]]
    person, place, none = ["B-person"], ["B-location"], ["O"]
    # found, but where there is none: no hit, though the form is one of the truth
    elsewhere = surface_scores([person, none, none], [none, person, none], words)
    assert elsewhere == {"surface_precision": 0, "surface_recall": 0, "surface_f1": 0}
    # once right and twice wrong: the form counts once, as a hit
    once = surface_scores([person, person, none], [person, none, none], words)
    assert once == {"surface_precision": 1, "surface_recall": 1, "surface_f1": 1}
    # two forms by type, two by letter case
    types = surface_scores([person, place, none], [person, person, none], words)
    assert types == {"surface_precision": 1, "surface_recall": 0.5, "surface_f1": 2 / 3}
    cases = surface_scores([person, none, person], [person, none, none], words)
    assert cases["surface_recall"] == 0.5


def test_nothing_to_find_or_nothing_found_is_zero() -> None:
    zero = dict.fromkeys(("precision", "recall", "f1"), 0.0)
    surface = {f"surface_{name}": 0.0 for name in zero}
    assert entity_scores([], [], []) == {**zero, **surface, "accuracy": 0.0, "per_type": {}}
    words = [["Ada", "of"]]
    outside = entity_scores([["O", "O"]], [["O", "O"]], words)
    assert outside == {**zero, **surface, "accuracy": 1.0, "per_type": {}}
    for gold, guess in ((["B-a", "O"], ["O", "O"]), (["O", "O"], ["B-a", "O"])):
        scores = entity_scores([gold], [guess], words)
        kind = {"a": {**zero, "num_entities": int(gold[0] == "B-a")}}
        assert scores == {**zero, **surface, "accuracy": 0.5, "per_type": kind}


@given(corpora)
def test_same_spans_as_conlleval_and_seqeval(corpus: list[list[tuple[str, str, str]]]) -> None:
    for sentence in corpus:
        tags = [tag for _, tag, _ in sentence]
        assert spans(tags) == get_entities(tags)
        assert all(0 <= first <= last < len(tags) for _, first, last in spans(tags))


@given(corpora)
def test_same_scores_as_the_scorers_read_from_the_files(
    corpus: list[list[tuple[str, str, str]]],
) -> None:
    words, gold, guess = (
        [[token[column] for token in sentence] for sentence in corpus] for column in range(3)
    )
    scores = entity_scores(gold, guess, words)
    with TemporaryDirectory() as name:
        write_tags(Path(name), words, gold, guess)
        conll = scorers.conlleval(Path(name) / "predictions.conll")
        entity, surface = scorers.wnuteval(Path(name) / "predictions.tsv")
    types = conll.pop("per_type")
    assert {name: scores[name] for name in conll} == pytest.approx(conll)
    assert scores["per_type"] == {kind: pytest.approx(part) for kind, part in types.items()}
    assert {name: scores[name] for name in entity} == pytest.approx(entity)
    assert {name: scores[f"surface_{name}"] for name in surface} == pytest.approx(surface)


@given(corpora)
def test_same_scores_as_seqeval(corpus: list[list[tuple[str, str, str]]]) -> None:
    words, gold, guess = (
        [[token[column] for token in sentence] for sentence in corpus] for column in range(3)
    )
    scores = entity_scores(gold, guess, words)
    names = ("precision", "recall", "f1")
    if scores["per_type"]:  # seqeval cannot be asked about no entity at all
        total = precision_recall_fscore_support(gold, guess, average="micro", zero_division=0)
        assert [scores[name] for name in names] == pytest.approx(total[:3])
        parts = precision_recall_fscore_support(gold, guess, average=None, zero_division=0)
        found = [[part[name] for part in scores["per_type"].values()] for name in names]
        assert found == [pytest.approx(part) for part in parts[:3]]
        assert [part["num_entities"] for part in scores["per_type"].values()] == list(parts[3])
    if any(gold):
        assert scores["accuracy"] == pytest.approx(accuracy_score(gold, guess))


def test_ten_thousand_sentences_take_seconds() -> None:
    rng = random.Random(1)
    gold = [rng.choices(TAGS, [30, *[1] * 6], k=20) for _ in range(10_000)]
    guess = [[tag if rng.random() < 0.9 else "O" for tag in tags] for tags in gold]
    words = [rng.choices(WORDS, k=20) for _ in gold]
    start = time.perf_counter()
    scores = entity_scores(gold, guess, words)
    assert time.perf_counter() - start < 30
    assert 0.5 < scores["f1"] < 1
