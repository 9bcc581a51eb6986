"""Sums that no examples can give are refused, in one line."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from federa.metrics.answers import fault_of_answers
from federa.metrics.classification import fault_of_classification, label_sums
from federa.metrics.entities import fault_of_entities
from federa.metrics.tallies import added_up, common_sums, mean_loss

SOUND: dict[str, dict[str, Any]] = {
    "text": {
        **{"num_examples": 4, "loss_sum": 2.5, "loss_count": 4.0},
        **{"label/a/hits": 1, "label/a/guesses": 2, "label/a/examples": 3},
        **{"label/b/hits": 0, "label/b/guesses": 2, "label/b/examples": 1},
    },
    "token": {
        **{"num_examples": 2, "loss_sum": 2.5, "loss_count": 5, "tags": 6, "tags_correct": 5},
        **{"type/place/hits": 1, "type/place/guesses": 2, "type/place/examples": 1},
        **{"type/thing/hits": 1, "type/thing/guesses": 1, "type/thing/examples": 2},
    },
    "question": {
        **{"num_examples": 3, "loss_sum": 9.5, "loss_count": 4},
        **{"has_answer/examples": 2, "has_answer/f1_sum": 1.5, "has_answer/exact_match_sum": 1},
        **{"no_answer/examples": 1, "no_answer/correct": 1},
    },
}
FAULTS: dict[str, Callable[[object], str | None]] = {
    "text": lambda sums: fault_of_classification(sums, ["a", "b"]),
    "token": lambda sums: fault_of_entities(sums, ["place", "thing"]),
    "question": fault_of_answers,
}
NOT_NUMBERS = ["3", None, True, [1], {}]
NOT_FINITE = [math.nan, math.inf, -math.inf, 10**400, 1e60, -1, -0.5, -1e300]
LIES: list[tuple[str, dict[str, Any], str]] = [
    ("text", {"num_examples": 5}, "'loss_count' is 4; allowed by 'num_examples': 5"),
    ("text", {"loss_count": 3}, "'loss_count' is 3; allowed by 'num_examples': 4"),
    ("text", {"label/a/hits": 3}, "'label/a/hits' is 3; allowed by 'label/a/guesses': at most 2"),
    (
        "text",
        {"label/a/hits": 2, "label/a/examples": 1, "label/b/examples": 3},
        "'label/a/hits' is 2; allowed by 'label/a/examples': at most 1",
    ),
    ("text", {"label/b/examples": 2}, "'label/a/examples' with 1 like it is 5; allowed by 'num_"),
    ("text", {"label/b/guesses": 1}, "'label/a/guesses' with 1 like it is 3; allowed by 'num_"),
    ("text", {"loss_sum": 4.1e39}, "'loss_sum' is 4.1e+39; allowed by 'loss_count': at most 4e+39"),
    ("token", {"loss_count": 7}, "'loss_count' is 7; allowed by 'tags': at most 6"),
    ("token", {"loss_count": 0}, "'loss_sum' is 2.5; allowed by 'loss_count': at most 0"),
    ("token", {"tags_correct": 7}, "'tags_correct' is 7; allowed by 'tags': at most 6"),
    ("token", {"type/thing/hits": 2}, "'type/thing/hits' is 2; allowed by 'type/thing/guesses': a"),
    ("token", {"type/place/hits": 2}, "'type/place/hits' is 2; allowed by 'type/place/examples'"),
    ("token", {"type/thing/guesses": 5}, "'type/place/guesses' with 1 like it is 7; allowed by "),
    ("token", {"type/place/examples": 5}, "'type/place/examples' with 1 like it is 7; allowed by"),
    ("token", {"num_examples": 0}, "'loss_sum' is 2.5, but there are no examples"),
    ("question", {"num_examples": 4}, "'has_answer/examples' with 1 like it is 3; allowed by"),
    ("question", {"loss_count": 2}, "'num_examples' is 3; allowed by 'loss_count': at most 2"),
    ("question", {"has_answer/f1_sum": 2.1}, "'has_answer/f1_sum' is 2.1; allowed by 'has_answer/"),
    ("question", {"has_answer/exact_match_sum": 3}, "'has_answer/exact_match_sum' is 3; allowed"),
    ("question", {"no_answer/correct": 2}, "'no_answer/correct' is 2; allowed by 'no_answer/exam"),
]


@pytest.mark.parametrize(("case", "lie", "wanted"), LIES)
def test_sums_that_contradict_each_other_are_refused(
    case: str, lie: dict[str, Any], wanted: str
) -> None:
    assert FAULTS[case](SOUND[case]) is None
    found = FAULTS[case](SOUND[case] | lie)
    assert found is not None
    assert wanted in found


@pytest.mark.parametrize("case", SOUND)
def test_what_is_no_sum_is_refused(case: str) -> None:
    sound = SOUND[case]
    for name in sound:
        for value in NOT_NUMBERS:
            wrong = FAULTS[case]({**sound, name: value})
            assert wrong == f"sum '{name}' is {value!r}, which is not a number"
        for value in NOT_FINITE:
            wrong = FAULTS[case]({**sound, name: value})
            assert wrong is not None
            assert wrong.startswith(f"sum '{name}' is ")
            assert "allowed: from 0 to" in wrong
        if name not in ("loss_sum", "has_answer/f1_sum"):
            wrong = FAULTS[case]({**sound, name: 0.5})
            assert wrong == f"sum '{name}' is 0.5, which is not a whole number"
        fewer = {other: value for other, value in sound.items() if other != name}
        assert FAULTS[case](fewer) == f"sums lack '{name}' (1 missing, 0 unknown)"
    for other in (None, [], [1], "sums", 3.0):
        assert FAULTS[case](other) == f"sums are {other!r}, not numbers by name"
    assert FAULTS[case]({**sound, 3: 1, None: 1}) == (
        "sums have an unknown 3 (0 missing, 2 unknown)"
    )
    for name in ("surface/the wifi password", "label/\n\x1b[31m", "x" * 10_000, "\ud800"):
        wrong = FAULTS[case]({**sound, name: 1})
        assert wrong is not None
        assert wrong.startswith("sums have an unknown '")
        assert wrong.isprintable()
        assert len(wrong) < 120


def test_a_label_with_a_line_end_makes_no_second_line() -> None:
    labels = ["x\ny", "y"]
    sums = common_sums(0, []) | label_sums([], [], labels)
    assert fault_of_classification(sums, labels) is None
    wrong = fault_of_classification({**sums, "label/x\ny/hits": 1}, labels)
    assert wrong == r"sum 'label/x\ny/hits' is 1, but there are no examples"


def test_adding_up_by_hand() -> None:
    tallies = [common_sums(2, [0.1, 0.2, 0.3]), common_sums(0, []), common_sums(1, [1e17])]
    tallies.append(common_sums(1, [-1e17]))  # so that the order would matter
    sums = added_up(tallies)
    assert sums == {"num_examples": 4.0, "loss_sum": pytest.approx(0.6), "loss_count": 5.0}
    assert mean_loss(sums) == pytest.approx(0.12)
    assert mean_loss(common_sums(0, [])) == 0.0
