"""The JSON layout of SQuAD: articles, their paragraphs, and questions on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from federa.datasets.interface import read_text
from federa.datasets.lines import members_of, parse_object, require_plain, value_of
from federa.datasets.questions import (
    add_question,
    question_table,
    require_new,
    require_text,
    span,
)
from federa.errors import DataError
from federa.registry import shown
from federa.types import Table


def read_squad_file(path: Path, impossible: str | None = None) -> Table:
    """Every question of a file, with the title of its article.

    A question marked ``is_impossible`` has no answers and no references; impossible: what to say
    where none may be so, None to take them.
    Raises: DataError naming the place in the file.
    """
    require_plain(path)
    return squad_table(parse_object(read_text(path), str(path)), str(path), impossible)


def squad_table(content: dict[str, Any], place: str, impossible: str | None = None) -> Table:
    """As ``read_squad_file``, of the parsed content."""
    table = question_table("title")
    seen: set[str] = set()
    for article_place, article in members_of(content, "data", place):
        title = value_of(article, "title", str, article_place) if "title" in article else ""
        for paragraph_place, paragraph in members_of(article, "paragraphs", article_place):
            context = value_of(paragraph, "context", str, paragraph_place)
            require_text(paragraph_place, "context", context)
            for where, question in members_of(paragraph, "qas", paragraph_place):
                row = _question(place, where, question, context, impossible)
                require_new(where, row["id"], seen)
                add_question(table, context=context, title=title, **row)
    if not table["id"]:
        raise DataError(f"{place}: holds no questions")
    return table


def _question(
    file: str, where: str, question: dict[str, Any], context: str, impossible: str | None
) -> dict[str, Any]:
    name = question.get("id")
    if isinstance(name, int) and not isinstance(name, bool):  # as some tools write it
        name = str(name)
    else:
        name = str(value_of(question, "id", str, where))
    require_text(where, "id", name)
    place = f"{file}: question {shown(name)}"
    text = value_of(question, "question", str, place)
    require_text(place, "question", text)
    unanswerable = question.get("is_impossible", False)
    if not isinstance(unanswerable, bool):
        raise DataError(f"{place}: 'is_impossible' holds {shown(unanswerable)}, not true or false")
    if unanswerable and impossible is not None:
        raise DataError(f"{place} has no answer (is_impossible); {impossible}")
    answers = []
    if not unanswerable:
        for inner, answer in members_of(question, "answers", place):
            start = value_of(answer, "answer_start", int, inner)
            answers.append(span(inner, context, value_of(answer, "text", str, inner), start))
        if not answers:
            raise DataError(f"{place}: has no answers and is not marked is_impossible")
    references = [answer["text"] for answer in answers]
    return {"id": name, "question": text, "answers": answers, "references": references}
