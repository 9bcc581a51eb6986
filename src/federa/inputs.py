"""New text to answer, from a file or the standard input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from federa.datasets.files import SUFFIXES, cell_text, expand, read_json_lines, read_table
from federa.datasets.interface import read_text
from federa.errors import ConfigError, DataError
from federa.files import user_path
from federa.registry import nearest
from federa.types import Table

if TYPE_CHECKING:
    from federa.tasks import Task


def read_inputs(
    place: str,
    standard_input: IO[bytes],
    task: Task,
    columns: Mapping[str, str],
    context: str | None = None,
) -> Table:
    """The inputs of ``task``, from a table (.csv, .tsv, .jsonl, .parquet) that calls them
    ``columns``, else a text a line, or a question a line about the passage in the file ``context``.

    place: a file, or ``-`` for ``standard_input``. Empty lines are left out, an empty cell is
    refused, so that answers and rows stay aligned.
    Raises: DataError if there is nothing to read; ConfigError if a context was given to a task
    that reads none.
    """
    if context is not None and "context" not in task.inputs:
        raise ConfigError(f"--context: {task.name} reads none")
    path = user_path(place)
    tabular = place != "-" and path.suffix.lower() in SUFFIXES
    if context is not None and tabular:
        raise ConfigError(
            f"--context: {place} is a table, which has the passage in its column "
            f"{columns['context']!r}; with --context, give a question a line"
        )
    if context is not None:
        questions = read_lines(place, standard_input)
        passage = read_text(user_path(context))
        return {"question": questions, "context": [passage] * len(questions)}
    if tabular:
        if len(files := expand(place)) != 1:
            raise DataError(f"{place}: holds {len(files)} files; name one")
        return _columns(place, read_table(files[0]), task, columns)
    if len(task.raw_inputs) > 1:
        if place != "-":
            raise DataError(
                f"{place}: {task.name} needs a table ({', '.join(SUFFIXES)}) with columns "
                f"{' and '.join(columns.values())}, or questions with --context FILE"
            )
        try:
            rows = read_json_lines("\n".join(_all_lines(place, standard_input)))
        except ValueError as error:
            raise DataError(f"standard input: {error}") from error
        return _columns("standard input", rows, task, columns)
    return {task.raw_inputs[0]: read_lines(place, standard_input)}


def _columns(place: str, table: Table, task: Task, names: Mapping[str, str]) -> Table:
    wanted = task.inputs if all(names[name] in table for name in task.inputs) else task.raw_inputs
    found: Table = {}
    for name in wanted:
        column = names[name]
        if column not in table:
            raise DataError(f"{place}: no column {column!r}; " + nearest(column, table))
        if name == "words":
            found[name] = [_words(place, row, cell) for row, cell in enumerate(table[column])]
            continue
        cells = enumerate(table[column])
        found[name] = [cell_text(place, column, row, cell) for row, cell in cells]
    if not found[wanted[0]]:
        raise DataError(f"{place}: no text to answer")
    if "id" in table and "id" not in found:
        found["id"] = [str(value) for value in table["id"]]
    return found


def _words(place: str, row: int, cell: object) -> list[str]:
    if not isinstance(cell, list) or not all(isinstance(word, str) for word in cell):
        raise DataError(f"{place}: row {row + 1}: expected a list of words")
    return cell


def read_lines(place: str, standard_input: IO[bytes]) -> list[str]:
    """The lines of a file, or of the standard input (``-``), without empty ones.

    Raises: DataError if there is none.
    """
    return [line for line in _all_lines(place, standard_input) if line.strip()]


def _all_lines(place: str, standard_input: IO[bytes]) -> list[str]:
    """The lines, at least one of which has text."""
    if place == "-":
        try:
            content = standard_input.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"standard input: not UTF-8 at byte {error.start}") from error
    else:
        content = read_text(Path(user_path(place)))
    if not content.strip():
        raise DataError(f"{'standard input' if place == '-' else place}: no text to answer")
    # splitlines would also cut at U+2028, U+0085 and form feeds, which texts and JSON may hold
    return [line.removesuffix("\r") for line in content.split("\n")]
