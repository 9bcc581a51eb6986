"""Files of predictions in the formats that official scorers read.

All are UTF-8 with ``\\n`` line ends, the same bytes for the same content. They stand beside the
scorers' own key: key.txt and the gold tags are written too, the JSON files of SQuAD and MRQA are
the key of their answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from federa.files import write_atomically

_BLANK = "\N{OPEN BOX}"
"""Stands for a blank inside a word, where the columns of a line are separated by blanks."""
_BOUNDARY = "-X-"
"""conlleval takes a word of this spelling for the end of a sentence."""


def write_labels(
    folder: Path, ids: Sequence[str] | None, guesses: Sequence[str], truth: Sequence[str] | None
) -> list[Path]:
    """predictions.txt and, where the truth is known, key.txt: ``id TAB label``, a line an example.

    ids: numbers from 1 if there are none. Line ends and tabs inside an id or a label become blanks.
    SemEval-2010 Task 8's scorer reads both files; its ids must be different whole numbers.
    Raises: RunError if a file cannot be written.
    """
    keys = [str(row + 1) for row in range(len(guesses))] if ids is None else ids
    written = []
    for name, labels in (("predictions.txt", guesses), ("key.txt", truth)):
        if labels is not None:
            rows = zip(map(_one_field, keys), map(_one_field, labels), strict=True)
            lines = [f"{key}\t{label}\n" for key, label in rows]
            written.append(_write(folder / name, "".join(lines)))
    return written


def write_tags(
    folder: Path,
    words: Sequence[Sequence[str]],
    gold: Sequence[Sequence[str]],
    guess: Sequence[Sequence[str]],
) -> list[Path]:
    """A line a word with its gold and its predicted tag, an empty line between sentences.

    predictions.conll is separated by single blanks, as conlleval reads it; predictions.tsv by tabs,
    as wnuteval.py does; neither reads the other. No word is left out: an empty word, and white
    space inside a word or tag, is shown as an open box, and a word ``-X-`` gets one at its end.
    Raises: RunError if a file cannot be written.
    """
    spelt, gold, guess = (
        [[_one_column(text) for text in sentence] for sentence in column]
        for column in (words, gold, guess)
    )
    written = []
    for name, separator in (("predictions.conll", " "), ("predictions.tsv", "\t")):
        sentences = [
            "".join(f"{separator.join(columns)}\n" for columns in zip(*sentence, strict=True))
            for sentence in zip(spelt, gold, guess, strict=True)
        ]
        written.append(_write(folder / name, "\n".join(sentences)))
    return written


def write_answers(
    folder: Path,
    answers: Mapping[str, str],
    alternatives: Mapping[str, Sequence[Mapping[str, Any]]],
    no_answer: Mapping[str, float] | None = None,
) -> list[Path]:
    """predictions.json {id: answer} and nbest.json {id: [{text, start, end, probability}, ...]}.

    The scorers of SQuAD 1.1, SQuAD 2.0 and MRQA read predictions.json; an empty answer says that
    there is none. no_answer: the probability that each question has none, written to na_prob.json
    for SQuAD 2.0's scorer (``--na-prob-file``). Letters beyond ASCII are escaped, as the scorers
    open the files in whatever encoding the machine has.
    Raises: RunError if a file cannot be written.
    """
    contents: dict[str, Any] = {"predictions.json": answers, "nbest.json": alternatives}
    if no_answer is not None:
        contents["na_prob.json"] = no_answer
    return [
        _write(folder / name, json.dumps(dict(content), indent=1) + "\n")
        for name, content in contents.items()
    ]


def _one_field(text: str) -> str:
    return re.sub(r"[\t\r\n]", " ", text)


def _one_column(word: str) -> str:
    if not word or word == _BOUNDARY:
        return word + _BLANK
    return re.sub(r"\s", _BLANK, word)


def _write(path: Path, text: str) -> Path:
    write_atomically(path, text.encode(errors="replace"))  # half of a surrogate pair becomes "?"
    return path
