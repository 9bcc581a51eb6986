"""Scores of entities in BIO tags, as the CoNLL script and WNUT-2017's count them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from federa.metrics.tallies import (
    Counts,
    Limit,
    counted,
    fault_of_sums,
    limits_of_counts,
    names_of_counts,
    ratio,
)

TYPE = "type"
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


def types_of(labels: Iterable[str]) -> list[str]:
    """The types of entity that tags can make, in alphabetical order."""
    parts = [label.partition("-") for label in labels]
    return sorted({kind for prefix, _, kind in parts if prefix in ("B", "I")})


def entity_scores(
    gold: Sequence[Tags], guess: Sequence[Tags], words: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Micro precision, recall and F1 of whole entities, also by type, and of their surface forms.

    gold, guess: the tags of each sentence; words: its words. ``accuracy`` is of single tags. An
    entity is found if type, first and last word are right. What would divide by nothing is 0. The
    official scripts give per cent.
    Source: conlleval (CoNLL-2000); surface forms, see ``surface_scores``.
    """
    types = types_of(tag for tags in (*gold, *guess) for tag in tags)
    scores = entity_scores_of(entity_sums(gold, guess, types), types)
    return scores | surface_scores(gold, guess, words)


def entity_sums(
    gold: Sequence[Tags], guess: Sequence[Tags], types: Iterable[str]
) -> dict[str, float]:
    """Tags, right ones among them, and of each type of entity the hits, guesses and examples."""
    right, found = _places(gold), _places(guess)
    pairs = [zip(*sentence, strict=True) for sentence in zip(gold, guess, strict=True)]
    same = [tag == other for sentence in pairs for tag, other in sentence]
    kinds = [[kind for _, (kind, _, _) in side] for side in (right & found, found, right)]
    return {
        "tags": float(len(same)),
        "tags_correct": float(sum(same)),
        **counted(TYPE, types, *kinds),
    }


def entity_scores_of(sums: Mapping[str, float], types: Sequence[str]) -> dict[str, Any]:
    """The scores of ``entity_scores`` but those of surface forms, which no sums can tell.

    sums: added up from ``entity_sums``. ``per_type`` has the types that were there or were guessed.
    """
    total = Counts.read(sums, TYPE, types)
    each = {kind: Counts.read(sums, TYPE, [kind]) for kind in types}
    return {
        **_shares(total),
        "per_type": {
            kind: {**_shares(counts), "num_entities": int(counts.examples)}
            for kind, counts in each.items()
            if counts.guesses or counts.examples
        },
        "accuracy": ratio(sums["tags_correct"], sums["tags"]),
    }


def fault_of_entities(sums: object, types: Sequence[str]) -> str | None:
    """What is wrong with sums that came from elsewhere, in one line, or None."""
    names = [names_of_counts(TYPE, kind) for kind in types]
    limits = [Limit((part,), "tags") for part in ("tags_correct", "loss_count")]
    # entities do not overlap, and each takes a tag
    limits += [Limit(part, "tags") for part in list(zip(*names, strict=True))[1:]]
    limits += limits_of_counts(TYPE, types)
    counts = ["tags", "tags_correct", *(name for parts in names for name in parts)]
    return fault_of_sums(sums, counts, (), limits)


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
    places = _places(gold), _places(guess)
    right, found, hits = (
        len({(kind, *words[row][first : last + 1]) for row, (kind, first, last) in side})
        for side in (*places, places[0] & places[1])
    )
    return {
        "surface_precision": ratio(hits, found),
        "surface_recall": ratio(hits, right),
        "surface_f1": ratio(2 * hits, right + found),
    }


def _shares(counts: Counts) -> dict[str, float]:
    return {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}


def _places(corpus: Sequence[Tags]) -> set[Place]:
    return {(row, span) for row, tags in enumerate(corpus) for span in spans(tags)}
