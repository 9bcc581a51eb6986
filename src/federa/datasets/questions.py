"""Rows of question answering: what every source of questions is checked for."""

from __future__ import annotations

from typing import Any

from federa.errors import DataError
from federa.registry import shown
from federa.types import Table

COLUMNS = ("id", "question", "context", "answers", "references")


def question_table(*more: str) -> Table:
    """An empty table of questions, with further columns."""
    return {name: [] for name in (*COLUMNS, *more)}


def add_question(table: Table, **row: Any) -> None:
    """Append one row; the names are those of the columns."""
    for name, values in table.items():
        values.append(row[name])


def span(place: str, context: str, text: str, start: int) -> dict[str, Any]:
    """An answer by the characters of the context that it is.

    Raises: DataError if ``context`` does not hold ``text`` at ``start``.
    """
    _refuse_blank(place, text)
    stands = context[start : start + len(text)] if start >= 0 else ""
    if stands != text or not text:
        raise DataError(
            f"{place}: the answer {shown(text)} does not start at character {start}, where "
            f"{shown(stands) if stands else 'nothing'} stands"
        )
    return {"text": text, "start": start}


def _refuse_blank(place: str, text: str) -> None:
    """White space occurs in any context, and answers nothing."""
    if text and not text.strip():
        raise DataError(f"{place}: the answer {shown(text)} is blank")


def require_text(place: str, name: str, text: str) -> None:
    """Refuse an empty question, context or id.

    Raises: DataError.
    """
    if not text.strip():
        raise DataError(f"{place}: the {name} is empty")


def require_new(place: str, name: str, seen: set[str]) -> None:
    """Refuse the id of an earlier row, and note this one.

    Raises: DataError.
    """
    if name in seen:
        raise DataError(f"{place}: the id {shown(name)} came before; each must be given once")
    seen.add(name)


def answers_of(place: str, context: str, given: Any) -> list[dict[str, Any]]:
    """The spans that a cell describes: none, or one or more, each checked.

    given: SQuAD's ``{"text": [...], "answer_start": [...]}``; a list of ``{"text", "start"}`` (or
    ``"answer_start"``); or the answer alone, or a list of answers, each taken where the context has
    it first.
    Raises: DataError.
    """
    if given is None or given in ("", [], {}):
        return []
    if isinstance(given, str):
        given = [given]
    if isinstance(given, dict) and {"text", "answer_start"} <= set(given):
        texts, starts = given["text"], given["answer_start"]
        if isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts):
            pairs = zip(texts, starts, strict=True)
            given = [{"text": text, "start": start} for text, start in pairs]
    if not isinstance(given, list):
        raise DataError(f"{place}: the answers are {shown(given)}; {_FORMS}")
    return [_answer(place, context, answer) for answer in given]


_FORMS = (
    'expected {"text": [...], "answer_start": [...]}, a list of {"text", "start"}, or an answer '
    "of the context"
)


def _answer(place: str, context: str, answer: Any) -> dict[str, Any]:
    if isinstance(answer, str):
        _refuse_blank(place, answer)
        start = context.find(answer)
        if start < 0 or not answer:
            raise DataError(f"{place}: the answer {shown(answer)} does not occur in the context")
        return {"text": answer, "start": start}
    if not isinstance(answer, dict):
        raise DataError(f"{place}: the answer is {shown(answer)}; {_FORMS}")
    text, first = answer.get("text"), answer.get("start", answer.get("answer_start"))
    if not isinstance(text, str) or not isinstance(first, int) or isinstance(first, bool):
        raise DataError(f"{place}: the answer is {shown(answer)}; {_FORMS}")
    return span(place, context, text, first)
