"""The loss of answers, and the answers that come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from federa.errors import DataError
from federa.models import load_tokenizer
from federa.tasks import Answer, QuestionAnswering
from federa.tasks.questions import EncodedQuestions
from federa.types import take_rows
from gold import by_row, gold_spans, question_table
from tiny import ARCHITECTURES

SMALL = QuestionAnswering(stride=4, max_question_tokens=8, max_answer_tokens=8)
CONTEXT = "the printer is out of paper again please reset my password"
TokenizerOf = Callable[[str], Any]
TABLE = question_table(
    (" the printer ", CONTEXT, [("paper again", 22)]),
    ("the", CONTEXT, [("password", 50), ("the", 0)]),
    ("lost badge", "wifi slow", []),
)


def _answers(task: QuestionAnswering, encoded: EncodedQuestions) -> list[Answer]:
    return task.decode(gold_spans(encoded), encoded, numpy.arange(len(encoded)))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loss_is_that_of_transformers(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    model = SMALL.build_model(tiny_model(architecture), (), 1)
    encoded = SMALL.encode(TABLE, (), load_tokenizer(tiny_model(architecture)), 20)
    batch = SMALL.collate(encoded, range(len(encoded.windows.lengths())))
    with torch.no_grad():
        sums, counts = SMALL.loss(model, batch)
        assert counts.tolist() == [1.0] * len(sums)
        for window, loss in enumerate(sums):  # alone, where nothing is padding
            alone = SMALL.collate(encoded, [window])
            first, last = alone.pop("targets")[0]
            output = model(**alone, start_positions=first[None], end_positions=last[None])
            torch.testing.assert_close(loss, output.loss, atol=1e-5, rtol=1e-5)
        logits = SMALL.predict(model, batch)
    assert (logits.shape[2], logits.dtype) == (2, torch.float32)
    predictions = by_row(encoded.windows, list(logits.numpy()))
    loss = SMALL.score(predictions, encoded, numpy.arange(3))["loss"]
    assert loss == pytest.approx(float(sums.mean()), abs=1e-5)


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
@pytest.mark.parametrize("unanswerable", [False, True])
def test_a_few_questions_are_learned_by_heart(
    tiny_model: Callable[[str], str], architecture: str, unanswerable: bool
) -> None:
    task = QuestionAnswering(stride=8, max_question_tokens=8, unanswerable=unanswerable)
    rows = [0, 1, 2] if unanswerable else [0, 1]
    table = take_rows(TABLE, rows)
    model = task.build_model(tiny_model(architecture), (), 1)  # without dropout
    encoded = task.encode(table, (), load_tokenizer(tiny_model(architecture)), 22)
    windows = list(range(len(encoded.windows.lengths())))
    batch = task.collate(encoded, windows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(80):
        task.loss(model, batch)[0].mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.inference_mode():
        logits = task.predict(model, batch).numpy()
    predictions = by_row(encoded.windows, list(logits))
    scores = task.score(predictions, encoded, numpy.array(rows))
    assert (scores["f1"], scores["exact_match"]) == (1.0, 1.0)
    answers = task.decode(predictions, encoded, numpy.array(rows))
    assert [answer.answer for answer in answers] == ["paper again", "password", ""][: len(rows)]


def test_answers_are_what_stands_in_the_passage(tokenizer_of: TokenizerOf) -> None:
    context = "\U0001f600 cafe\u0301 \u65e5\u672c,\u00a0\U00010348 the end"
    spans = ["\U0001f600", "cafe\u0301", "\u65e5\u672c", "\U00010348", "\U00010348 the end"]
    rows = [("the", context, [(span, context.index(span))]) for span in spans]
    task = QuestionAnswering(stride=8, max_question_tokens=4)
    for architecture in ("roberta", "modernbert"):
        answers = _answers(
            task, task.encode(question_table(*rows), (), tokenizer_of(architecture), 60)
        )
        assert [answer.answer for answer in answers] == spans
        assert [(answer.start, answer.end) for answer in answers] == [
            (context.index(span), context.index(span) + len(span)) for span in spans
        ]


def test_probabilities_and_no_answer_by_hand(tokenizer_of: TokenizerOf) -> None:
    table = question_table(("the", "wifi slow", []), ("the", "", []))
    encoded = SMALL.encode(table, (), tokenizer_of("bert"), 16)
    # [CLS] the [SEP] wifi slow [SEP]; [CLS] the [SEP] [SEP]
    logits = numpy.zeros((6, 2))
    logits[3], logits[4], logits[0] = (2, 0), (0, 1), (1.5, 2)
    predictions, rows = [[logits], [numpy.zeros((4, 2))]], numpy.arange(2)
    weights = numpy.exp([3.0, 2.0, 1.0])  # "wifi slow", "wifi", "slow"
    first, second = SMALL.decode(predictions, encoded, rows)
    assert (first.answer, first.start, first.end) == ("wifi slow", 0, 9)
    assert first.no_answer is None
    assert [span.text for span in first.alternatives] == ["wifi slow", "wifi", "slow"]
    shares = [span.score for span in first.alternatives]
    assert shares == pytest.approx(weights / weights.sum())
    assert first.score == shares[0]
    assert (second.answer, second.start, second.end, second.score) == ("", 0, 0, 0.0)
    # the score of no answer is 3.5, half a point above the best span
    for threshold, answer in ((0.0, ""), (0.4, ""), (0.5, "wifi slow"), (-3.0, "")):
        task = SMALL.model_copy(update={"unanswerable": True, "null_threshold": threshold})
        found, empty = task.decode(predictions, encoded, rows)
        assert found.answer == answer
        assert found.no_answer == pytest.approx(numpy.exp(3.5) / (numpy.exp(3.5) + weights.sum()))
        assert found.score == (found.alternatives[0].score if answer else found.no_answer)
        assert (empty.answer, empty.no_answer) == ("", 1.0)
        scores = task.score(predictions, encoded, rows)
        assert scores["no_answer_accuracy"] == (0.5 if answer else 1.0)
    assert task.baseline(encoded, encoded) == 1.0


def test_no_answer_must_be_likeliest_in_every_window(tokenizer_of: TokenizerOf) -> None:
    task = QuestionAnswering(stride=2, max_question_tokens=6, unanswerable=True)
    encoded = task.encode(take_rows(TABLE, [0]), (), tokenizer_of("bert"), 12)
    first, second = numpy.zeros((12, 2)), numpy.zeros((11, 2))
    second[0] = 50, 50  # of the window without the answer
    first[4], first[0] = (3, 3), (2, 2)
    (answer,) = task.decode([[first, second]], encoded, numpy.arange(1))
    assert answer.answer == "the"
    first[0] = 4, 4
    (answer,) = task.decode([[first, second]], encoded, numpy.arange(1))
    assert answer.answer == ""


def test_what_partitioners_and_scorers_read(tokenizer_of: TokenizerOf, tmp_path: Path) -> None:
    assert SMALL.partition_key(TABLE) is None
    assert SMALL.passage(TABLE) == TABLE["context"]
    assert SMALL.text_for_clusters(TABLE) == [
        "the printer paper again",
        "the password",
        "lost badge",
    ]
    asked = [
        "In which  year?",
        "How many are there",
        "how",
        "Whose is it?",
        "It is a what?",
        "Is it?",
    ]
    assert SMALL.label_profile({"question": asked}) == (
        "question word",
        [["which"], ["how many"], ["how"], ["who"], ["what"], ["other"]],
    )
    task = SMALL.model_copy(update={"unanswerable": True})
    encoded = task.encode(TABLE, (), tokenizer_of("bert"), 16)
    answers = _answers(task, encoded)
    files = {
        path.name: json.loads(path.read_text()) for path in task.write(tmp_path, TABLE, answers)
    }
    assert files["predictions.json"] == {"q0": "paper again", "q1": "password", "q2": ""}
    assert files["nbest.json"]["q2"][0] == {
        "text": "",
        "start": 0,
        "end": 0,
        "probability": answers[2].no_answer,
    }
    for found in files["nbest.json"].values():
        assert sum(span["probability"] for span in found) == pytest.approx(1)
    assert files["na_prob.json"]["q2"] > 0.99
    assert files["na_prob.json"]["q0"] < 0.01
    assert {path.name for path in SMALL.write(tmp_path, TABLE, _answers(SMALL, encoded))} == {
        "predictions.json",
        "nbest.json",
    }


def test_a_question_without_an_answer_needs_the_setting() -> None:
    table = {"id": ["a", "b"], "references": [["room"], []]}
    with pytest.raises(DataError, match=r"^data: question b has no answer; set task\.unanswer"):
        QuestionAnswering().check(table)
    QuestionAnswering(unanswerable=True).check(table)
