"""Words as labelled tokens, and windows of long sentences."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federa.architectures import DEMO_PACKAGE
from federa.errors import ConfigError
from federa.models import load_tokenizer, locate
from federa.tasks import TokenClassification
from federa.tasks.sentences import IGNORED, EncodedSentences
from gold import gold_tags
from tiny import ARCHITECTURES

TASK = TokenClassification()
LABELS = ("O", "B-place", "B-thing", "I-thing")
TABLE = {
    "words": [["the", "printer", "xq", "is"], ["wifi"], []],
    "tags": [["O", "B-thing", "I-thing", "O"], ["B-thing"], []],
}
TokenizerOf = Callable[[str], Any]


def _windows(encoded: EncodedSentences) -> list[slice]:
    offsets = encoded.windows.token_offsets.tolist()
    return [slice(*pair) for pair in pairwise(offsets)]


def test_the_first_piece_of_a_word_has_its_label(tokenizer_of: TokenizerOf) -> None:
    encoded = TASK.encode(TABLE, LABELS, tokenizer_of("bert"), 32)
    # [CLS] the printer x ##q is [SEP]; [CLS] wifi [SEP]; [CLS] [SEP]
    assert encoded.windows.lengths().tolist() == [7, 3, 2]
    no = IGNORED
    assert encoded.labels.tolist() == [no, 0, 2, 3, no, 0, no, no, 2, no, no, no]
    assert encoded.word_numbers.tolist() == [-1, 0, 1, 2, -1, 3, -1, -1, 0, -1, -1, -1]
    assert [encoded.words(row) for row in range(3)] == [tuple(words) for words in TABLE["words"]]
    byte_level = TASK.encode(TABLE, LABELS, tokenizer_of("roberta"), 32)
    # <s> t h e _printer _ x q _is </s>, where _ is a blank: a blank alone is no piece of a word
    assert byte_level.labels[:10].tolist() == [no, 0, no, no, 2, no, 3, no, 0, no]
    pieces = TASK.encode(TABLE, LABELS, tokenizer_of("xlm-roberta"), 32)
    # <s> _the _printer _ x q _is </s>, where the _ alone is said to cover the x
    assert pieces.labels[:8].tolist() == [no, 0, 2, 3, no, no, 0, no]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tokens_are_those_of_the_plain_text(tokenizer_of: TokenizerOf, architecture: str) -> None:
    tokenizer = tokenizer_of(architecture)
    text = "the printer is out of paper again please reset zq my password 42"
    table = {"words": [text.split()]}
    whole = TASK.encode(table, LABELS, tokenizer, 64)
    assert whole.windows.ids.tolist() == tokenizer(text)["input_ids"]
    parts = TokenClassification(stride=3).encode(table, LABELS, tokenizer, 10)
    options = {"truncation": True, "max_length": 10, "stride": 3, "return_overflowing_tokens": True}
    wanted = tokenizer(text, **options)["input_ids"]
    assert len(wanted) > 1
    assert [parts.windows.ids[window].tolist() for window in _windows(parts)] == wanted
    assert (parts.labels == IGNORED).all()  # no tags were given


def test_a_word_counts_where_its_poorer_side_is_richest(tokenizer_of: TokenizerOf) -> None:
    words = ["the", "printer", "is", "out", "of", "paper", "again", "please", "reset", "my"]
    table = {"words": [words], "tags": [["O"] * 10]}
    encoded = TokenClassification(stride=4).encode(table, LABELS, tokenizer_of("bert"), 8)
    # six words a window: 0-5, 2-7, 4-9. Word 3 has two and two before its end in the first, one and
    # four in the second; word 4 has one after it in the first, two before it in the second
    assert encoded.windows.window_offsets.tolist() == [0, 3]
    numbers = [encoded.word_numbers[window] for window in _windows(encoded)]
    assert [found[found >= 0].tolist() for found in numbers] == [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9]]
    assert numbers[1].tolist() == [-1, -1, -1, 4, 5, -1, -1, -1]
    # of equal windows the first: with room for three and steps of one, words 0-2, 1-3, 2-4
    small = TokenClassification(stride=2).encode(
        {"words": [words[:4]], "tags": [["O"] * 4]}, LABELS, tokenizer_of("bert"), 5
    )
    assert small.word_numbers.tolist() == [-1, 0, 1, -1, -1, -1, -1, 2, 3, -1]


def test_a_word_counts_where_it_is_whole(tokenizer_of: TokenizerOf) -> None:
    tokenizer = tokenizer_of("bert")
    table = {"words": [["the", "printer", "is", "zq", "of"]], "tags": [["O"] * 5]}
    encoded = TokenClassification(stride=1).encode(table, LABELS, tokenizer, 6)
    # the printer is z | z ##q of
    assert encoded.word_numbers.tolist() == [-1, 0, 1, 2, -1, -1, -1, 3, -1, 4, -1]
    longer = {"words": [["the", "zqzqzqzq"]], "tags": [["O", "B-thing"]]}
    encoded = TokenClassification(stride=2).encode(longer, LABELS, tokenizer, 6)
    # nowhere whole: the z ##q ##z | ##q ##z ##q | ...
    assert encoded.labels[:6].tolist() == [IGNORED, 0, 2, IGNORED, IGNORED, IGNORED]
    assert (encoded.labels[6:] == IGNORED).all()
    assert TASK.score(gold_tags(encoded), encoded, numpy.arange(1))["f1"] == 1.0


LETTERS = st.sampled_from([*"the printz9.-", "\u00e9", "e\u0301", "\U0001f600", "\u200b", "\u00a0"])
WORD = st.one_of(
    st.sampled_from(["the", "printer", "screen", "", "\u3000", "\ufb01", "\u00bd", "\u65e5\u672c"]),
    st.lists(LETTERS, max_size=9).map("".join),
)


@settings(deadline=None, max_examples=200)
@given(
    architecture=st.sampled_from(ARCHITECTURES),
    words=st.lists(WORD, max_size=14),
    room=st.integers(1, 16),
    data=st.data(),
)
def test_every_word_counts_once(
    tokenizer_of: TokenizerOf, architecture: str, words: list[str], room: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(0, room - 1))
    tokenizer = tokenizer_of(architecture)
    task = TokenClassification(stride=stride)
    table = {"words": [words], "tags": [["B-thing"] * len(words)]}
    encoded = task.encode(table, LABELS, tokenizer, room + 2)
    assert encoded.windows.lengths().max() <= room + 2
    counted = sorted(encoded.word_numbers[encoded.word_numbers >= 0].tolist())
    tokens, length = _tokens_by_hand(tokenizer, words)
    assert counted == sorted(tokens)
    for number, window in enumerate(_windows(encoded)):
        for position, word in enumerate(encoded.word_numbers[window].tolist()):
            if word >= 0:
                place = number, number * (room - stride) + position - 1
                wanted = _window_by_hand(*tokens[word], length, room, stride)
                assert place == (wanted, tokens[word][0])
    answer = task.decode(gold_tags(encoded), encoded, numpy.arange(1))[0]
    assert answer.words == tuple(words)
    assert answer.tags == tuple("B-thing" if word in tokens else "O" for word in range(len(words)))


def _tokens_by_hand(tokenizer: Any, words: list[str]) -> tuple[dict[int, tuple[int, int]], int]:
    """First and last token of each word that has any, letter by letter; how many there are."""
    text = " ".join(words)
    owner = [number for number, word in enumerate(words) for _ in (*word, " ")]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    found: dict[int, tuple[int, int]] = {}
    for position, (begin, end) in enumerate(offsets["offset_mapping"]):
        letters = [at for at in range(begin, end) if not text[at].isspace()]
        if letters:
            word = owner[letters[0]]
            found[word] = (found.get(word, (position,))[0], position)
    return found, len(offsets["input_ids"])


def _window_by_hand(first: int, last: int, length: int, room: int, stride: int) -> int:
    windows = [(0, min(room, length))]
    while windows[-1][1] < length:
        begin = windows[-1][0] + room - stride
        windows.append((begin, min(begin + room, length)))
    holding = [at for at, (begin, end) in enumerate(windows) if begin <= first < end]
    return max(
        holding, key=lambda at: (min(first - windows[at][0], windows[at][1] - 1 - last), -at)
    )


def test_max_length_must_exceed_the_stride(tokenizer_of: TokenizerOf) -> None:
    with pytest.raises(ConfigError, match=r"train\.max_length: 18 leaves 16 .* task\.stride, 16"):
        TASK.encode(TABLE, LABELS, tokenizer_of("bert"), 18)
    assert len(TASK.encode(TABLE, LABELS, tokenizer_of("bert"), 19)) == 3


def test_the_digest_is_of_all_that_training_reads(tokenizer_of: TokenizerOf) -> None:
    def digest(**changes: Any) -> str:
        return TASK.encode({**TABLE, **changes}, LABELS, tokenizer_of("bert"), 32).digest()

    words = [["the", "printer", "xQ", "is"], *TABLE["words"][1:]]  # the same tokens
    tags = [["O", "B-thing", "O", "O"], *TABLE["tags"][1:]]
    assert digest() == digest()
    assert len({digest(), digest(words=words), digest(tags=tags), digest(tags=None)}) == 4


def test_all_of_wnut_2017_can_be_expressed() -> None:
    folder = Path(os.environ.get("FEDERA_DATA", "/nowhere")) / "wnut2017"
    if not folder.is_dir() or importlib.util.find_spec(DEMO_PACKAGE) is None:
        pytest.skip(f"needs wnut2017 below $FEDERA_DATA and the package {DEMO_PACKAGE}")
    from federa.datasets.wnut2017 import Wnut2017

    corpus = Wnut2017(folder=str(folder)).load("token_classification")
    assert corpus.validation is not None
    encoded = TASK.encode(corpus.validation, corpus.labels, load_tokenizer(locate("minilm")), 64)
    words = sum(map(len, corpus.validation["words"]))
    lost = words - int((encoded.word_numbers >= 0).sum())
    assert (words, lost) == (15733, 4)  # words of one control or zero-width character
    assert len(encoded.windows.lengths()) > len(encoded) == 1009
    scores = TASK.score(gold_tags(encoded), encoded, numpy.arange(len(encoded)))
    assert (scores["f1"], scores["surface_f1"]) == (1.0, 1.0)
