"""Sums of sites give the scores of all their rows at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federa.metrics.classification import RELATIONS
from federa.metrics.tallies import added_up
from federa.tasks import QuestionAnswering, TextClassification, TokenClassification
from federa.tasks.text_classification import EncodedTexts
from federa.tasks.windows import Windows
from gold import gold_spans, gold_tags, question_table

TEXT = TextClassification()
RELATION = TextClassification(scores=("relation_macro_f1",))
TOKEN = TokenClassification(stride=3)
QUESTION = QuestionAnswering(stride=2, max_question_tokens=6)
SQUAD2 = QuestionAnswering(stride=2, max_question_tokens=6, unanswerable=True)
SOME_LABELS = ("a", "b", "a/hits", "x\ny")
SOME_RELATIONS = (
    *(f"{name}({ends})" for name in RELATIONS[:3] for ends in ("e1,e2", "e2,e1")),
    "Other",
)
TAGS = ("O", "B-place", "B-thing", "I-thing", "I-odd-type")
LABELS = {TEXT: SOME_LABELS, RELATION: SOME_RELATIONS, TOKEN: TAGS, QUESTION: (), SQUAD2: ()}
EVERY_TASK = pytest.mark.parametrize(
    "task", LABELS, ids=["text", "relations", "token", "question", "unanswerable"]
)
WORDS = ["the", "printer", "zq", "wifi", "password", "\u200b", "a", ".", "Room", "lost"]
TokenizerOf = Callable[[str], Any]


def texts_of(labels: Sequence[int], names: tuple[str, ...]) -> EncodedTexts:
    """Texts of one token each."""
    offsets = numpy.arange(len(labels) + 1)
    return EncodedTexts(
        windows=Windows(numpy.zeros(len(labels), dtype=numpy.int32), offsets, offsets, pad_id=0),
        labels=numpy.array(labels, dtype=numpy.int64),
        label_names=names,
        texts=("",) * len(labels),
    )


def examples(
    task: Any, tokenizer: Any, rng: numpy.random.Generator, number: int
) -> tuple[Any, list[list[numpy.ndarray]]]:
    """Random examples, and what a model that knows a little could say of their windows."""
    labels = LABELS[task]
    if task.name == "text_classification":
        encoded: Any = texts_of(rng.integers(0, len(labels), number).tolist(), labels)
        values = list(rng.normal(size=(number, len(labels))).astype(numpy.float32))
        return encoded, [[2 * value] for value in values]
    rows = [rng.choice(WORDS, size=rng.integers(1, 15)).tolist() for _ in range(number)]
    if task.name == "token_classification":
        table: Any = {"words": rows, "tags": [rng.choice(TAGS, len(row)).tolist() for row in rows]}
        encoded = task.encode(table, labels, tokenizer, 8)
        right = gold_tags(encoded)
    else:
        table = question_table(*[_question(row, rng, task.unanswerable) for row in rows])
        encoded = task.encode(table, labels, tokenizer, 12)
        right = gold_spans(encoded)
    noise = [[rng.normal(size=part.shape) for part in windows] for windows in right]
    shares = rng.uniform(0, 0.3, size=number)
    said = [
        [(share * part + other).astype(numpy.float32) for part, other in zip(*pair, strict=True)]
        for share, *pair in zip(shares, right, noise, strict=True)
    ]
    return encoded, said


def _question(
    words: list[str], rng: numpy.random.Generator, unanswerable: bool
) -> tuple[str, str, list[tuple[str, int]]]:
    context, found = " ".join(words), []
    for _ in range(rng.integers(0 if unanswerable else 1, 3)):
        first = int(rng.integers(len(words)))
        start = len(" ".join([*words[:first], ""]))
        found.append((" ".join(words[first : first + 2]), start))
    return "the lost", context, found


def assert_same(found: Any, wanted: Any) -> None:
    """Equal to 1e-9, in the same order."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for name, value in wanted.items():
            assert_same(found[name], value)
    else:
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def numbers_in(scores: Mapping[str, Any]) -> list[float]:
    """Every score but the loss."""
    found: list[float] = []
    for name, value in scores.items():
        if isinstance(value, dict):
            found += numbers_in(value)
        elif name not in ("loss", "num_entities"):
            found.append(value)
    return found


