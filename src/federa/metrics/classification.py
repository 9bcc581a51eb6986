"""Scores of labels: accuracy, macro-F1, and SemEval-2010 Task 8's official one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from federa.errors import DataError
from federa.registry import shown

if TYPE_CHECKING:
    import numpy

OTHER = "Other"
RELATIONS = (
    *("Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination"),
    *("Entity-Origin", "Instrument-Agency", "Member-Collection", "Message-Topic"),
    "Product-Producer",
)
_RELATION_OF = {
    OTHER: OTHER,
    **{f"{name}({ends})": name for name in RELATIONS for ends in ("e1,e2", "e2,e1")},
}


def classification_scores(truth: numpy.ndarray, logits: numpy.ndarray) -> dict[str, float]:
    """Accuracy, macro-F1 over the labels present in the truth, and mean cross-entropy.

    truth: label numbers [N], N > 0; logits: [N, number of labels].
    """
    import numpy
    from scipy.special import log_softmax
    from sklearn.metrics import f1_score

    assert len(truth), "there is something to score"
    guess = logits.argmax(axis=1)
    likelihood = log_softmax(logits.astype(numpy.float64), axis=1)
    return {
        "accuracy": float((guess == truth).mean()),
        "macro_f1": float(
            f1_score(truth, guess, labels=numpy.unique(truth), average="macro", zero_division=0)
        ),
        "loss": float(-likelihood[numpy.arange(len(truth)), truth].mean()),
    }


def relation_macro_f1(truth: Sequence[str], guess: Sequence[str]) -> float:
    """The official score of SemEval-2010 Task 8: relations with their direction, without Other.

    truth, guess: the 19 labels of the task, such as ``Cause-Effect(e1,e2)`` and ``Other``. Of each
    relation, in either direction,

        hits = right relation in the right direction
        P = hits / all guesses of it,  R = hits / all examples of it
        F1 = 2 P R / (P + R) = 2 hits / (guesses + examples)

    so that a guess in the wrong direction is no hit, and yet counts in both denominators. The score
    is the mean F1 of the relations that occur in the truth, all nine in the whole test set; 0 if
    there are none (the scorer, which gives per cent, then fails).
    Raises: DataError for any other label.
    Source: semeval2010_task8_scorer-v1.2.pl, "(9+1)-way evaluation taking directionality into
    account"; Hendrickx et al., SemEval-2010 Task 8 (ACL S10-1006).
    """
    examples, guesses = Counter(_relations(truth)), Counter(_relations(guess))
    hits = Counter(
        _RELATION_OF[label] for label, other in zip(truth, guess, strict=True) if label == other
    )
    present = [name for name in RELATIONS if examples[name]]
    f1 = [2 * hits[name] / (guesses[name] + examples[name]) for name in present]
    return sum(f1) / max(1, len(f1))


def _relations(labels: Iterable[str]) -> list[str]:
    try:
        return [_RELATION_OF[label] for label in labels]
    except KeyError as error:
        raise DataError(
            f"relation_macro_f1: no label {shown(error.args[0])} in SemEval-2010 Task 8; allowed "
            f"are {OTHER} and a relation with its direction, such as {RELATIONS[0]}(e1,e2)"
        ) from None
