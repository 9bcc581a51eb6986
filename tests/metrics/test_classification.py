"""Scores of labels against hand-computed numbers and what SemEval's scorer printed."""

import random
from pathlib import Path

import numpy
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from federa.errors import DataError
from federa.metrics.classification import (
    RELATIONS,
    classification_scores,
    classification_sums,
    relation_macro_f1,
)
from federa.metrics.prediction_files import write_labels
from metrics import scorers

LABELS = [f"{name}({ends})" for name in RELATIONS for ends in ("e1,e2", "e2,e1")] + ["Other"]

# rows: truth, columns: guess, in the order of LABELS; a published run of the official scorer
NINETEEN_WAY = """
101 14 0 1 0 0 1 0 0 0 1 2 0 1 2 0 0 0 11
7 162 0 0 0 0 0 0 11 0 0 0 0 2 0 0 0 3 9
0 1 102 17 4 4 3 1 2 1 0 2 3 6 3 0 0 2 11
0 1 24 85 0 1 2 0 0 1 0 5 0 2 2 2 0 2 23
0 0 1 1 130 7 6 1 3 0 0 0 0 1 0 0 0 1 2
0 0 0 4 1 26 1 0 2 1 0 0 0 1 0 0 0 0 3
0 0 1 0 13 3 255 3 1 1 0 1 0 0 2 0 0 3 8
0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0
2 1 0 0 0 0 7 0 163 6 0 1 0 4 2 0 6 0 19
1 0 1 0 1 1 0 0 7 27 0 1 0 0 0 0 0 1 7
0 0 1 0 0 1 0 0 0 0 4 3 1 0 1 0 0 1 10
1 1 3 8 0 0 1 0 2 1 4 76 0 1 3 2 0 6 25
0 0 2 0 0 0 1 0 2 0 0 1 15 3 0 1 1 0 6
0 0 6 3 1 0 0 0 1 0 1 0 9 161 2 1 0 5 11
0 0 1 6 0 1 3 0 0 0 0 2 0 2 148 17 2 7 21
0 0 0 0 0 0 0 0 0 0 0 1 0 0 8 31 2 3 6
1 6 1 2 0 0 1 1 5 0 0 0 0 3 1 2 61 13 11
0 0 1 4 0 0 3 0 2 2 0 8 0 2 2 3 8 71 17
3 12 15 34 22 3 28 2 36 7 2 18 4 37 31 7 10 20 163
"""

# another, nine relations and Other, the last column (xDIRx) guesses in the wrong direction
TEN_WAY = """
300 0 0 0 4 1 0 2 2 12 3
1 235 5 1 1 11 11 6 3 29 8
0 5 160 7 2 0 1 1 1 11 4
0 2 7 264 0 0 0 1 1 16 1
3 1 1 4 226 1 0 1 3 16 1
0 4 1 1 1 118 0 4 5 21 0
0 4 0 0 2 0 206 1 0 19 0
1 5 0 1 2 0 2 229 1 19 1
5 1 2 0 4 9 0 3 177 27 2
16 25 18 23 27 24 29 33 26 231 0
"""


def test_accuracy_macro_f1_and_loss() -> None:
    truth = numpy.array([0, 0, 0, 2])
    logits = numpy.log(
        numpy.array(
            [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25]], "float32"
        )
    )
    labels = ("a", "b", "c")
    scores = classification_scores(classification_sums(truth, logits, labels), labels)
    assert scores["accuracy"] == 0.5
    # of the labels in the truth: 0 has P = R = 2/3, 2 was never guessed; 1 does not count
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert scores["loss"] == pytest.approx((2 * numpy.log(2) + 2 * numpy.log(4)) / 4)


