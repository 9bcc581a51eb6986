"""The user's own questions, from tables or from files in SQuAD's layout."""

from __future__ import annotations

import re
from pathlib import Path

from federa.datasets.interface import read_text
from federa.datasets.lines import parse_object, require_plain
from federa.datasets.own_tables import column_texts
from federa.datasets.questions import answers_of
from federa.datasets.squad_json import squad_table
from federa.types import Table

_SQUAD = re.compile(r'"paragraphs"\s*:')


def read_squad_layout(path: Path, question: str, context: str, answers: str) -> Table | None:
    """The questions of a .json file in SQuAD's layout, or None if it is another.

    question, context, answers: how to name the columns.
    Raises: DataError naming the place in the file.
    """
    if path.suffix.lower() != ".json":
        return None
    require_plain(path)
    content = read_text(path)
    if _SQUAD.search(content) is None:
        return None
    found = squad_table(parse_object(content, str(path)), str(path))
    return {
        "id": found["id"],
        "title": found["title"],
        question: found["question"],
        context: found["context"],
        answers: found["answers"],
    }


def question_rows(place: str, rows: Table, question: str, context: str, answers: str) -> Table:
    """Checked columns question, context, answers and references, and title if there is one.

    question, context, answers: what these columns of ``rows`` are called.
    Raises: DataError naming the row.
    """

    contexts: dict[str, str] = {}  # one object a passage, however many questions it has
    table: Table = {"question": column_texts(place, rows, question)}
    table["context"] = [
        contexts.setdefault(text, text) for text in column_texts(place, rows, context)
    ]
    table["answers"] = [
        answers_of(f"{place}: row {index + 1}", text, given)
        for index, (text, given) in enumerate(zip(table["context"], rows[answers], strict=True))
    ]
    if all(isinstance(title, str) for title in rows.get("title", [None])):
        table["title"] = rows["title"]
    table["references"] = [[answer["text"] for answer in row] for row in table["answers"]]
    return table
