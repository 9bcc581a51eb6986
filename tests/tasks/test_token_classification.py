"""Words as labelled tokens, windows of long sentences, the loss, and what comes back."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from federa.architectures import DEMO_PACKAGE
from federa.errors import ConfigError
from federa.models import load_tokenizer, locate
from federa.tasks import Entity, TokenClassification
from federa.tasks.sentences import IGNORED, EncodedSentences
from tiny import ARCHITECTURES

TASK = TokenClassification()
LABELS = ("O", "B-place", "B-thing", "I-thing")
TABLE = {
    "words": [["the", "printer", "xq", "is"], ["wifi"], []],
    "tags": [["O", "B-thing", "I-thing", "O"], ["B-thing"], []],
}
TokenizerOf = Callable[[str], Any]


@pytest.fixture(scope="module")
def tokenizer_of(tiny_model: Callable[[str], str]) -> TokenizerOf:
    """The tokenizer of an architecture, read once."""
    return lru_cache(lambda name: load_tokenizer(tiny_model(name)))


def _windows(encoded: EncodedSentences) -> list[slice]:
    offsets = encoded.windows.token_offsets.tolist()
    return [slice(*pair) for pair in pairwise(offsets)]


def _gold(encoded: EncodedSentences) -> list[list[numpy.ndarray]]:
    """Logits that say the label of each labelled token."""
    number = len(encoded.label_names)
    found = []
    for labels in (encoded.labels[window] for window in _windows(encoded)):
        logits = numpy.zeros((len(labels), number), dtype=numpy.float32)
        here = numpy.flatnonzero(labels >= 0)
        logits[here, labels[here]] = 10
        found.append(logits)
    offsets = encoded.window_offsets
    return [found[offsets[row] : offsets[row + 1]] for row in range(len(encoded))]


def test_the_first_piece_of_a_word_has_its_label(tokenizer_of: TokenizerOf) -> None:
    encoded = TASK.encode(TABLE, LABELS, tokenizer_of("bert"), 32)
    # [CLS] the printer x ##q is [SEP]; [CLS] wifi [SEP]; [CLS] [SEP]
    assert encoded.lengths().tolist() == [7, 3, 2]
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
    assert whole.ids.tolist() == tokenizer(text)["input_ids"]
    parts = TokenClassification(stride=3).encode(table, LABELS, tokenizer, 10)
    options = {"truncation": True, "max_length": 10, "stride": 3, "return_overflowing_tokens": True}
    wanted = tokenizer(text, **options)["input_ids"]
    assert len(wanted) > 1
    assert [parts.ids[window].tolist() for window in _windows(parts)] == wanted
    assert (parts.labels == IGNORED).all()  # no tags were given


def test_a_word_counts_where_its_poorer_side_is_richest(tokenizer_of: TokenizerOf) -> None:
    words = ["the", "printer", "is", "out", "of", "paper", "again", "please", "reset", "my"]
    table = {"words": [words], "tags": [["O"] * 10]}
    encoded = TokenClassification(stride=4).encode(table, LABELS, tokenizer_of("bert"), 8)
    # six words a window: 0-5, 2-7, 4-9. Word 3 has two and two before its end in the first, one and
    # four in the second; word 4 has one after it in the first, two before it in the second
    assert encoded.window_offsets.tolist() == [0, 3]
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
    assert TASK.score(_gold(encoded), encoded, numpy.arange(1))["f1"] == 1.0


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
    assert encoded.lengths().max() <= room + 2
    counted = sorted(encoded.word_numbers[encoded.word_numbers >= 0].tolist())
    tokens, length = _tokens_by_hand(tokenizer, words)
    assert counted == sorted(tokens)
    for number, window in enumerate(_windows(encoded)):
        for position, word in enumerate(encoded.word_numbers[window].tolist()):
            if word >= 0:
                place = number, number * (room - stride) + position - 1
                wanted = _window_by_hand(*tokens[word], length, room, stride)
                assert place == (wanted, tokens[word][0])
    answer = task.decode(_gold(encoded), encoded, numpy.arange(1))[0]
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


def test_a_word_without_a_token_is_o_and_counts(tokenizer_of: TokenizerOf) -> None:
    table = {"words": [["wifi", "\u200b", "slow"]], "tags": [["B-thing", "I-thing", "O"]]}
    encoded = TASK.encode(table, LABELS, tokenizer_of("bert"), 32)
    assert encoded.word_numbers.tolist() == [-1, 0, 2, -1]
    scores = TASK.score(_gold(encoded), encoded, numpy.arange(1))
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["f1"] == 0.0  # the entity is two words
    # the two words with a token have logits 10 against three zeros
    assert scores["loss"] == pytest.approx(numpy.log(1 + 3 * numpy.exp(-10)))
    assert TASK.decode(_gold(encoded), encoded, numpy.arange(1))[0].tags == ("B-thing", "O", "O")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loss_is_that_of_transformers(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    model = TASK.build_model(tiny_model(architecture), LABELS, 1)
    tokenizer = load_tokenizer(tiny_model(architecture))
    encoded = TASK.encode(TABLE, LABELS, tokenizer, 32)
    batch = TASK.collate(encoded, [0, 1, 2])
    with torch.no_grad():
        sums, counts = TASK.loss(model, batch)
        assert counts.tolist() == [4.0, 1.0, 0.0]
        torch.testing.assert_close(sums.sum() / counts.sum(), model(**batch).loss)
        alone, _ = TASK.loss(model, TASK.collate(encoded, [1]))
        torch.testing.assert_close(sums[1:2], alone, atol=1e-5, rtol=1e-5)
        logits = TASK.predict(model, batch)
    assert (logits.shape[0], logits.shape[2], logits.dtype) == (3, 4, torch.float32)
    rows, lengths = numpy.arange(3), encoded.lengths()
    predictions = [[logits[row, : lengths[row]].numpy()] for row in rows]
    loss = TASK.score(predictions, encoded, rows)["loss"]
    assert loss == pytest.approx(float(sums.sum() / counts.sum()), abs=1e-6)


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_a_few_sentences_are_learned_by_heart(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    table = {
        "words": [
            ["please", "reset", "my", "new", "wifi", "password", "in", "room", "4", "again"],
            ["the", "mail", "server", "of", "room", "9", "is", "slow"],
            ["lost", "badge", "phone"],
        ],
        "tags": [
            ["O", "O", "O", "B-thing", "I-thing", "I-thing", "O", "B-place", "I-thing", "O"],
            ["O", "B-thing", "I-thing", "O", "B-place", "B-place", "O", "O"],
            ["O", "B-thing", "B-thing"],
        ],
    }
    task = TokenClassification(stride=4)
    model = task.build_model(tiny_model(architecture), LABELS, 1).train()
    encoded = task.encode(table, LABELS, load_tokenizer(tiny_model(architecture)), 10)
    windows = list(range(len(encoded.lengths())))
    assert len(windows) > len(encoded)
    batch = task.collate(encoded, windows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(80):
        sums, counts = task.loss(model, batch)
        (sums.sum() / counts.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.inference_mode():
        logits = task.predict(model.eval(), batch).numpy()
    trimmed = [logits[window, : encoded.lengths()[window]] for window in windows]
    offsets = encoded.window_offsets
    predictions = [trimmed[offsets[row] : offsets[row + 1]] for row in range(3)]
    assert task.score(predictions, encoded, numpy.arange(3))["f1"] == 1.0
    first = task.decode(predictions, encoded, numpy.arange(3))[0]
    assert first.tags == tuple(table["tags"][0])
    found = [(entity.type, entity.text) for entity in first.entities]
    assert found == [("thing", "new wifi password"), ("place", "room"), ("thing", "4")]


def test_entities_are_what_stands_in_the_text(tokenizer_of: TokenizerOf) -> None:
    text = "\U0001f600 cafe\u0301,  printer\tscreen!"
    encoded = TASK.encode({"text": [text]}, LABELS, tokenizer_of("roberta"), 64)
    assert encoded.words(0) == ("\U0001f600", "cafe\u0301", ",", "printer", "screen", "!")
    logits = numpy.zeros((len(encoded.ids), 4))
    for word, (label, share) in {1: (1, 0.7), 3: (3, 0.9), 4: (3, 0.6)}.items():
        (position,) = numpy.flatnonzero(encoded.word_numbers == word)
        logits[position] = numpy.log((1 - share) / 3)
        logits[position, label] = numpy.log(share)
    (answer,) = TASK.decode([[logits]], encoded, numpy.arange(1))
    assert answer.tags == ("O", "B-place", "O", "I-thing", "I-thing", "O")
    # a first I- begins an entity, as conlleval has it; 0.75 is the mean of 0.9 and 0.6
    assert answer.entities == (
        Entity("place", "cafe\u0301", 2, 7, pytest.approx(0.7)),
        Entity("thing", "printer\tscreen", 10, 24, pytest.approx(0.75)),
    )
    assert (answer.text, text[10:24]) == (text, "printer\tscreen")


def test_rows_are_scored_in_any_order(tokenizer_of: TokenizerOf) -> None:
    encoded = TASK.encode(TABLE, LABELS, tokenizer_of("bert"), 32)
    gold = _gold(encoded)
    wrong = numpy.zeros_like(gold[1][0])  # all O
    scores = TASK.score([[wrong], gold[0]], encoded, numpy.array([1, 0]))
    # one of two entities, nothing wrong beside it
    assert (scores["precision"], scores["recall"]) == (1.0, 0.5)
    assert scores["accuracy"] == 0.8
    assert scores["surface_f1"] == pytest.approx(2 / 3)
    assert set(TASK.shown_scores) <= set(scores)
    nothing = TASK.score([], encoded, numpy.zeros(0, dtype=int))
    assert (nothing["f1"], nothing["loss"]) == (0.0, 0.0)
    all_o = [[numpy.zeros_like(part) for part in windows] for windows in gold]
    assert TASK.baseline(encoded, encoded) == TASK.score(all_o, encoded, numpy.arange(3))["f1"]


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


def test_no_rows_at_all(tokenizer_of: TokenizerOf) -> None:
    encoded = TASK.encode({"words": []}, LABELS, tokenizer_of("bert"), 32)
    assert (len(encoded), len(encoded.ids), encoded.window_offsets.tolist()) == (0, 0, [0])
    assert TASK.decode([], encoded, numpy.zeros(0, dtype=int)) == []


def test_what_partitioners_and_scorers_read(tokenizer_of: TokenizerOf, tmp_path: Path) -> None:
    assert TASK.partition_key(TABLE) is None
    assert TASK.passage(TABLE) is None
    assert TASK.text_for_clusters(TABLE) == ["the printer xq is", "wifi", ""]
    tags = [["B-b", "B-a", "I-a", "B-b"], ["O"]]
    assert TASK.label_profile({"tags": tags}) == ("entity type", [["b", "a"], ["none"]])
    encoded = TASK.encode(TABLE, LABELS, tokenizer_of("bert"), 32)
    answers = TASK.decode(_gold(encoded), encoded, numpy.arange(3))
    conll = TASK.write(tmp_path, TABLE, answers)[0]
    assert conll.name == "predictions.conll"
    assert conll.read_text().splitlines()[:6] == [
        "the O O",
        "printer B-thing B-thing",
        "xq I-thing I-thing",
        "is O O",
        "",
        "wifi B-thing B-thing",
    ]


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
    assert len(encoded.lengths()) > len(encoded) == 1009
    scores = TASK.score(_gold(encoded), encoded, numpy.arange(len(encoded)))
    assert (scores["f1"], scores["surface_f1"]) == (1.0, 1.0)
