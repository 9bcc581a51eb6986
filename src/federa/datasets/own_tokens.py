"""The user's own words and tags, from column files or from tables with lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from federa.datasets.conll import read_sentences, require_tag
from federa.errors import DataError
from federa.registry import shown
from federa.types import Table

COLUMN_SUFFIXES = (".conll", ".iob", ".bio", ".txt")
SUFFIXES = (*COLUMN_SUFFIXES, ".jsonl", ".ndjson", ".json", ".parquet")


def read_columns(path: Path, words: str, tags: str) -> Table:
    """A column file as a table; words, tags: what its first and last column are named.

    Raises: DataError naming the line.
    """
    table: Table = {words: [], tags: []}
    for sentence, sentence_tags in read_sentences(path):
        table[words].append(sentence)
        table[tags].append(sentence_tags)
    return table


def token_rows(place: str, words: list[Any], tags: list[Any], names: tuple[str, str]) -> Table:
    """Checked columns words and tags.

    names: what the two are called in the file, for errors.
    Raises: DataError naming the row.
    """
    kept: dict[str, str] = {}  # one object for all occurrences
    for index, pair in enumerate(zip(words, tags, strict=True)):
        where = f"{place}: row {index + 1}"
        for name, cell in zip(names, pair, strict=True):
            _require_words(f"{where}, column {name!r}", cell)
        if len(pair[0]) != len(pair[1]):
            raise DataError(f"{where} has {len(pair[0])} words and {len(pair[1])} tags")
        for tag in pair[1]:
            require_tag(where, tag)
        for cell in pair:  # in place: two copies would be large
            cell[:] = [kept.setdefault(text, text) for text in cell]
    return {"words": words, "tags": tags}


def _require_words(where: str, cell: Any) -> None:
    if not isinstance(cell, list) or not cell:
        raise DataError(f"{where}: expected a list of strings, not {shown(cell)}")
    for text in cell:
        if not isinstance(text, str) or not text.strip(" "):
            raise DataError(f"{where}: expected strings that are not empty, not {shown(text)}")


def require_known_types(place: str, split: str, table: Table, train: Table) -> None:
    """Refuse an entity type that does not occur in training.

    Raises: DataError.
    """
    unknown = sorted(_types(table) - _types(train))
    if unknown:
        raise DataError(
            f"{place}: type {shown(unknown[0])} of the {split} split does not occur in training"
        )


def _types(table: Table) -> set[str]:
    return {tag[2:] for tags in table["tags"] for tag in tags if tag != "O"}
