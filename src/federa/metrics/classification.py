"""Scores of labels: accuracy, macro-F1, and SemEval-2010 Task 8's official one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from federa.errors import DataError
from federa.metrics.tallies import (
    Counts,
    Limit,
    common_sums,
    counted,
    fault_of_sums,
    limits_of_counts,
    mean_loss,
    names_of_counts,
    ratio,
)
from federa.registry import shown

if TYPE_CHECKING:
    import numpy

LABEL = "label"
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


def classification_sums(
    truth: numpy.ndarray, logits: numpy.ndarray, labels: Sequence[str]
) -> dict[str, float]:
    """Of each label the hits, guesses and examples; of the texts their number and cross-entropy.

    truth: label numbers [N]; logits: [N, number of labels].
    """
    import numpy
    from scipy.special import log_softmax

    assert (truth >= 0).all(), "what is scored has labels"
    guess = logits.argmax(axis=1)
    likelihood = log_softmax(logits.astype(numpy.float64), axis=1)[numpy.arange(len(truth)), truth]
    right, found = ([labels[number] for number in numbers] for numbers in (truth, guess))
    return common_sums(len(truth), -likelihood) | label_sums(right, found, labels)


def label_sums(
    truth: Sequence[str], guess: Sequence[str], labels: Iterable[str]
) -> dict[str, float]:
    """Hits, guesses and examples of each of ``labels``."""
    hits = [label for label, other in zip(truth, guess, strict=True) if label == other]
    return counted(LABEL, labels, hits, guess, truth)


def classification_scores(sums: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """Accuracy, macro-F1 over the labels present in the truth, and mean cross-entropy.

    sums: added up from ``classification_sums``. What would divide by nothing is 0.
    """
    total = Counts.read(sums, LABEL, labels)
    each = [Counts.read(sums, LABEL, [label]) for label in labels]
    f1 = [counts.f1 for counts in each if counts.examples]
    return {
        "accuracy": total.recall,
        "macro_f1": ratio(sum(f1), len(f1)),
        "loss": mean_loss(sums),
    }


def fault_of_classification(sums: object, labels: Sequence[str]) -> str | None:
    """What is wrong with sums that came from elsewhere, in one line, or None."""
    names = [names_of_counts(LABEL, label) for label in labels]
    _, guesses, examples = zip(*names, strict=True)
    limits = [
        Limit(("loss_count",), "num_examples", exactly=True),
        Limit(guesses, "num_examples", exactly=True),  # each text has one label and one guess
        Limit(examples, "num_examples", exactly=True),
        *limits_of_counts(LABEL, labels),
    ]
    return fault_of_sums(sums, [name for parts in names for name in parts], (), limits)


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
    labels = list(dict.fromkeys((*truth, *guess)))
    return relation_macro_f1_of(label_sums(truth, guess, labels), labels)


def relation_macro_f1_of(sums: Mapping[str, float], labels: Sequence[str]) -> float:
    """The same from the hits, guesses and examples of each label, added up.

    Both directions of a relation are added up too: a hit is one in the right direction.
    """
    of_relation: dict[str, list[str]] = {}
    for label, relation in zip(labels, _relations(labels), strict=True):
        of_relation.setdefault(relation, []).append(label)
    each = [Counts.read(sums, LABEL, of_relation.get(relation, ())) for relation in RELATIONS]
    f1 = [counts.f1 for counts in each if counts.examples]
    return ratio(sum(f1), len(f1))


def _relations(labels: Iterable[str]) -> list[str]:
    try:
        return [_RELATION_OF[label] for label in labels]
    except KeyError as error:
        raise DataError(
            f"relation_macro_f1: no label {shown(error.args[0])} in SemEval-2010 Task 8; allowed "
            f"are {OTHER} and a relation with its direction, such as {RELATIONS[0]}(e1,e2)"
        ) from None
