"""Sums that scores are made of: they add up over examples, and over sites that keep theirs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from federa.registry import shown

if TYPE_CHECKING:
    import numpy

LARGEST_COUNT = 2.0**53
"""Beyond it floats skip whole numbers."""

LARGEST_LOSS = 1e39
"""More than any cross-entropy of float32 logits, which are less than 7e38 apart."""


@dataclass(frozen=True)
class Counts:
    """Of one label or several: the right guesses, all guesses, and how often they are the truth."""

    hits: float
    guesses: float
    examples: float

    @classmethod
    def read(cls, sums: Mapping[str, float], kind: str, names: Iterable[str]) -> Counts:
        """Those of all ``names`` together, as ``counted`` wrote them."""
        rows = [[sums[name] for name in names_of_counts(kind, name)] for name in names]
        hits, guesses, examples = (sum(column) for column in zip((0.0,) * 3, *rows, strict=True))
        return cls(hits, guesses, examples)

    @property
    def precision(self) -> float:
        """Right ones of the guesses; 0 without any."""
        return ratio(self.hits, self.guesses)

    @property
    def recall(self) -> float:
        """Those found of the true ones; 0 without any."""
        return ratio(self.hits, self.examples)

    @property
    def f1(self) -> float:
        """2 P R / (P + R) = 2 hits / (guesses + examples); 0 without any."""
        return ratio(2 * self.hits, self.guesses + self.examples)


@dataclass(frozen=True)
class Limit:
    """The sums ``parts`` make at most ``times`` the sum ``whole``; if ``exactly``, just that."""

    parts: tuple[str, ...]
    whole: str
    times: float = 1.0
    exactly: bool = False


def names_of_counts(kind: str, name: str) -> tuple[str, str, str]:
    """The names of the hits, guesses and examples of a label."""
    return f"{kind}/{name}/hits", f"{kind}/{name}/guesses", f"{kind}/{name}/examples"


def counted(
    kind: str,
    names: Iterable[str],
    hits: Iterable[str],
    guesses: Iterable[str],
    examples: Iterable[str],
) -> dict[str, float]:
    """How often each of ``names`` occurs in ``hits``, in ``guesses`` and in ``examples``."""
    parts = Counter(hits), Counter(guesses), Counter(examples)
    return {
        key: float(part[name])
        for name in names
        for key, part in zip(names_of_counts(kind, name), parts, strict=True)
    }


def common_sums(num_examples: int, losses: Sequence[float] | numpy.ndarray) -> dict[str, float]:
    """What every tally has: the number of examples, and the losses of texts, words or windows."""
    import numpy

    return {
        "num_examples": float(num_examples),
        "loss_sum": float(numpy.sum(losses, dtype=numpy.float64)),
        "loss_count": float(len(losses)),
    }


def mean_loss(sums: Mapping[str, float]) -> float:
    """The mean of all losses; 0 without any."""
    return ratio(sums["loss_sum"], sums["loss_count"])


def ratio(part: float, whole: float) -> float:
    """part / whole; 0 of nothing."""
    return part / whole if whole else 0.0


def added_up(tallies: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The sum of tallies that have the same names, the same in whatever order they come."""
    assert tallies, "there is something to add up"
    return {name: math.fsum(sums[name] for sums in tallies) for name in tallies[0]}


def limits_of_counts(kind: str, names: Iterable[str]) -> list[Limit]:
    """No label has more hits than guesses or examples."""
    found = []
    for name in names:
        hits, *others = names_of_counts(kind, name)
        found += [Limit((hits,), other) for other in others]
    return found


def fault_of_sums(
    sums: object,
    counts: Iterable[str],
    fractions: Iterable[str],
    limits: Iterable[Limit],
) -> str | None:
    """What is wrong with sums that came from elsewhere, in one line, or None.

    counts, fractions: the names of whole and of other numbers, besides what every tally has;
    limits: what must hold among them.
    """
    whole = {"num_examples", "loss_count", *counts}
    if not isinstance(sums, Mapping):
        return f"sums are {shown(sums)}, not numbers by name"
    if wrong := _wrong_names(set(sums), whole | {"loss_sum", *fractions}):
        return wrong
    for name, value in sums.items():
        if wrong := _no_sum(name, value, name in whole):
            return wrong
    values = {name: float(value) for name, value in sums.items()}
    if not values["num_examples"] and any(values.values()):
        name = next(name for name, value in values.items() if value)
        return f"sum {shown(name)} is {values[name]:g}, but there are no examples"
    every = [*limits, Limit(("loss_sum",), "loss_count", times=LARGEST_LOSS)]
    return next(filter(None, (_excess(values, limit) for limit in every)), None)


def _wrong_names(given: set[object], wanted: set[str]) -> str | None:
    missing, surplus = sorted(wanted - given), sorted(given - wanted, key=repr)
    if not missing and not surplus:
        return None
    first = f"lack {shown(missing[0])}" if missing else f"have an unknown {shown(surplus[0])}"
    return f"sums {first} ({len(missing)} missing, {len(surplus)} unknown)"


def _no_sum(name: str, value: object, is_count: bool) -> str | None:
    most = LARGEST_COUNT if is_count else LARGEST_COUNT * LARGEST_LOSS
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"sum {shown(name)} is {shown(value)}, which is not a number"
    if not 0 <= value <= most:  # nor are NaN and infinity
        return f"sum {shown(name)} is {shown(value)}; allowed: from 0 to {most:g}"
    if is_count and not float(value).is_integer():
        return f"sum {shown(name)} is {shown(value)}, which is not a whole number"
    return None


def _excess(values: Mapping[str, float], limit: Limit) -> str | None:
    total = math.fsum(values[name] for name in limit.parts)
    most = limit.times * values[limit.whole]
    if total == most or (total < most and not limit.exactly):
        return None
    first, *others = limit.parts
    more = f" with {len(others)} like it" if others else ""
    bound = f"{most:g}" if limit.exactly else f"at most {most:g}"
    return f"sum {shown(first)}{more} is {total:g}; allowed by {shown(limit.whole)}: {bound}"
