"""What several commands share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key, such as train.batch_size=4."),
]
DEFAULT_FILE = "federa.yaml"


def print_note(text: str) -> None:
    """Show a note where it does not mix with what a command prints."""
    print(text, file=sys.stderr)


@contextmanager
def log_lines(note: Callable[[str], None]) -> Iterator[None]:
    """Show the package's own log lines as notes."""

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    logger, handler = logging.getLogger("federa"), Notes()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
