"""Column files: a word and its tag a line, sentences apart by empty lines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from federa.datasets.lines import read_lines
from federa.errors import DataError
from federa.registry import nearest, shown
from federa.types import Table

_TAG = re.compile(r"O|[BI]-(?=.*\S)(.+)")
_BREAK = "-DOCSTART-"  # CoNLL-2003 puts it between documents


def read_sentences(
    path: Path, columns: int | None = None, types: Collection[str] | None = None
) -> Iterator[tuple[list[str], list[str]]]:
    """Words (first column) and BIO tags (last column) of each sentence.

    Columns are apart by a tab or by blanks, whichever the first line with a word has; a word may
    hold any other character. columns: how many there are, None for as many as in that line; types:
    the entity types that may occur, None for any. An I- tag may stand without a B- before it.
    Raises: DataError naming the line.
    """
    kept: dict[str, str] = {}  # one object for all occurrences of a word
    separator = ""
    words: list[str] = []
    tags: list[str] = []
    found = False
    for number, line in read_lines(path):
        if not line.strip(" \t") or line.startswith(_BREAK):
            if words:
                yield words, tags
                words, tags = [], []
            continue
        separator = separator or ("\t" if "\t" in line else " ")
        parts = _columns(line, separator)
        columns = columns or max(2, len(parts))
        _check(f"{path}:{number}", parts, columns, types, separator)
        words.append(kept.setdefault(parts[0], parts[0]))
        tags.append(kept.setdefault(parts[-1], parts[-1]))
        found = True
    if words:
        yield words, tags
    if not found:
        raise DataError(f"{path}: holds no words")


def _columns(line: str, separator: str) -> list[str]:
    if separator == " ":  # runs of blanks, as columns are lined up in some files
        return [part for part in line.split(" ") if part]
    parts = line.rstrip(" ").split("\t")
    return parts[:-1] if len(parts) > 1 and not parts[-1] else parts


def _check(
    place: str, parts: list[str], columns: int, types: Collection[str] | None, separator: str
) -> None:
    if len(parts) != columns or not parts[0].strip(" "):
        between = "a tab" if separator == "\t" else "blanks"
        raise DataError(
            f"{place}: {shown(parts)} where {columns} columns (word, ..., tag) apart by {between} "
            "are expected"
        )
    require_tag(place, parts[-1], types)


def require_tag(place: str, tag: str, types: Collection[str] | None = None) -> None:
    """Refuse what is no BIO tag, or the tag of a type that is not among ``types``.

    Raises: DataError.
    """
    matched = _TAG.fullmatch(tag)
    if matched is None:
        raise DataError(f"{place}: no tag {shown(tag)}; expected O, B-type or I-type")
    if types is not None and matched[1] is not None and matched[1] not in types:
        raise DataError(f"{place}: no type {shown(matched[1])}; {nearest(matched[1], types)}")


def tag_names(tables: Iterable[Table | None]) -> tuple[str, ...]:
    """All tags of the tables, O first and the others sorted."""
    found = {tag for table in tables if table for tags in table["tags"] for tag in tags}
    return ("O", *sorted(found - {"O"}))
