"""Answers against hand-worked questions and the official scripts of SQuAD and MRQA."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from federa.metrics.answers import (
    answer_scores,
    exact_match,
    macro_average,
    normalised,
    word_f1,
)
from federa.metrics.prediction_files import write_answers
from metrics import scorers

pieces = st.sampled_from(
    ["The", "a", "an", "Oslo", "oslo", "in", "42", ".", "-", "”", "é", "\u00a0"]
)
texts = st.lists(pieces, max_size=4).map(" ".join)
questions = st.lists(st.tuples(texts, st.lists(texts, max_size=3)), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("The  Cat's\tpyjamas!", "cats pyjamas"),
        ("an apple a day", "apple day"),
        ("theatre, Another", "theatre another"),  # articles are whole words
        ("a-b A.B. the-end", "ab ab theend"),  # punctuation leaves no blank, and goes first
        ("“the” year\u2019s — €5", "“ ” year\u2019s — €5"),  # only ASCII punctuation goes
        ("$5,000 (US)", "5000 us"),
        ("two\u00a0words\u3000here\n", "two words here"),
        ("ÉCOLE", "école"),
        ("the", ""),
        ("...", ""),
        ("A. An, THE", ""),
        ("a's", "as"),
    ],
)
def test_normalised(answer: str, wanted: str) -> None:
    assert normalised(answer) == wanted


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "f1"),
    [
        ("The Norman kings", "norman kings.", 1, 1),
        ("kings", "Norman kings", 0, 2 / 3),  # P = 1, R = 1/2
        ("in the north of France", "north France", 0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
        ("very very good", "very good", 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),  # a word counts once
        ("good very", "very good", 0, 1),
        ("Rollo", "William", 0, 0),
        ("", "William", 0, 0),
        ("the", "an", 1, 0),  # the same, but no word to share
    ],
)
def test_one_answer_by_hand(answer: str, reference: str, exact: float, f1: float) -> None:
    assert exact_match(answer, reference) == exact
    assert word_f1(answer, reference) == pytest.approx(f1)


def test_the_best_reference_counts_for_each_score() -> None:
    references = [["cat", "a red cat", "dog"], ["ten", "nine lives"]]
    scores = answer_scores(["red cat", "nine"], references)
    assert scores == {"f1": pytest.approx((1 + 2 / 3) / 2), "exact_match": 0.5}
    assert answer_scores([], []) == {"f1": 0.0, "exact_match": 0.0}


def test_questions_without_an_answer() -> None:
    answers = ["", "Oslo", "the red cat", "", "the"]
    references: list[list[str]] = [[], [], ["red cat", "cat"], ["dog"], []]
    scores = answer_scores(answers, references)
    # right: the first, the third, and the last, whose answer is empty when normalised
    assert scores == {
        "f1": 3 / 5,
        "exact_match": 3 / 5,
        "has_answer_f1": 1 / 2,
        "has_answer_exact_match": 1 / 2,
        "no_answer_accuracy": 2 / 3,
    }
    # and one whose reference is empty when normalised counts as it does by itself
    mixed = answer_scores(["!", "Oslo"], [["<"], []])
    assert (mixed["has_answer_exact_match"], mixed["has_answer_f1"]) == (1.0, 0.0)
    assert answer_scores([""], [[]]) == {"f1": 1, "exact_match": 1, "no_answer_accuracy": 1}
    part = answer_scores(["cat"], [["red cat"]], unanswerable=True)
    assert part["has_answer_f1"] == pytest.approx(2 / 3)
    assert "no_answer_accuracy" not in part


def test_a_reference_that_is_empty_when_normalised() -> None:
    # it counts in SQuAD 1.1 and MRQA, not in 2.0; for both its question has an answer
    answers, references = ["!", "?"], [["dog", "."], ["<"]]
    assert answer_scores(answers, references) == {"f1": 0.0, "exact_match": 1.0}
    assert answer_scores(answers, references, unanswerable=True) == {
        "f1": 0.5,
        "exact_match": 0.5,
        "has_answer_f1": 0.5,
        "has_answer_exact_match": 0.5,
    }


@given(questions)
@example([("", ["."]), ("the", ["."]), ("x", [".", "x"]), ("", [])])
def test_same_scores_as_the_scripts_read_from_the_files(
    asked: list[tuple[str, list[str]]],
) -> None:
    answers = {f"q{row}": answer for row, (answer, _) in enumerate(asked)}
    references = {f"q{row}": wanted for row, (_, wanted) in enumerate(asked)}
    scores = answer_scores(list(answers.values()), list(references.values()), unanswerable=True)
    with TemporaryDirectory() as name:
        chances = dict.fromkeys(answers, 0.75)
        write_answers(Path(name), answers, dict.fromkeys(answers, ()), chances)
        file, none = Path(name) / "predictions.json", Path(name) / "na_prob.json"
        official = scorers.squad2(file, references, none)
        first = scorers.squad1(file, references) if all(references.values()) else {}
    names = {
        "f1": "f1",
        "exact_match": "exact",
        "has_answer_f1": "HasAns_f1",
        "has_answer_exact_match": "HasAns_exact",
        "no_answer_accuracy": "NoAns_exact",
    }
    found = {names[name]: 100 * value for name, value in scores.items()}
    if "NoAns_exact" in found:
        found["NoAns_f1"] = found["NoAns_exact"]
    assert found == pytest.approx(official)
    if first:
        plain = answer_scores(list(answers.values()), list(references.values()))
        assert {name: 100 * value for name, value in plain.items()} == pytest.approx(first)


def test_macro_average() -> None:
    small = {"f1": 0.2, "exact_match": 0.1}
    large = {"f1": 0.6, "exact_match": 0.5}
    mean = macro_average({"DROP": small, "SQuAD": large})
    assert mean == pytest.approx({"f1": 0.4, "exact_match": 0.3})
    assert macro_average({}) == {}