@EVERY_TASK
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 25), sites=st.integers(1, 5))
def test_sums_of_sites_give_the_scores_of_all_rows(
    tokenizer_of: TokenizerOf, task: Any, seed: int, number: int, sites: int
) -> None:
    rng, labels = numpy.random.default_rng(seed), LABELS[task]
    encoded, said = examples(task, tokenizer_of("bert"), rng, number)
    whole = task.score(said, encoded, numpy.arange(number))
    wanted = {name: value for name, value in whole.items() if not name.startswith("surface_")}
    site_of, tallies = rng.integers(0, sites, size=number), []
    for site in range(sites):  # some hold nothing
        rows = numpy.flatnonzero(site_of == site)
        tally = task.tally([said[row] for row in rows], encoded, rows)
        assert tally["num_examples"] == len(rows)
        assert all(type(value) is float and value >= 0 for value in tally.values())
        tallies.append(json.loads(json.dumps(tally, allow_nan=False)))
        assert task.sound_sums(tallies[-1], labels) is None
    sums = added_up(tallies)
    assert task.sound_sums(sums, labels) is None
    assert_same(task.scores_of(sums, labels), wanted)
    assert added_up(tallies[::-1]) == sums


@EVERY_TASK
def test_no_rows_have_the_same_names_and_score_nothing(
    tokenizer_of: TokenizerOf, task: Any
) -> None:
    labels, rng = LABELS[task], numpy.random.default_rng(1)
    encoded, said = examples(task, tokenizer_of("bert"), rng, 9)
    nothing = task.tally([], encoded, numpy.zeros(0, dtype=numpy.int64))
    assert set(nothing.values()) == {0.0}
    assert list(nothing) == list(task.tally(said, encoded, numpy.arange(9)))
    assert task.sound_sums(nothing, labels) is None
    scores = task.scores_of(nothing, labels)
    assert scores.pop("per_type", {}) == {}
    assert scores[task.main_score] == 0.0
    assert set(scores.values()) == {0.0}


def test_labels_by_hand() -> None:
    names = ("a", "b", "c")
    shares = [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2]]
    windows = [[row] for row in numpy.log(numpy.array(shares))]
    encoded = texts_of([0, 0, 1, 2], names)
    one, two = (
        TEXT.tally([windows[row] for row in rows], encoded, numpy.array(rows))
        for rows in ([0, 2], [1, 3])
    )
    assert one == {
        "num_examples": 2.0,
        "loss_sum": pytest.approx(-numpy.log(0.7 * 0.8)),
        "loss_count": 2.0,
        **{"label/a/hits": 1.0, "label/a/guesses": 1.0, "label/a/examples": 1.0},
        **{"label/b/hits": 1.0, "label/b/guesses": 1.0, "label/b/examples": 1.0},
        **{"label/c/hits": 0.0, "label/c/guesses": 0.0, "label/c/examples": 0.0},
    }
    # a has 1 hit of 2 guesses and 2 examples, b the same with 1 example, c was never guessed; the
    # mean of the sites' own macro-F1, 1 and 0, is another number
    assert TEXT.scores_of(added_up([one, two]), names) == {
        "accuracy": 0.5,
        "macro_f1": pytest.approx((0.5 + 2 / 3 + 0.0) / 3),
        "loss": pytest.approx(-numpy.log([0.7, 0.2, 0.8, 0.2]).mean()),
    }


