"""Means with intervals, paired differences, medians that count what did not happen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping

from federa.report.findings import Interval

CONFIDENCE = 0.95


def interval(values: Collection[float]) -> Interval:
    """The mean of at least one value, with its 95 % interval by Student's t.

    One value has no interval: its bounds are None.
    """
    number, mean = len(values), statistics.fmean(values)
    if number == 1:
        return Interval(mean, None, None, 1)
    from scipy.stats import t

    quantile = float(t.ppf((1 + CONFIDENCE) / 2, number - 1))
    half = quantile * statistics.stdev(values) / math.sqrt(number)
    return Interval(mean, mean - half, mean + half, number)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Interval | None:
    """The differences ``first - second`` on the seeds that both have; None if there is no such."""
    common = sorted(first.keys() & second.keys())
    return interval([first[seed] - second[seed] for seed in common]) if common else None


def better(difference: Interval, first: str, second: str) -> str | None:
    """Which of two methods is better, given the interval of ``first - second``.

    None if the interval includes zero, or has no bounds since there are fewer than two pairs.
    """
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return None
    return first if difference.low > 0 else second


def median(values: Collection[float | None]) -> float | None:
    """The median, where None stands for more than any number (a target that was not reached).

    None if there are no values, or if the median itself is not finite.
    """
    if not values:
        return None
    middle = statistics.median(math.inf if value is None else value for value in values)
    return middle if math.isfinite(middle) else None


def reductions(
    ours: Mapping[int, float | None], theirs: Mapping[int, float | None]
) -> dict[int, float]:
    """1 - ours / theirs on the seeds that both have, where None is a target that was not reached.

    Where only theirs is None it is the greatest there can be (inf), where only ours is, the least
    (-inf); a seed on which both are is left out.
    """
    found = {}
    for seed in sorted(ours.keys() & theirs.keys()):
        one, other = ours[seed], theirs[seed]
        if one is not None and other is not None:
            found[seed] = 1 - one / other
        elif one is not None or other is not None:
            found[seed] = -math.inf if one is None else math.inf
    return found


def spread(values: Collection[float | None]) -> tuple[float, float] | None:
    """The least and the greatest of the numbers among ``values``; None if there are none."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None
