"""Questions with their passages as windows, the loss, and the answers that come back."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from federa.architectures import DEMO_PACKAGE
from federa.errors import ConfigError
from federa.models import load_tokenizer, locate
from federa.tasks import Answer, QuestionAnswering
from federa.tasks.questions import EncodedQuestions, cut_questions
from federa.types import Table, take_rows
from tiny import ARCHITECTURES

SMALL = QuestionAnswering(stride=4, max_question_tokens=8, max_answer_tokens=8)
CONTEXT = "the printer is out of paper again please reset my password"
TokenizerOf = Callable[[str], Any]


def _table(*rows: tuple[str, str, list[tuple[str, int]]]) -> Table:
    answers = [[{"text": text, "start": start} for text, start in row[2]] for row in rows]
    return {
        "id": [f"q{number}" for number in range(len(rows))],
        "question": [row[0] for row in rows],
        "context": [row[1] for row in rows],
        "answers": answers,
        "references": [[answer["text"] for answer in found] for found in answers],
    }


TABLE = _table(
    (" the printer ", CONTEXT, [("paper again", 22)]),
    ("the", CONTEXT, [("password", 50), ("the", 0)]),
    ("lost badge", "wifi slow", []),
)


@pytest.fixture(scope="module")
def tokenizer_of(tiny_model: Callable[[str], str]) -> TokenizerOf:
    """The tokenizer of an architecture, read once."""
    return lru_cache(lambda name: load_tokenizer(tiny_model(name)))


def _gold(encoded: EncodedQuestions) -> list[list[numpy.ndarray]]:
    """Logits that say the targets of each window."""
    windows = []
    for length, (first, last) in zip(encoded.lengths(), encoded.targets, strict=True):
        logits = numpy.zeros((length, 2), dtype=numpy.float32)
        logits[first, 0] = logits[last, 1] = 10
        windows.append(logits)
    offsets = encoded.window_offsets
    return [windows[offsets[row] : offsets[row + 1]] for row in range(len(encoded))]


def _answers(task: QuestionAnswering, encoded: EncodedQuestions) -> list[Answer]:
    return task.decode(_gold(encoded), encoded, numpy.arange(len(encoded)))


def test_windows_and_targets_by_hand(tokenizer_of: TokenizerOf) -> None:
    encoded = SMALL.encode(TABLE, (), tokenizer_of("bert"), 16)
    # two tokens of question and three special ones leave eleven, the whole passage of the first;
    # [CLS] the printer [SEP] the printer is out of paper again ...
    assert encoded.window_offsets.tolist() == [0, 1, 2, 3]
    assert encoded.targets.tolist() == [[9, 10], [13, 13], [0, 0]]
    assert encoded.nulls.tolist() == [0, 0, 0]
    assert encoded.places_of(2).tolist()[-4:] == [[-1, -1], [0, 4], [5, 9], [-1, -1]]
    assert encoded.questions[0] == " the printer "
    longer = QuestionAnswering(stride=2, max_question_tokens=6, max_answer_tokens=8)
    encoded = longer.encode(TABLE, (), tokenizer_of("bert"), 12)
    # 7 tokens of passage for the first: 0-6, 5-10; 8 for the second: 0-7, 6-10
    assert encoded.window_offsets.tolist() == [0, 2, 4, 5]
    assert encoded.lengths().tolist() == [12, 11, 12, 9, 7]
    # "paper again" is 5-6, whole in both; "password" is the last, "the" the first
    assert encoded.targets.tolist() == [[9, 10], [4, 5], [3, 3], [7, 7], [0, 0]]
    assert encoded.windows.type_ids is not None
    assert encoded.windows.type_ids[:12].tolist() == [0] * 4 + [1] * 8


def test_an_answer_cut_by_a_window_is_none_of_it(tokenizer_of: TokenizerOf) -> None:
    task = QuestionAnswering(stride=1, max_question_tokens=3)
    table = _table(("the", CONTEXT, [("paper again please", 22)]))
    encoded = task.encode(table, (), tokenizer_of("bert"), 11)
    # seven tokens of passage: 0-6 and 6-10, the answer is 5-7
    assert encoded.targets.tolist() == [[0, 0], [0, 0]]
    table = _table(("the", CONTEXT, [("paper again please", 22), ("out of", 15)]))
    encoded = task.encode(table, (), tokenizer_of("bert"), 11)
    assert encoded.targets.tolist() == [[6, 7], [0, 0]]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_windows_are_those_of_the_tokenizer(tokenizer_of: TokenizerOf, architecture: str) -> None:
    tokenizer = tokenizer_of(architecture)
    encoded = SMALL.encode(TABLE, (), tokenizer, 20)
    questions = [question.strip() for question in TABLE["question"]]
    options = {"truncation": "only_second", "max_length": 20, "stride": 4}
    wanted = tokenizer(questions, TABLE["context"], return_overflowing_tokens=True, **options)
    offsets = encoded.windows.token_offsets
    found = [encoded.ids[offsets[at] : offsets[at + 1]].tolist() for at in range(len(offsets) - 1)]
    assert found == wanted["input_ids"]
    batch = SMALL.collate(encoded, [1, 0])
    segments = "token_type_ids" in tokenizer.model_input_names
    assert ("token_type_ids" in batch) == segments
    if segments:
        assert encoded.windows.type_ids is not None
        assert encoded.windows.type_ids.tolist() == list(chain(*wanted["token_type_ids"]))
    assert batch["targets"].tolist() == encoded.targets[[1, 0]].tolist()
    assert [answer.answer for answer in _answers(SMALL, encoded)][:2] == ["paper again", "password"]


LETTERS = st.sampled_from(
    [*"the printz9.,-  ", "\u00e9", "e\u0301", "\U0001f600", "\u200b", "\u00a0", "\ufb01", "\u65e5"]
)


@settings(deadline=None, max_examples=200)
@given(
    architecture=st.sampled_from(ARCHITECTURES),
    question=st.lists(LETTERS, max_size=12).map("".join),
    context=st.lists(LETTERS, max_size=30).map("".join),
    room=st.integers(1, 20),
    data=st.data(),
)
def test_answers_in_whole_tokens_come_back(
    tokenizer_of: TokenizerOf,
    architecture: str,
    question: str,
    context: str,
    room: int,
    data: st.DataObject,
) -> None:
    assume(question.strip() or context)  # the tiny ModernBERT puts nothing around pairs
    begin = data.draw(st.integers(0, len(context)))
    end = data.draw(st.integers(begin, len(context)))
    table = _table((question, context, [(context[begin:end], begin)]))
    tokenizer = tokenizer_of(architecture)
    task = QuestionAnswering(
        stride=data.draw(st.integers(0, room - 1)), max_question_tokens=6, max_answer_tokens=20
    )
    length = 6 + room + int(tokenizer.num_special_tokens_to_add(pair=True))
    encoded = task.encode(table, (), tokenizer, length)
    assert encoded.lengths().max() <= length
    (answer,) = _answers(task, encoded)
    assert answer.answer == context[answer.start : answer.end]
    covered = {
        letter
        for window in range(len(encoded.lengths()))
        for first, last in encoded.places_of(window).tolist()
        for letter in range(first, last)
    }
    offsets = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
    letters = {at for first, last in offsets["offset_mapping"] for at in range(first, last)}
    assert {at for at in letters if not context[at].isspace()} <= covered | _blank(context)
    wanted = context[begin:end].strip()
    for window, (first, last) in enumerate(encoded.targets.tolist()):
        if (first, last) != (0, 0):
            places = encoded.places_of(window)
            start, stop = int(places[first, 0]), int(places[last, 1])
            assert wanted in context[start:stop]
            # one token less would not do
            assert places[first, 1] > begin
            assert places[last, 0] < end
            assert stop - start < len(wanted) + places[first, 1] - start + stop - places[last, 0]


def _blank(context: str) -> set[int]:
    return {at for at, letter in enumerate(context) if letter.isspace()}


def test_a_question_is_cut_to_its_tokens(tokenizer_of: TokenizerOf) -> None:
    for architecture in ARCHITECTURES:
        tokenizer = tokenizer_of(architecture)
        questions = ["the printer", "  zqzqzqzqzqzq  ", "the \U0001f600\U0001f600\U0001f600", ""]
        cut = cut_questions(questions, tokenizer, 4)
        for question, text in zip(questions, cut, strict=True):
            assert question.strip().startswith(text)
            assert len(tokenizer(text, add_special_tokens=False)["input_ids"]) <= 4
    assert cut_questions(questions, tokenizer_of("bert"), 4)[:2] == ["the printer", "zqzq"]


def test_max_length_must_leave_room_for_any_question(tokenizer_of: TokenizerOf) -> None:
    wanted = (
        r"train\.max_length: 15 leaves 4 .* task\.max_question_tokens, 8, .* 3 .* task\.stride, 4"
    )
    with pytest.raises(ConfigError, match=wanted):
        SMALL.encode(TABLE, (), tokenizer_of("bert"), 15)
    with pytest.raises(ConfigError, match=r"leaves 0 tokens"):
        SMALL.encode(TABLE, (), tokenizer_of("bert"), 5)
    assert len(SMALL.encode(TABLE, (), tokenizer_of("bert"), 16)) == 3
    assert len(QuestionAnswering().encode(TABLE, (), tokenizer_of("roberta"), 128)) == 3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loss_is_that_of_transformers(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    model = SMALL.build_model(tiny_model(architecture), (), 1)
    encoded = SMALL.encode(TABLE, (), load_tokenizer(tiny_model(architecture)), 20)
    batch = SMALL.collate(encoded, range(len(encoded.lengths())))
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
    offsets = encoded.window_offsets
    trimmed = [logits[at, :length].numpy() for at, length in enumerate(encoded.lengths().tolist())]
    predictions = [trimmed[offsets[row] : offsets[row + 1]] for row in range(3)]
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
    model = task.build_model(tiny_model(architecture), (), 1).train()
    encoded = task.encode(table, (), load_tokenizer(tiny_model(architecture)), 22)
    windows = list(range(len(encoded.lengths())))
    batch = task.collate(encoded, windows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(80):
        task.loss(model, batch)[0].mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.inference_mode():
        logits = task.predict(model.eval(), batch).numpy()
    trimmed = [logits[window, : encoded.lengths()[window]] for window in windows]
    offsets = encoded.window_offsets
    predictions = [trimmed[offsets[row] : offsets[row + 1]] for row in rows]
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
        answers = _answers(task, task.encode(_table(*rows), (), tokenizer_of(architecture), 60))
        assert [answer.answer for answer in answers] == spans
        assert [(answer.start, answer.end) for answer in answers] == [
            (context.index(span), context.index(span) + len(span)) for span in spans
        ]


def test_probabilities_and_no_answer_by_hand(tokenizer_of: TokenizerOf) -> None:
    table = _table(("the", "wifi slow", []), ("the", "", []))
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


def test_new_questions_need_no_answers(tokenizer_of: TokenizerOf) -> None:
    table = {"question": ["the", "is"], "context": [CONTEXT, ""]}
    encoded = SMALL.encode(table, (), tokenizer_of("deberta-v2"), 20)
    assert encoded.references is None
    assert (encoded.targets == encoded.nulls[:, None]).all()
    answers = _answers(SMALL, encoded)
    assert [answer.id for answer in answers] == ["0", "1"]
    assert answers[0].answer == CONTEXT[answers[0].start : answers[0].end]
    assert answers[1].answer == ""
    nothing = SMALL.encode({"question": [], "context": []}, (), tokenizer_of("bert"), 20)
    assert (len(nothing), nothing.targets.shape, nothing.places.shape) == (0, (0, 2), (0, 2))


def test_the_digest_is_of_all_that_training_reads(tokenizer_of: TokenizerOf) -> None:
    def digest(**changes: Any) -> str:
        return SMALL.encode({**TABLE, **changes}, (), tokenizer_of("bert"), 20).digest()

    question = ["The printer", *TABLE["question"][1:]]  # the same tokens
    answers = [[{"text": "out", "start": 15}], *TABLE["answers"][1:]]
    references = [["paper"], *TABLE["references"][1:]]
    changed = [{"question": question}, {"answers": answers}, {"references": references}]
    assert digest() == digest()
    assert len({digest(), *(digest(**change) for change in changed)}) == 4


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


def test_squad_as_far_as_it_can_be_expressed() -> None:
    folder = Path(os.environ.get("FEDERA_DATA", "/nowhere")) / "squad_v1"
    if not folder.is_dir() or importlib.util.find_spec(DEMO_PACKAGE) is None:
        pytest.skip(f"needs squad_v1 below $FEDERA_DATA and the package {DEMO_PACKAGE}")
    from federa.datasets.squad import Squad

    dev = Squad(folder=str(folder)).load("question_answering").validation
    assert dev is not None
    table = take_rows(dev, range(0, len(dev["id"]), 5))
    task = QuestionAnswering(stride=64)
    encoded = task.encode(table, (), load_tokenizer(locate("minilm")), 192)
    offsets = encoded.window_offsets
    held = (encoded.targets != encoded.nulls[:, None]).any(axis=1)
    assert all(held[offsets[row] : offsets[row + 1]].any() for row in range(len(encoded)))
    scores = task.score(_gold(encoded), encoded, numpy.arange(len(encoded)))
    # the rest is parts of words, such as 8 of 18, and answers of more than thirty tokens
    assert scores["exact_match"] > 0.993
    assert scores["f1"] > 0.995