def test_relations_by_hand() -> None:
    names = ("Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)", "Message-Topic(e1,e2)", "Other")
    truth, guess = [0, 1, 1, 3, 3], [0, 0, 1, 2, 3]
    windows = [[row] for row in numpy.eye(4)[guess]]
    encoded = texts_of(truth, names)
    tallies = [RELATION.tally(windows[:1], encoded, numpy.arange(1))]
    tallies += [RELATION.tally(windows[1:], encoded, numpy.arange(1, 5))]
    # Cause-Effect: 2 hits, 3 guesses, one of them the wrong way round, 3 examples; Message-Topic
    # does not occur in the truth. The first site alone has 1, the second 1/2.
    scores = [RELATION.scores_of(sums, names)["relation_macro_f1"] for sums in tallies]
    assert scores == [1.0, 0.5]
    both = added_up(tallies)
    assert RELATION.scores_of(both, names)["relation_macro_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert "relation_macro_f1" not in TEXT.scores_of(both, names)
    assert TEXT.scores_of(both, names)["accuracy"] == 3 / 5


def test_entities_by_hand(tokenizer_of: TokenizerOf) -> None:
    table = {
        "words": [["the", "printer", "wifi"], ["wifi"], ["lost", "\u200b"]],
        "tags": [["O", "B-thing", "I-thing"], ["B-place"], ["B-thing", "O"]],
    }
    encoded = TOKEN.encode(table, TAGS, tokenizer_of("bert"), 32)
    said = gold_tags(encoded)
    said[1][0][1] = numpy.array([0, 0, 10, 0, 0])  # wifi is a thing, and not a place
    one = TOKEN.tally(said[:1], encoded, numpy.arange(1))
    two = TOKEN.tally(said[1:], encoded, numpy.arange(1, 3))
    right, wrong = numpy.log(1 + 4 * numpy.exp(-10)), 10 + numpy.log(1 + 4 * numpy.exp(-10))
    assert two == {
        "num_examples": 2.0,
        "loss_sum": pytest.approx(wrong + right),
        "loss_count": 2.0,  # one of the three words has no token
        "tags": 3.0,
        "tags_correct": 2.0,
        **{"type/odd-type/hits": 0.0, "type/odd-type/guesses": 0.0, "type/odd-type/examples": 0.0},
        **{"type/place/hits": 0.0, "type/place/guesses": 0.0, "type/place/examples": 1.0},
        **{"type/thing/hits": 1.0, "type/thing/guesses": 2.0, "type/thing/examples": 1.0},
    }
    # of three entities two are found, by three guesses
    assert TOKEN.scores_of(added_up([one, two]), TAGS) == {
        "precision": 2 / 3,
        "recall": 2 / 3,
        "f1": pytest.approx(2 / 3),
        "per_type": {
            "place": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "num_entities": 1},
            "thing": {"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "num_entities": 2},
        },
        "accuracy": 5 / 6,
        "loss": pytest.approx((4 * right + wrong) / 5),
    }


def test_answers_by_hand(tokenizer_of: TokenizerOf) -> None:
    table = question_table(
        ("the", "lost wifi password", [("wifi password", 5)]),
        ("the", "lost wifi", [("wifi", 5)]),
        ("the", "lost wifi", []),
        ("the", "lost", []),
    )
    encoded = SQUAD2.encode(table, (), tokenizer_of("bert"), 32)
    said = gold_spans(encoded)
    place = int(encoded.targets[0, 0])
    said[0][0][:] = 0
    said[0][0][place, :] = 10  # "wifi" alone: F1 of 2/3
    first = int(encoded.targets[1, 0])
    said[2][0][:] = 0
    said[2][0][first, :] = 10  # "wifi", where there is no answer
    tallies = [
        SQUAD2.tally([said[row] for row in rows], encoded, numpy.array(rows))
        for rows in ([2, 0], [3], [1])
    ]
    sums = added_up(tallies)
    loss, count = sums.pop("loss_sum"), sums.pop("loss_count")
    assert count == len(encoded.windows.lengths())
    assert sums == {
        "num_examples": 4.0,
        "has_answer/examples": 2.0,
        "has_answer/f1_sum": pytest.approx(2 / 3 + 1),
        "has_answer/exact_match_sum": 1.0,
        "no_answer/examples": 2.0,
        "no_answer/correct": 1.0,
    }
    sums |= {"loss_sum": loss, "loss_count": count}
    f1 = pytest.approx((2 / 3 + 1 + 1) / 4)
    apart = {"has_answer_f1": pytest.approx(5 / 6), "has_answer_exact_match": 0.5}
    scores = {"f1": f1, "exact_match": 0.5, **apart, "no_answer_accuracy": 0.5}
    assert SQUAD2.scores_of(sums, ()) == {**scores, "loss": pytest.approx(loss / count)}
    answered = tallies[2]
    assert set(SQUAD2.scores_of(answered, ())) == {"f1", "exact_match", "loss", *apart}
    assert set(QUESTION.scores_of(answered, ())) == {"f1", "exact_match", "loss"}


@EVERY_TASK
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_sums_that_pass_give_scores_between_nothing_and_all(
    tokenizer_of: TokenizerOf, task: Any, data: st.DataObject
) -> None:
    rng, labels = numpy.random.default_rng(3), LABELS[task]
    encoded, said = examples(task, tokenizer_of("bert"), rng, 8)
    sums: dict[str, Any] = task.tally(said, encoded, numpy.arange(8))
    value = st.one_of(
        st.integers(0, 12), st.floats(), st.integers(), st.sampled_from([2**53, 5e-324, 1e54])
    )
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(sums)), value, max_size=3))
    sums |= changed
    if task.sound_sums(sums, labels) is None:
        both = added_up([sums, task.tally(said, encoded, numpy.arange(8))])
        for total in (sums, both):
            scores = task.scores_of(total, labels)
            assert all(0 <= score <= 1 for score in numbers_in(scores))
            assert math.isfinite(scores["loss"])
