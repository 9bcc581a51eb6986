"""The best spans of a passage, by what a model says of their first and last tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Span:
    """A possible answer: ``context[start:end]``, and its probability among the alternatives."""

    text: str
    start: int
    end: int
    score: float


def best_spans(
    windows: Sequence[numpy.ndarray],
    places: Sequence[numpy.ndarray],
    max_tokens: int,
    number: int,
) -> list[tuple[int, int, float]]:
    """The ``number`` best (start, end, score) over all windows, in letters, the best first.

    windows: logits of being first and last token [L, 2] of each; places: the letters that each
    token covers [L, 2], -1 outside the passage; max_tokens: of a span. A score is the sum of two
    logits, the greatest of the windows that hold the span. Equal scores go to the earlier and then
    the shorter span.
    """
    found: dict[tuple[int, int], float] = {}
    for logits, letters in zip(windows, places, strict=True):
        for start, end, score in _spans_of_window(logits, letters, max_tokens, number):
            found[start, end] = max(found.get((start, end), score), score)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [(start, end, score) for (start, end), score in ordered[:number]]


def _spans_of_window(
    logits: numpy.ndarray, places: numpy.ndarray, max_tokens: int, number: int
) -> list[tuple[int, int, float]]:
    import numpy

    inside = numpy.flatnonzero(places[:, 0] >= 0)
    if not len(inside):
        return []
    # Pieces of one letter share its place: a span begins with the first and ends with the last.
    first = inside[numpy.diff(places[inside, 0], prepend=-1) > 0]
    last = inside[numpy.diff(places[inside, 1], append=places[inside[-1], 1] + 1) > 0]
    low, length = inside[0], inside[-1] - inside[0] + 1
    width = min(max_tokens, length)
    begin = numpy.full(length, -numpy.inf)
    begin[first - low] = logits[first, 0]
    end = numpy.full(length + width - 1, -numpy.inf)
    end[last - low] = logits[last, 1]
    scores = begin[:, None] + numpy.lib.stride_tricks.sliding_window_view(end, width)
    rows = _largest(scores.max(axis=1), number)  # all the best spans begin there
    some = scores[rows].reshape(-1)
    kept = _largest(some, number)
    kept = kept[numpy.argsort(-some[kept], kind="stable")][:number]
    tokens, extra = rows[kept // width] + low, kept % width
    starts, ends = places[tokens, 0], places[tokens + extra, 1]
    return list(zip(starts.tolist(), ends.tolist(), some[kept].tolist(), strict=True))


def _largest(values: numpy.ndarray, number: int) -> numpy.ndarray:
    """Where the ``number`` largest finite values stand, and all that equal the least of them."""
    import numpy

    if len(values) <= number:
        return numpy.flatnonzero(numpy.isfinite(values))
    bound = numpy.partition(values, len(values) - number)[len(values) - number]
    return numpy.flatnonzero((values >= bound) & numpy.isfinite(values))
