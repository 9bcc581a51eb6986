"""A table of text, as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from federa.files import explained, write_atomically

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
}
MINUS = re.compile(r"(?<!\S)-(?=\d)")
MARKDOWN = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_[]<>|#~"})

Column: TypeAlias = tuple[str, list[str]]
"""A heading and the cells below it."""


@dataclass(frozen=True)
class Table:
    """Cells for people, each column's unit in its heading.

    name: of its file; title: a line; note: what a reader must know, or empty.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.name

    def to_markdown(self) -> str:
        """GitHub's Markdown, the title in bold above and the note below."""
        lines = [
            f"**{_markdown(self.title)}**",
            "",
            _row(self.columns),
            _row(["---", *["---:"] * (len(self.columns) - 1)], escaped=False),
            *(_row(row) for row in self.rows),
        ]
        if self.note:
            lines += ["", _markdown(self.note)]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """RFC 4180 with line feeds: headings and cells; no title, no note."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue()

    def to_latex(self) -> str:
        """A floating table that needs the packages booktabs and fontenc (T1)."""
        head, *rows = (" & ".join(map(_latex, row)) + r" \\" for row in (self.columns, *self.rows))
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(self.title)}}}",
            rf"\label{{tab:{_label(self.name)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
        ]
        if self.note:
            lines += [
                "",
                r"\medskip",
                rf"\parbox{{\linewidth}}{{\footnotesize {_latex(self.note)}}}",
            ]
        lines.append(r"\end{table}")
        return "\n".join(lines) + "\n"


def setting_table(
    setting: str, kind: str, title: str, columns: Sequence[Column], note: str = ""
) -> Table:
    """A table of one setting, put together from its columns."""
    return Table(
        name=f"{setting}-{kind}",
        title=f"{setting}: {title}",
        columns=tuple(heading for heading, _ in columns),
        rows=tuple(zip(*(cells for _, cells in columns), strict=True)),
        note=note,
    )


def _row(cells: Iterable[str], escaped: bool = True) -> str:
    return "| " + " | ".join(_markdown(cell) if escaped else cell for cell in cells) + " |"


def _markdown(text: str) -> str:
    return " ".join(text.split()).translate(MARKDOWN)


def _latex(text: str) -> str:
    """Escaped, with minus signs before numbers and a dash for a cell without one."""
    if text == "-":
        return "--"
    escaped = "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))
    return MINUS.sub("$-$", escaped)


def _label(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name)


def write_tables(tables: Iterable[Table], folder: Path) -> list[Path]:
    """Write ``<name>.md``, ``.csv`` and ``.tex`` of every table, replacing what is there.

    Raises: RunError.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        contents = {
            "md": table.to_markdown(),
            "csv": table.to_csv(),
            "tex": table.to_latex(),
        }
        for ending, text in contents.items():
            path = folder / f"{_file_name(table.name)}.{ending}"
            write_atomically(path, text.encode())
            written.append(path)
    return written
