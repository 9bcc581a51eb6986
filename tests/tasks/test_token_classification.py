"""The loss of tagged words, and the entities that come back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from federa.models import load_tokenizer
from federa.tasks import Entity, TokenClassification
from gold import by_row, gold_tags
from tiny import ARCHITECTURES

TASK = TokenClassification()
LABELS = ("O", "B-place", "B-thing", "I-thing")
TABLE = {
    "words": [["the", "printer", "xq", "is"], ["wifi"], []],
    "tags": [["O", "B-thing", "I-thing", "O"], ["B-thing"], []],
}
TokenizerOf = Callable[[str], Any]


def test_a_word_without_a_token_is_o_and_counts(tokenizer_of: TokenizerOf) -> None:
    table = {"words": [["wifi", "\u200b", "slow"]], "tags": [["B-thing", "I-thing", "O"]]}
    encoded = TASK.encode(table, LABELS, tokenizer_of("bert"), 32)
    assert encoded.word_numbers.tolist() == [-1, 0, 2, -1]
    scores = TASK.score(gold_tags(encoded), encoded, numpy.arange(1))
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["f1"] == 0.0  # the entity is two words
    # the two words with a token have logits 10 against three zeros
    assert scores["loss"] == pytest.approx(numpy.log(1 + 3 * numpy.exp(-10)))
    assert TASK.decode(gold_tags(encoded), encoded, numpy.arange(1))[0].tags == (
        "B-thing",
        "O",
        "O",
    )


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
    rows, predictions = numpy.arange(3), by_row(encoded.windows, list(logits.numpy()))
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
    model = task.build_model(tiny_model(architecture), LABELS, 1)  # without dropout
    encoded = task.encode(table, LABELS, load_tokenizer(tiny_model(architecture)), 10)
    windows = list(range(len(encoded.windows.lengths())))
    assert len(windows) > len(encoded)
    batch = task.collate(encoded, windows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(80):
        sums, counts = task.loss(model, batch)
        (sums.sum() / counts.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.inference_mode():
        logits = task.predict(model, batch).numpy()
    predictions = by_row(encoded.windows, list(logits))
    assert task.score(predictions, encoded, numpy.arange(3))["f1"] == 1.0
    first = task.decode(predictions, encoded, numpy.arange(3))[0]
    assert first.tags == tuple(table["tags"][0])
    found = [(entity.type, entity.text) for entity in first.entities]
    assert found == [("thing", "new wifi password"), ("place", "room"), ("thing", "4")]


def test_entities_are_what_stands_in_the_text(tokenizer_of: TokenizerOf) -> None:
    text = "\U0001f600 cafe\u0301,  printer\tscreen!"
    encoded = TASK.encode({"text": [text]}, LABELS, tokenizer_of("roberta"), 64)
    assert encoded.words(0) == ("\U0001f600", "cafe\u0301", ",", "printer", "screen", "!")
    logits = numpy.zeros((len(encoded.windows.ids), 4))
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
    gold = gold_tags(encoded)
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


def test_no_rows_at_all(tokenizer_of: TokenizerOf) -> None:
    encoded = TASK.encode({"words": []}, LABELS, tokenizer_of("bert"), 32)
    assert (len(encoded), len(encoded.windows.ids), encoded.windows.window_offsets.tolist()) == (
        0,
        0,
        [0],
    )
    assert TASK.decode([], encoded, numpy.zeros(0, dtype=int)) == []


def test_what_partitioners_and_scorers_read(tokenizer_of: TokenizerOf, tmp_path: Path) -> None:
    assert TASK.partition_key(TABLE) is None
    assert TASK.passage(TABLE) is None
    assert TASK.text_for_clusters(TABLE) == ["the printer xq is", "wifi", ""]
    tags = [["B-b", "B-a", "I-a", "B-b"], ["O"]]
    assert TASK.label_profile({"tags": tags}) == ("entity type", [["b", "a"], ["none"]])
    encoded = TASK.encode(TABLE, LABELS, tokenizer_of("bert"), 32)
    answers = TASK.decode(gold_tags(encoded), encoded, numpy.arange(3))
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
