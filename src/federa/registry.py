"""Lookup of registered records by name or alias, with the nearest valid names in the error."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import ConfigDict, Strict

from federa.errors import ConfigError

RECORD = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
"""How every registered record and every section of a configuration is validated."""

Integer: TypeAlias = Annotated[int, Strict()]
Real: TypeAlias = Annotated[float, Strict()]
Flag: TypeAlias = Annotated[bool, Strict()]
"""Field types that take no other kind of value: ``seed: true`` and ``rank: "8"`` are mistakes."""

Names = TypeVar("Names", bound=Sequence[str])
MOST_LETTERS, MOST_NAMES = 60, 30
_BOUNDED = reprlib.Repr()  # repr() would write out what aliases repeat a million times
_BOUNDED.maxstring = _BOUNDED.maxother = _BOUNDED.maxlong = 2 * MOST_LETTERS
_BOUNDED.maxlist = _BOUNDED.maxdict = _BOUNDED.maxtuple = 8
_BOUNDED.maxlevel = 4


def names(registry: Iterable[type[Any]]) -> list[str]:
    """The canonical name of every record class in ``registry``, in its order."""
    return [str(record.model_fields["name"].default) for record in registry]


def once(values: Names) -> Names:
    """``values``; raises ValueError if one of them is there twice (for pydantic)."""
    if len(set(values)) < len(values):
        raise ValueError("must not name anything twice")
    return values


def nearest(wrong: str, allowed: Iterable[str]) -> str:
    """A hint such as ``did you mean 'fedavg'?``, or the whole list when nothing is near."""
    options = list(allowed)
    close = difflib.get_close_matches(wrong[:MOST_LETTERS], options, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(repr(name) for name in close) + "?"
    listed = [name[:MOST_LETTERS] for name in options[:MOST_NAMES]]
    more = f" and {len(options) - MOST_NAMES} more" if len(options) > MOST_NAMES else ""
    return "allowed: " + (", ".join(listed) or "none") + more


def shown(value: Any) -> str:
    """``value`` as it stands in an error: some sixty letters, however large or deep it is."""
    try:
        text = _BOUNDED.repr(value)
    except ValueError:  # an integer beyond Python's limit of digits
        text = "a number of very many digits"
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."


def canonical(kind: str, given: str, registry: Iterable[type[Any]]) -> str:
    """The canonical name for ``given``, which may be an alias in any letter case.

    Raises: ConfigError if nothing in ``registry`` has that name.
    """
    folded = given.lower().replace("-", "_")
    known = {spelling.lower(): name for spelling, name in spellings(registry).items()}
    if folded in known:
        return known[folded]
    raise ConfigError(f"{kind}: unknown name {shown(given)}; {nearest(folded, known)}")


def spellings(registry: Iterable[type[Any]]) -> dict[str, str]:
    """Every name and alias in ``registry``, with the canonical name that it stands for."""
    return {
        spelling: name
        for record in registry
        for name in names((record,))
        for spelling in (name, *record.aliases)
    }


def describe(registry: Iterable[type[Any]]) -> list[tuple[str, str]]:
    """(name with aliases, one-line summary) of every record class, for the lists."""
    rows = []
    for record in registry:
        (name,) = names((record,))
        also = f" ({', '.join(record.aliases)})" if record.aliases else ""
        rows.append((name + also, record.summary))
    return rows
