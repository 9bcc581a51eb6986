"""Where the tokens of a text stand in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

ROWS_AT_ONCE = 512  # as Python numbers, tokens take twenty times the memory that they do in arrays


def encodings(tokenizer: Any, *columns: Sequence[str], **options: Any) -> Iterator[tuple[int, Any]]:
    """(row of its first text, encoding with offsets) of one lot of rows after the other.

    columns: the texts, or the first and the second text of each row.
    """
    for first in range(0, len(columns[0]), ROWS_AT_ONCE):
        lots = [list(column[first : first + ROWS_AT_ONCE]) for column in columns]
        yield (
            first,
            tokenizer(
                *lots,
                return_offsets_mapping=True,
                return_attention_mask=False,
                verbose=False,  # or it would warn of texts that are longer than the model reads
                **options,
            ),
        )


def token_places(text: str, offsets: numpy.ndarray) -> numpy.ndarray:
    """The letters of ``text`` that each token covers [L, 2], (-1, -1) if only blanks or none.

    offsets: of the tokens [L, 2]. SentencePiece and byte-level tokens may begin with the blank
    before a word, which is left out here.
    """
    import numpy

    if not len(offsets):
        return numpy.zeros((0, 2), dtype=numpy.int32)
    low, high = int(offsets[:, 0].min()), int(offsets[:, 1].max())
    letters = low + numpy.flatnonzero([not letter.isspace() for letter in text[low:high]])
    first = numpy.searchsorted(letters, offsets[:, 0])
    last = numpy.searchsorted(letters, offsets[:, 1]) - 1
    places = numpy.full(offsets.shape, -1, dtype=numpy.int32)
    kept = first <= last
    places[kept, 0] = letters[first[kept]]
    places[kept, 1] = letters[last[kept]] + 1
    return places


def as_pairs(offsets: Sequence[tuple[int, int]]) -> numpy.ndarray:
    """Offsets of L tokens as [L, 2]."""
    import numpy

    return numpy.array(offsets, dtype=numpy.int64).reshape(-1, 2)


def packed(pieces: Sequence[numpy.ndarray], *width: int) -> numpy.ndarray:
    """int32 arrays [l, *width], one after the other, of which there may be none."""
    import numpy

    return numpy.concatenate([numpy.zeros((0, *width), dtype=numpy.int32), *pieces])
