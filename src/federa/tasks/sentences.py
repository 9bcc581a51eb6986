"""Sentences of words as windows of tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from federa.tasks.offsets import as_pairs, encodings, packed, token_places
from federa.tasks.windows import Windows
from federa.tasks.words import split_words

if TYPE_CHECKING:
    import numpy

    from federa.types import Table

IGNORED = -100
"""The label of positions that do not count: all but the first token of each word."""


@dataclass(frozen=True)
class EncodedSentences:
    """Windows of sentences. Each word that has a token counts at one position of one window.

    word_numbers [tokens]: the word of its sentence that counts here, or -1; labels [tokens]: its
    tag's number, or IGNORED; word_offsets [N + 1]: the words of each sentence; places [words, 2]:
    the letters of its text that a word is; tags [words]: their numbers, IGNORED where unknown.
    """

    windows: Windows
    word_numbers: numpy.ndarray
    labels: numpy.ndarray
    label_names: tuple[str, ...]
    texts: tuple[str, ...]
    word_offsets: numpy.ndarray
    places: numpy.ndarray
    tags: numpy.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def words_of(self, row: int) -> slice:
        """The words of a sentence, among all."""
        return slice(int(self.word_offsets[row]), int(self.word_offsets[row + 1]))

    def words(self, row: int) -> tuple[str, ...]:
        """The words of a sentence."""
        text = self.texts[row]
        return tuple(text[begin:end] for begin, end in self.places[self.words_of(row)].tolist())

    def digest(self) -> str:
        """SHA-256 of tokens, words and tags."""
        content = (self.word_numbers, self.labels, self.word_offsets, self.places, self.tags)
        digest = hashlib.sha256(self.windows.digest(*content).encode())
        for text in (*self.label_names, *self.texts):
            digest.update(repr(text).encode())
        return digest.hexdigest()


def encode_sentences(
    table: Table, labels: Sequence[str], tokenizer: Any, room: int, stride: int
) -> EncodedSentences:
    """Windows of at most ``room`` tokens beside the special ones; neighbours share ``stride``."""
    import numpy

    texts, places = _texts(table)
    number = {label: index for index, label in enumerate(labels)}
    word_offsets = numpy.cumsum([0, *map(len, places)], dtype=numpy.int64)
    tags = numpy.full(word_offsets[-1], IGNORED, dtype=numpy.int32)
    if table.get("tags"):
        tags[:] = [number[tag] for row in table["tags"] for tag in row]
    before, after = _special_tokens(tokenizer)
    ids, words, owners = [], [], []
    for start, lot in encodings(tokenizer, texts, add_special_tokens=False):
        for row, tokens in enumerate(lot["input_ids"], start):
            offsets = as_pairs(lot["offset_mapping"][row - start])
            first, last = tokens_of_words(places[row], token_places(texts[row], offsets))
            begins, chosen = best_windows(first, last, len(tokens), room, stride)
            for window, begin in enumerate(begins.tolist()):
                piece = [*before, *tokens[begin : begin + room], *after]
                counted = numpy.full(len(piece), -1, dtype=numpy.int32)
                here = numpy.flatnonzero(chosen == window)
                counted[first[here] - begin + len(before)] = here
                ids.append(numpy.array(piece, dtype=numpy.int32))
                words.append(counted)
                owners.append(row)
    word_numbers = packed(words)
    row_of_token = numpy.repeat(numpy.array(owners, dtype=numpy.int64), list(map(len, words)))
    word_labels = numpy.full(len(word_numbers), IGNORED, dtype=numpy.int32)
    counts = word_numbers >= 0
    word_labels[counts] = tags[word_offsets[row_of_token[counts]] + word_numbers[counts]]
    return EncodedSentences(
        windows=Windows.of(ids, owners, len(texts), tokenizer),
        word_numbers=word_numbers,
        labels=word_labels,
        label_names=tuple(labels),
        texts=tuple(texts),
        word_offsets=word_offsets,
        places=packed(places, 2),
        tags=tags,
    )


def _texts(table: Table) -> tuple[list[str], list[numpy.ndarray]]:
    """The text of each row, and the letters that its words are [words, 2]."""
    import numpy

    if "words" in table:
        pairs = [joined(words) for words in table["words"]]
    else:
        pairs = [(text, split_words(text)) for text in table["text"]]
    places = [numpy.array(found, dtype=numpy.int32).reshape(-1, 2) for _, found in pairs]
    return [text for text, _ in pairs], places


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """What the tokenizer puts before and after a text."""
    plain: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole: list[int] = tokenizer("a")["input_ids"]
    size = len(plain)
    begin = next(at for at in range(len(whole)) if whole[at : at + size] == plain)
    return whole[:begin], whole[begin + size :]


def joined(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The words with a blank between them, and where each begins and ends."""
    places, end = [], 0
    for word in words:
        places.append((end, end + len(word)))
        end += len(word) + 1
    return " ".join(words), places


def tokens_of_words(
    words: numpy.ndarray, tokens: numpy.ndarray
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The first and the last token of each word, -1 for a word that has none.

    words, tokens: the letters of each, ascending [W, 2] and [L, 2], (-1, -1) for a token without
    letters. A token belongs to the first word that it shares a letter with.
    """
    import numpy

    first, last = numpy.full((2, len(words)), -1, dtype=numpy.int64)
    if not len(words):
        return first, last
    owner = numpy.searchsorted(words[:, 1], tokens[:, 0], side="right")
    owner = numpy.minimum(owner, len(words) - 1)
    begins = numpy.maximum(words[owner, 0], tokens[:, 0])
    shares = (begins < numpy.minimum(words[owner, 1], tokens[:, 1])) & (tokens[:, 0] >= 0)
    numbers = numpy.flatnonzero(shares)
    last[owner[numbers]] = numbers
    first[owner[numbers[::-1]]] = numbers[::-1]
    return first, last


def best_windows(
    first: numpy.ndarray, last: numpy.ndarray, num_tokens: int, room: int, stride: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Where each window begins, and the window in which each word counts, -1 without a token.

    first, last: tokens of each word; num_tokens: of the whole text; room: tokens of a window;
    stride: tokens that neighbours share, less than ``room``. A word counts where it is whole, if
    it is whole anywhere, and where the tokens on its poorer side are most; of equal windows in the
    earlier one.
    """
    import numpy

    step = room - stride
    number = 1 + max(0, -(-(num_tokens - room) // step))
    candidates = numpy.arange(1 - -(-room // step), 1)  # the windows that may hold one token
    windows = numpy.minimum(first // step, number - 1)[:, None] + candidates
    begins = windows * step
    ends = numpy.minimum(begins + room, num_tokens)
    begin, end = first[:, None], last[:, None]
    worth = numpy.minimum(begin - begins, ends - 1 - end)  # negative where the word is cut
    worth[(windows < 0) | (begin < begins) | (begin >= ends)] = -2 * num_tokens - 1
    chosen = numpy.take_along_axis(windows, worth.argmax(axis=1)[:, None], axis=1)[:, 0]
    return numpy.arange(number) * step, numpy.where(first >= 0, chosen, -1)
