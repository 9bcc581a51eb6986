"""Things in place of a data file that are no plain file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bad_input.tables import GOOD


def folder(place: Path) -> None:
    """A folder with the name of a table."""
    (place / "t.csv").mkdir()


def folder_among(place: Path) -> None:
    """Such a folder beside a table."""
    (place / "d").mkdir()
    (place / "d" / "a.csv").write_bytes(GOOD)
    (place / "d" / "b.csv").mkdir()


def broken_link(place: Path) -> None:
    """A link to nothing."""
    (place / "t.csv").symlink_to(place / "nothing.csv")


def circle(place: Path) -> None:
    """A link to itself."""
    (place / "t.csv").symlink_to(place / "t.csv")


def null(place: Path) -> None:
    """A link to what is always empty."""
    (place / "t.csv").symlink_to(os.devnull)


def pipe(place: Path) -> None:
    """A named pipe that nobody writes to."""
    os.mkfifo(place / "t.csv")


def pipe_among(place: Path) -> None:
    """Such a pipe beside a table."""
    (place / "d").mkdir()
    (place / "d" / "a.csv").write_bytes(GOOD)
    os.mkfifo(place / "d" / "b.parquet")


def broken_among(place: Path) -> None:
    """A link to nothing beside a table."""
    (place / "d").mkdir()
    (place / "d" / "a.csv").write_bytes(GOOD)
    (place / "d" / "b.csv").symlink_to(place / "nothing.csv")


ODD: list[tuple[str, Callable[[Path], None], str, str]] = [
    ("odd_folder", folder, "t.csv", "t.csv: the folder holds no "),
    ("odd_folder_among", folder_among, "d", "d/b.csv: not a plain file"),
    ("odd_folder_in_pattern", folder_among, "d/*.csv", "d/b.csv: not a plain file"),
    ("odd_broken_link", broken_link, "t.csv", "t.csv: not a plain file"),
    ("odd_broken_link_among", broken_among, "d", "d/b.csv: not a plain file"),
    ("odd_circle", circle, "t.csv", "t.csv: not a plain file"),
    ("odd_null", null, "t.csv", "t.csv: not a plain file"),
    ("odd_pipe", pipe, "t.csv", "t.csv: not a plain file"),
    ("odd_pipe_among", pipe_among, "d", "d/b.parquet: not a plain file"),
]
"""What is no plain file: made by, named by ``data.train``, what must be said."""
