"""Questions with their passages as windows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from federa.tasks.offsets import as_pairs, encodings, packed, token_places
from federa.tasks.windows import Windows

if TYPE_CHECKING:
    import numpy

    from federa.types import Table


@dataclass(frozen=True)
class EncodedQuestions:
    """Windows over the passages of questions.

    places [tokens, 2]: the letters of the passage that each token covers, without outer blanks,
    (-1, -1) for a token that is not of the passage; nulls [W]: the token of each window that stands
    for no answer, the classifier token; targets [W, 2]: first and last token of the answer in each
    window, ``nulls`` where it holds none. The rest has an entry a question.
    """

    windows: Windows
    places: numpy.ndarray
    nulls: numpy.ndarray
    targets: numpy.ndarray
    names: tuple[str, ...]
    questions: tuple[str, ...]
    contexts: tuple[str, ...]
    references: tuple[tuple[str, ...], ...] | None

    def __len__(self) -> int:
        return len(self.questions)

    def places_of(self, window: int) -> numpy.ndarray:
        """The letters that each token of a window covers [L, 2]."""
        offsets = self.windows.token_offsets
        return self.places[offsets[window] : offsets[window + 1]]

    def digest(self) -> str:
        """SHA-256 of tokens, targets, texts and references."""
        content = (self.places, self.nulls, self.targets)
        digest = hashlib.sha256(self.windows.digest(*content).encode())
        references = self.references or [None] * len(self)
        for row in zip(self.names, self.questions, self.contexts, references, strict=True):
            digest.update(repr(row).encode())
        return digest.hexdigest()


def encode_questions(
    table: Table, tokenizer: Any, max_length: int, stride: int, max_question_tokens: int
) -> EncodedQuestions:
    """Each question, cut if it is long, with its passage, in as many windows as that takes.

    max_length: tokens of a window, which must leave more than ``stride`` for the passage. Without
    ``answers`` no window has one.
    """
    import numpy

    questions, contexts = table["question"], table["context"]
    answers, references = table.get("answers"), table.get("references")
    segments = "token_type_ids" in tokenizer.model_input_names
    ids, types, places, owners, nulls, targets = [], [], [], [], [], []
    for start, lot in encodings(
        tokenizer,
        cut_questions(questions, tokenizer, max_question_tokens),
        contexts,
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_token_type_ids=segments,
    ):
        for window, owner in enumerate(lot["overflow_to_sample_mapping"]):
            row = start + owner
            tokens = numpy.array(lot["input_ids"][window], dtype=numpy.int32)
            found = _places(lot, window, contexts[row])
            null = int((tokens == tokenizer.cls_token_id).argmax())  # the first token without one
            target = target_span(found, answers[row]) if answers else None
            ids.append(tokens)
            places.append(found)
            owners.append(row)
            nulls.append(null)
            targets.append(target or (null, null))
            if segments:
                types.append(numpy.array(lot["token_type_ids"][window], dtype=numpy.int32))
    return EncodedQuestions(
        windows=Windows.of(ids, owners, len(questions), tokenizer, types if segments else None),
        places=packed(places, 2),
        nulls=numpy.array(nulls, dtype=numpy.int64),
        targets=numpy.array(targets, dtype=numpy.int64).reshape(-1, 2),
        names=tuple(table.get("id") or map(str, range(len(questions)))),
        questions=tuple(questions),
        contexts=tuple(contexts),
        references=tuple(map(tuple, references)) if references else None,
    )


def _places(lot: Any, window: int, context: str) -> numpy.ndarray:
    import numpy

    offsets = as_pairs(lot["offset_mapping"][window])
    inside = numpy.array([segment == 1 for segment in lot.sequence_ids(window)], dtype=bool)
    places = numpy.full(offsets.shape, -1, dtype=numpy.int32)
    places[inside] = token_places(context, offsets[inside])
    return places


def cut_questions(questions: Sequence[str], tokenizer: Any, max_tokens: int) -> list[str]:
    """The questions without outer blanks, cut to at most ``max_tokens`` tokens each."""
    texts = [question.strip() for question in questions]
    doubtful = list(range(len(texts)))
    while doubtful:
        long = []
        for start, lot in encodings(
            tokenizer,
            [texts[row] for row in doubtful],
            add_special_tokens=False,
            truncation=True,
            max_length=max_tokens + 1,
        ):
            for index, offsets in enumerate(lot["offset_mapping"], start):
                if len(offsets) > max_tokens:
                    row = doubtful[index]
                    end = min(offsets[max_tokens][0], len(texts[row]) - 1)
                    texts[row] = texts[row][:end].rstrip()
                    long.append(row)
        doubtful = long  # what is left of a word that was cut may have more tokens than before
    return texts


def target_span(
    places: numpy.ndarray, answers: Sequence[Mapping[str, Any]]
) -> tuple[int, int] | None:
    """First and last token of the first of ``answers`` that lies wholly in a window, or None.

    places: the letters that each token covers [L, 2], -1 outside the passage. The tokens are those
    that hold the answer's first and last letter; blanks around it do not count.
    """
    import numpy

    inside = numpy.flatnonzero(places[:, 0] >= 0)
    if not len(inside):
        return None
    begins, ends = places[inside, 0], places[inside, 1]
    for answer in answers:
        text = str(answer["text"])
        end = int(answer["start"]) + len(text.rstrip())
        start = int(answer["start"]) + len(text) - len(text.lstrip())
        if start < begins[0] or end > ends[-1]:
            continue
        first = int(numpy.searchsorted(ends, start, side="right"))
        last = int(numpy.searchsorted(begins, end, side="left")) - 1
        if first <= last:
            return int(inside[first]), int(inside[last])
    return None