@pytest.mark.parametrize("seed", range(10))
def test_same_scores_as_scikit_learn(seed: int) -> None:
    rng = numpy.random.default_rng(seed)
    labels = [f"label {number}" for number in range(6)]
    truth = rng.choice(6, size=30, p=[0.5, 0.3, 0.1, 0.1, 0, 0])  # some are only guessed
    logits = rng.normal(size=(30, 6)) + numpy.eye(6)[truth]
    scores = classification_scores(classification_sums(truth, logits, labels), labels)
    guess = logits.argmax(axis=1)
    present = numpy.unique(truth)
    f1 = f1_score(truth, guess, labels=present, average="macro", zero_division=0)
    chances = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    assert scores == pytest.approx(
        {
            "accuracy": accuracy_score(truth, guess),
            "macro_f1": f1,
            "loss": log_loss(truth, chances, labels=range(6)),
        }
    )


def test_relations_by_hand() -> None:
    cause, effect, whole = "Cause-Effect(e1,e2)", "Cause-Effect(e2,e1)", "Component-Whole(e1,e2)"
    truth = [cause, cause, effect, whole, "Other", "Other"]
    guess = [cause, effect, "Other", cause, whole, "Other"]
    # Cause-Effect: 3 examples, 3 guesses (1 in the wrong direction), 1 hit: F1 = 2 * 1 / (3 + 3)
    # Component-Whole: 1 example, 1 guess, no hit; the other seven do not occur in the truth
    assert relation_macro_f1(truth, guess) == pytest.approx((1 / 3 + 0) / 2)
    assert relation_macro_f1([cause, effect], [cause, effect]) == 1
    assert relation_macro_f1([cause, effect], [effect, cause]) == 0
    assert relation_macro_f1(["Other"], ["Other"]) == 0  # nothing to average
    assert relation_macro_f1(["Other"], [cause]) == 0


def test_published_run_with_nineteen_columns() -> None:
    counts = [[int(cell) for cell in row.split()] for row in NINETEEN_WAY.strip().splitlines()]
    pairs = [
        (LABELS[row], LABELS[column])
        for row, cells in enumerate(counts)
        for column, cell in enumerate(cells)
        for _ in range(cell)
    ]
    assert len(pairs) == 2717
    truth, guess = zip(*pairs, strict=True)
    assert round(100 * relation_macro_f1(truth, guess), 2) == 69.10


def test_published_run_with_wrong_directions() -> None:
    names = (*RELATIONS, "Other")
    pairs = []
    for name, row in zip(names, TEN_WAY.strip().splitlines(), strict=True):
        *cells, wrong = map(int, row.split())
        right = name if name == "Other" else f"{name}(e2,e1)"
        for other, cell in zip(names, cells, strict=True):
            pairs += [(right, other if other == "Other" else f"{other}(e2,e1)")] * cell
        pairs += [(right, f"{name}(e1,e2)")] * wrong
    assert len(pairs) == 2706
    truth, guess = zip(*pairs, strict=True)
    assert round(100 * relation_macro_f1(truth, guess), 2) == 83.25


@pytest.mark.parametrize("seed", range(5))
def test_same_number_as_the_scorer_reads_from_the_files(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    labels = rng.sample(LABELS, 7)  # some relations are only guessed, some only there
    truth = rng.choices([*labels[:5], "Cause-Effect(e1,e2)"], k=60)
    guess = [label if rng.random() < 0.5 else rng.choice(labels) for label in truth]
    write_labels(tmp_path, [str(8001 + row) for row in range(60)], guess, truth)
    official = scorers.semeval2010task8(tmp_path / "predictions.txt", tmp_path / "key.txt")
    assert 100 * relation_macro_f1(truth, guess) == pytest.approx(official)


def test_other_labels_are_refused() -> None:
    message = r"relation_macro_f1: no label '[Cc]ause-[Ee]ffect.* allowed are Other and a relation"
    for truth, guess in ((["Other"], ["cause-effect(e1,e2)"]), (["Cause-Effect"], ["Other"])):
        with pytest.raises(DataError, match=message):
            relation_macro_f1(truth, guess)
