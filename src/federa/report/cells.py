"""What stands in the cells of a table: a unit for the whole column, intervals, spreads."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping

from federa.report.findings import Interval
from federa.report.statistics import median, spread
from federa.report.units import Unit, suiting, three_digits

OPERATIONS = tuple(
    Unit(f"{prefix}FLOP", 1000.0**power) for power, prefix in enumerate(("M", "G", "T", "P"), 2)
)
NOTHING = "-"


def unit_of_column(scale: tuple[Unit, ...], values: Iterable[float | None]) -> Unit:
    """The unit that suits the geometric middle of the values, so that none is written too long."""
    known = [value for value in values if value]
    return suiting(scale, math.sqrt(min(known) * max(known)) if known else 0.0)


def number(value: float | None, size: float = 1) -> str:
    """``value`` in a unit of ``size``, three digits; a dash for None."""
    return NOTHING if value is None else three_digits(value / size)


def middle_and_spread(
    values: Collection[float | None], size: float = 1, *, whole: bool = False
) -> str:
    """Median (least to greatest, where they differ); None is beyond all numbers.

    A dash where the median is None; whole: the values are whole numbers.
    """
    middle, ends = median(values), spread(values)
    if middle is None or ends is None:
        return NOTHING
    texts = [f"{value:g}" if whole else number(value, size) for value in (*ends, middle)]
    least, greatest, centre = texts
    if None in values:
        greatest = "beyond"
    return centre if least == greatest else f"{centre} ({least} to {greatest})"


def saved(reductions: Mapping[int, float]) -> str:
    """Reductions by seed in per cent: the median (least to greatest, where they differ).

    Infinite ones, of seeds on which only one of two methods reached the target, are words.
    """
    if not reductions:
        return NOTHING
    values = sorted(reductions.values())
    middle, least, greatest = map(_saved, (statistics.median(values), values[0], values[-1]))
    return middle if least == greatest else f"{middle} ({least} to {greatest})"


def _saved(value: float) -> str:
    if math.isfinite(value):
        return percent(value)
    if math.isnan(value):
        return "not decided"
    return "not reached" if value < 0 else "reached alone"


def percent(value: float | None) -> str:
    """A share of one, as per cent with one digit."""
    return NOTHING if value is None else f"{100 * value:.1f}"


def signed_points(value: float | None) -> str:
    """A difference of shares of one, in points with their sign and one digit."""
    return NOTHING if value is None else f"{100 * value:+.1f}"


def with_interval(found: Interval | None) -> str:
    """Mean and half of the 95 % interval, in per cent."""
    if found is None:
        return NOTHING
    if found.high is None:
        return percent(found.mean)
    return f"{percent(found.mean)} ± {percent(found.high - found.mean)}"


def in_words(name: str) -> str:
    """A name of the code for people."""
    return name.replace("_", " ")
