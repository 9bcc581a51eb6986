"""Bytes, seconds and joules in the unit that suits their size, for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit by its symbol, and how many of the base unit make one."""

    symbol: str
    size: float


BYTES = tuple(Unit(symbol, 1000.0**power) for power, symbol in enumerate(("B", "kB", "MB", "GB")))
SECONDS = (Unit("s", 1.0), Unit("min", 60.0), Unit("h", 3600.0), Unit("days", 86400.0))
JOULES = tuple(Unit(symbol, 1000.0**power) for power, symbol in enumerate(("J", "kJ", "MJ")))


def suiting(scale: tuple[Unit, ...], largest: float) -> Unit:
    """The largest unit of ``scale`` in which ``largest`` is at least one, else the smallest."""
    return next((unit for unit in reversed(scale) if largest >= unit.size), scale[0])


def written(scale: tuple[Unit, ...], value: float) -> str:
    """``value``, given in the base unit, as three digits and a unit: 1.25 MB."""
    unit = suiting(scale, value)
    return f"{three_digits(value / unit.size)} {unit.symbol}"


def three_digits(value: float) -> str:
    """``value`` with about three digits, and none lost before the point: 0.00123, 12.3, 1,234."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.3g}"


def percent_less(reduction: float) -> str:
    """A reduction as words: 97 % less, 12 % more; a digit more where it is nearly everything."""
    if reduction < 0:
        return f"{-reduction:.0%} more".replace("%", " %")
    digits = 1 if 0.9 < reduction < 1 else 0
    return f"{reduction:.{digits}%} less".replace("%", " %")
