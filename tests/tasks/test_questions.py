"""Questions with their passages as windows."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federa.architectures import DEMO_PACKAGE
from federa.errors import ConfigError
from federa.models import load_tokenizer, locate
from federa.tasks import Answer, QuestionAnswering
from federa.tasks.questions import EncodedQuestions, cut_questions
from federa.types import take_rows
from gold import gold_spans, question_table
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


def test_windows_and_targets_by_hand(tokenizer_of: TokenizerOf) -> None:
    encoded = SMALL.encode(TABLE, (), tokenizer_of("bert"), 16)
    # two tokens of question and three special ones leave eleven, the whole passage of the first;
    # [CLS] the printer [SEP] the printer is out of paper again ...
    assert encoded.windows.window_offsets.tolist() == [0, 1, 2, 3]
    assert encoded.targets.tolist() == [[9, 10], [13, 13], [0, 0]]
    assert encoded.nulls.tolist() == [0, 0, 0]
    assert encoded.places_of(2).tolist()[-4:] == [[-1, -1], [0, 4], [5, 9], [-1, -1]]
    assert encoded.questions[0] == " the printer "
    longer = QuestionAnswering(stride=2, max_question_tokens=6, max_answer_tokens=8)
    encoded = longer.encode(TABLE, (), tokenizer_of("bert"), 12)
    # 7 tokens of passage for the first: 0-6, 5-10; 8 for the second: 0-7, 6-10
    assert encoded.windows.window_offsets.tolist() == [0, 2, 4, 5]
    assert encoded.windows.lengths().tolist() == [12, 11, 12, 9, 7]
    # "paper again" is 5-6, whole in both; "password" is the last, "the" the first
    assert encoded.targets.tolist() == [[9, 10], [4, 5], [3, 3], [7, 7], [0, 0]]
    assert encoded.windows.type_ids is not None
    assert encoded.windows.type_ids[:12].tolist() == [0] * 4 + [1] * 8


def test_an_answer_cut_by_a_window_is_none_of_it(tokenizer_of: TokenizerOf) -> None:
    task = QuestionAnswering(stride=1, max_question_tokens=3)
    table = question_table(("the", CONTEXT, [("paper again please", 22)]))
    encoded = task.encode(table, (), tokenizer_of("bert"), 11)
    # seven tokens of passage: 0-6 and 6-10, the answer is 5-7
    assert encoded.targets.tolist() == [[0, 0], [0, 0]]
    table = question_table(("the", CONTEXT, [("paper again please", 22), ("out of", 15)]))
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
    found = [
        encoded.windows.ids[offsets[at] : offsets[at + 1]].tolist()
        for at in range(len(offsets) - 1)
    ]
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
    begin = data.draw(st.integers(0, len(context)))
    end = data.draw(st.integers(begin, len(context)))
    table = question_table((question, context, [(context[begin:end], begin)]))
    tokenizer = tokenizer_of(architecture)
    task = QuestionAnswering(
        stride=data.draw(st.integers(0, room - 1)), max_question_tokens=6, max_answer_tokens=20
    )
    length = 6 + room + int(tokenizer.num_special_tokens_to_add(pair=True))
    encoded = task.encode(table, (), tokenizer, length)
    assert encoded.windows.lengths().max() <= length
    (answer,) = _answers(task, encoded)
    assert answer.answer == context[answer.start : answer.end]
    covered = {
        letter
        for window in range(len(encoded.windows.lengths()))
        for first, last in encoded.places_of(window).tolist()
        for letter in range(first, last)
    }
    offsets = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
    tokens = {at for first, last in offsets["offset_mapping"] for at in range(first, last)}
    letters = {at for at in tokens if not context[at].isspace()}
    assert letters <= covered
    for window, (first, last) in enumerate(encoded.targets.tolist()):
        if (first, last) != (0, 0):
            places = encoded.places_of(window)
            start, stop = int(places[first, 0]), int(places[last, 1])
            assert letters & set(range(begin, end)) <= set(range(start, stop))
            assert places[first, 1] > begin  # one token less would not do
            assert places[last, 0] < end


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
    offsets = encoded.windows.window_offsets
    held = (encoded.targets != encoded.nulls[:, None]).any(axis=1)
    assert all(held[offsets[row] : offsets[row + 1]].any() for row in range(len(encoded)))
    scores = task.score(gold_spans(encoded), encoded, numpy.arange(len(encoded)))
    # the rest is parts of words, such as 8 of 18, and answers of more than thirty tokens
    assert scores["exact_match"] > 0.993
    assert scores["f1"] > 0.995
