"""Encoding, padding, loss and scores against hand-made numbers."""

from collections.abc import Callable

import numpy
import pytest
import torch

from builders import load_classifier
from federa.models import load_tokenizer
from federa.tasks import TextClassification
from federa.tasks.windows import Windows

TASK = TextClassification()
TABLE = {"text": ["the printer", "lost badge phone wifi slow file"], "label": ["b", "a"]}


def test_encode_and_collate(tiny_model: Callable[[str], str]) -> None:
    tokenizer = load_tokenizer(tiny_model("roberta"))  # padding is not zero here
    encoded = TASK.encode(TABLE, ("a", "b"), tokenizer, 64)
    assert encoded.labels.tolist() == [1, 0]
    assert encoded.windows.lengths().tolist() == [
        len(tokenizer(text)["input_ids"]) for text in TABLE["text"]
    ]
    batch = TASK.collate(encoded, [1, 0])
    wanted = tokenizer([TABLE["text"][1], TABLE["text"][0]], padding=True, return_tensors="pt")
    assert torch.equal(batch["input_ids"], wanted["input_ids"])
    assert torch.equal(batch["attention_mask"], wanted["attention_mask"])
    assert batch["labels"].tolist() == [0, 1]
    assert TASK.encode(TABLE, ("a", "b"), tokenizer, 5).windows.lengths().max() == 5
    other = TASK.encode({**TABLE, "label": ["a", "a"]}, ("a", "b"), tokenizer, 64)
    assert other.digest() != encoded.digest()


def test_loss_of_a_text_does_not_depend_on_its_batch(tiny_model: Callable[[str], str]) -> None:
    folder = tiny_model("bert")
    model = load_classifier(folder, ("a", "b"), 1)
    encoded = TASK.encode(TABLE, ("a", "b"), load_tokenizer(folder), 64)
    together, counts = TASK.loss(model, TASK.collate(encoded, [0, 1]))
    assert counts.tolist() == [1.0, 1.0]
    for row in (0, 1):
        alone, _ = TASK.loss(model, TASK.collate(encoded, [row]))
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-5)


def test_scores_by_hand() -> None:
    from federa.tasks.text_classification import EncodedTexts

    offsets = numpy.arange(5)
    encoded = EncodedTexts(
        windows=Windows(numpy.arange(4, dtype=numpy.int32), offsets, offsets, pad_id=0),
        labels=numpy.array([0, 0, 1, 2]),
        label_names=("a", "b", "c"),
        texts=("t", "u", "v", "w"),
    )
    logits = numpy.log(
        numpy.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2]])
    )
    windows = [[row] for row in logits]
    scores = TASK.score(windows, encoded, numpy.arange(4))
    assert scores["accuracy"] == 0.5
    # F1: label 0 has 1 hit of 2 guesses and 2 truths, label 1 the same with 1 truth, label 2 none
    assert scores["macro_f1"] == pytest.approx((0.5 + 2 / 3 + 0.0) / 3)
    assert scores["loss"] == pytest.approx(-numpy.log([0.7, 0.2, 0.8, 0.2]).mean())
    half = TASK.score(windows[2:], encoded, numpy.array([2, 3]))
    assert half["accuracy"] == 0.5
    assert TASK.baseline(encoded, encoded) == 0.5
    assert TASK.partition_key(TABLE) == ["b", "a"]
    decoded = TASK.decode(windows, encoded, numpy.arange(4))
    assert [(answer.text, answer.label) for answer in decoded] == [
        ("t", "a"),
        ("u", "b"),
        ("v", "b"),
        ("w", "a"),
    ]
    assert [answer.score for answer in decoded] == pytest.approx([0.7, 0.7, 0.8, 0.5])


def test_the_official_score_of_relations_where_asked_for() -> None:
    from federa.tasks.text_classification import EncodedTexts

    names = ("Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)", "Other")
    offsets = numpy.arange(4)
    encoded = EncodedTexts(
        windows=Windows(numpy.arange(3, dtype=numpy.int32), offsets, offsets, pad_id=0),
        labels=numpy.array([0, 1, 2]),
        label_names=names,
        texts=("", "", ""),
    )
    windows = [[row] for row in numpy.eye(3)[[0, 0, 2]]]
    task = TextClassification(scores=("relation_macro_f1",))
    assert task.shown_scores == ("accuracy", "macro_f1", "relation_macro_f1")
    # one of two right, with the other the wrong way round: P = R = F1 = 1/2, of the one relation
    # that occurs in the truth
    assert task.score(windows, encoded, numpy.arange(3))["relation_macro_f1"] == 0.5
    assert "relation_macro_f1" not in TASK.score(windows, encoded, numpy.arange(3))
