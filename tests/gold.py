"""Questions with their answers, and logits that say what is right."""

from __future__ import annotations

import numpy

from federa.tasks.questions import EncodedQuestions
from federa.tasks.sentences import EncodedSentences
from federa.tasks.windows import Windows
from federa.types import Table


def by_row(windows: Windows, values: list[numpy.ndarray]) -> list[list[numpy.ndarray]]:
    """What is known of each window, of [l, D] or longer, as a list for each example."""
    trimmed = [value[:length] for value, length in zip(values, windows.lengths(), strict=True)]
    offsets = windows.window_offsets
    return [trimmed[offsets[row] : offsets[row + 1]] for row in range(len(offsets) - 1)]


def gold_tags(encoded: EncodedSentences) -> list[list[numpy.ndarray]]:
    """10 for the label of each token that has one."""
    logits = numpy.zeros((len(encoded.windows.ids), len(encoded.label_names)), dtype=numpy.float32)
    here = numpy.flatnonzero(encoded.labels >= 0)
    logits[here, encoded.labels[here]] = 10
    return by_row(encoded.windows, numpy.split(logits, encoded.windows.token_offsets[1:-1]))


def gold_spans(encoded: EncodedQuestions) -> list[list[numpy.ndarray]]:
    """10 for the first and the last token of the answer in each window."""
    windows = []
    for length, (first, last) in zip(encoded.windows.lengths(), encoded.targets, strict=True):
        logits = numpy.zeros((length, 2), dtype=numpy.float32)
        logits[first, 0] = logits[last, 1] = 10
        windows.append(logits)
    return by_row(encoded.windows, windows)


def question_table(*rows: tuple[str, str, list[tuple[str, int]]]) -> Table:
    """Rows of question, passage, and the texts and places of the answers."""
    answers = [[{"text": text, "start": start} for text, start in row[2]] for row in rows]
    return {
        "id": [f"q{number}" for number in range(len(rows))],
        "question": [row[0] for row in rows],
        "context": [row[1] for row in rows],
        "answers": answers,
        "references": [[answer["text"] for answer in found] for found in answers],
    }
