"""Scores of entities in BIO tags, as the CoNLL script and WNUT-2017's count them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

Tags: TypeAlias = Sequence[str]
Span: TypeAlias = tuple[str, int, int]
Place: TypeAlias = tuple[int, Span]


def spans(tags: Tags) -> list[Span]:
    """(type, first word, last word) of each entity.

    An I- tag that does not continue an entity of its own type begins one.
    Source: startOfChunk and endOfChunk of conlleval (CoNLL-2000), for B-, I- and O.
    """
    found: list[Span] = []
    for number, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if prefix not in ("B", "I"):
            continue
        if prefix == "I" and found and found[-1][0] == kind and found[-1][2] == number - 1:
            found[-1] = (kind, found[-1][1], number)
        else:
            found.append((kind, number, number))
    return found


def entity_scores(
    gold: Sequence[Tags], guess: Sequence[Tags], words: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Micro precision, recall and F1 of whole entities, also by type, and of their surface forms.

    gold, guess: the tags of each sentence; words: its words. ``accuracy`` is of single tags. An
    entity is found if type, first and last word are right. What would divide by nothing is 0. The
    official scripts give per cent.
    Source: seqeval's default mode, which counts as conlleval (CoNLL-2000) does; surface forms, see
    ``surface_scores``.
    """
    from seqeval.metrics import accuracy_score
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    gold, guess = [list(tags) for tags in gold], [list(tags) for tags in guess]
    places = _places(gold), _places(guess)
    kinds = sorted({kind for side in places for _, (kind, _, _) in side})
    scores: dict[str, Any] = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "per_type": {}}
    if kinds:  # seqeval cannot be asked about no entity at all
        totals = precision_recall_fscore_support(gold, guess, average="micro", zero_division=0)
        scores |= dict(zip(("precision", "recall", "f1"), map(float, totals[:3]), strict=True))
        parts = precision_recall_fscore_support(gold, guess, average=None, zero_division=0)
        for kind, precision, recall, f1, support in zip(kinds, *parts, strict=True):
            scores["per_type"][kind] = {
                "precision": float(precision),
                "recall": float(recall),
                "f1": float(f1),
                "num_entities": int(support),
            }
    scores["accuracy"] = float(accuracy_score(gold, guess)) if any(gold) else 0.0
    return scores | _surface_scores(*places, words)


def surface_scores(
    gold: Sequence[Tags], guess: Sequence[Tags], words: Sequence[Sequence[str]]
) -> dict[str, float]:
    """WNUT-2017's second score: precision, recall and F1 of the different entities of a corpus.

    A surface form is the words of an entity, letter case kept, with its type. With G the forms in
    ``gold``, S those in ``guess`` and H those of the entities that are in both at the same place,

        precision = |H| / |S|,  recall = |H| / |G|

    so that each form counts once in the whole corpus, and one found only elsewhere is no hit.
    Source: wnuteval.py, the scorer of WNUT-2017 (Derczynski et al., ACL W17-4418).
    """
    return _surface_scores(_places(gold), _places(guess), words)


def _surface_scores(
    gold: set[Place], guess: set[Place], words: Sequence[Sequence[str]]
) -> dict[str, float]:
    right, found, hits = (
        len({(kind, *words[row][first : last + 1]) for row, (kind, first, last) in side})
        for side in (gold, guess, gold & guess)
    )
    return {
        "surface_precision": hits / found if found else 0.0,
        "surface_recall": hits / right if right else 0.0,
        "surface_f1": 2 * hits / (right + found) if hits else 0.0,
    }


def _places(corpus: Sequence[Tags]) -> set[Place]:
    return {(row, span) for row, tags in enumerate(corpus) for span in spans(tags)}
