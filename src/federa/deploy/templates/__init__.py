"""The texts of a new deployment; ``@name`` or ``@{name}`` stands for what is filled in."""

from __future__ import annotations

from pathlib import Path
from string import Template


class _AtTemplate(Template):
    """``$`` and ``%`` mean something to compose and systemd."""

    delimiter = "@"


def fill(template: str, **values: object) -> str:
    """The text of the file ``template`` of this folder with every ``@name`` filled in."""
    text = (Path(__file__).parent / template).read_text(encoding="utf-8")
    return _AtTemplate(text).substitute(values)
