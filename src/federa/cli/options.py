"""What several commands share."""

from __future__ import annotations

import logging
import signal
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


class Stopped(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is."""


@contextmanager
def interruptible(go_on: Callable[[], str | None]) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, say how to go on, if there is something to go on with."""

    def stop(*_: object) -> None:
        raise Stopped

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        how = go_on()
        if how is not None:
            print(f"stopped; {how}", file=sys.stderr)
        raise SystemExit(143 if isinstance(error, Stopped) else 130) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
