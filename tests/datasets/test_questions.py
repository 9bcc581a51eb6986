"""Answers in each of the forms that a cell may have."""

from __future__ import annotations

from typing import Any

import pytest

from federa.datasets.questions import answers_of, span
from federa.errors import DataError

CONTEXT = "\U0001f602 Ada met Bo; Ada wrote."
ADA = {"text": "Ada", "start": 2}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"text": ["Ada", "Bo"], "answer_start": [14, 10]}, [("Ada", 14), ("Bo", 10)]),
        ({"text": [], "answer_start": []}, []),
        ([{"text": "Ada", "start": 14}], [("Ada", 14)]),
        (
            [{"text": "Ada", "answer_start": 2}, {"text": "Bo", "start": 10}],
            [("Ada", 2), ("Bo", 10)],
        ),
        ("Ada", [("Ada", 2)]),  # where it stands first
        (["Bo", "Ada"], [("Bo", 10), ("Ada", 2)]),
        (" met ", [(" met ", 5)]),
        (None, []),
        ("", []),
        ([], []),
    ],
)
def test_forms_of_answers(given: Any, expected: list[tuple[str, int]]) -> None:
    assert answers_of("f", CONTEXT, given) == [
        {"text": text, "start": start} for text, start in expected
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ada", "f: the answer 'ada' does not occur in the context"),
        (["Ada", ""], "f: the answer '' does not occur in the context"),
        (
            [{"text": "Ada", "start": 3}],
            "f: the answer 'Ada' does not start at character 3, where ",
        ),
        ([{"text": "Ada", "start": True}], "f: the answer is {'start': True, 'text': 'Ada'}; exp"),
        ([{"text": "Ada", "start": 2.0}], "f: the answer is {'start': 2.0, 'text': 'Ada'}; expec"),
        ([{"start": 2}], "f: the answer is {'start': 2}; expected"),
        ([7], "f: the answer is 7; expected"),
        (7, "f: the answers are 7; expected"),
        ({"text": ["Ada"], "answer_start": []}, "f: the answers are {"),
        ({"text": "Ada", "answer_start": 2}, "f: the answers are {"),
        ({"answer": "Ada"}, "f: the answers are {"),
    ],
)
def test_what_is_no_answer_is_refused(given: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        answers_of("f", CONTEXT, given)
    assert str(caught.value).startswith(message)


def test_a_span_counts_characters() -> None:
    assert span("f", CONTEXT, "Ada", 2) == ADA
    assert span("f", CONTEXT, CONTEXT, 0) == {"text": CONTEXT, "start": 0}
    for text, start in (("Ada", 5), ("Ada", -1), ("", 2), (CONTEXT + "x", 0)):
        with pytest.raises(DataError):
            span("f", CONTEXT, text, start)
