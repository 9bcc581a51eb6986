"""When a run reached a target score, and what the target is where nobody named one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from federa.report.findings import Reached, Series

WINDOW = 3
SMOOTHING = (
    "mean of a scored round and the two scored before it, or of as many as there are at the start"
)
FULL = "full"
SHARE_OF_BEST = 0.95

Parts: TypeAlias = tuple[float, float, float]
"""Modelled seconds of download, compute and upload."""


def smooth(scores: Sequence[float]) -> list[float]:
    """The trailing mean of every score, as ``SMOOTHING`` says."""
    return [
        statistics.fmean(scores[max(0, end - WINDOW) : end]) for end in range(1, len(scores) + 1)
    ]


def first_reached(rounds: Sequence[int], smoothed: Sequence[float], target: float) -> int | None:
    """The first round whose smoothed score is at least the target, or None."""
    for round, score in zip(rounds, smoothed, strict=True):
        if score >= target:
            return round
    return None


def reached(series: Series, num_rounds: int, target: float) -> Reached:
    """What a run had cost when it reached the target; num_rounds: how many it was watched for."""
    round = first_reached(series.rounds, series.smoothed, target)
    if round is None:
        return Reached(series.seed, num_rounds)
    place = series.rounds.index(round)

    def there(values: Sequence[float]) -> float | None:
        return values[place] if values else None  # empty without a profile

    return Reached(
        seed=series.seed,
        num_rounds=num_rounds,
        round=round,
        bytes=there(series.bytes),
        download_seconds=there(series.download_seconds),
        compute_seconds=there(series.compute_seconds),
        upload_seconds=there(series.upload_seconds),
        joules=there(series.joules),
    )


def default_target(runs: Iterable[Series]) -> tuple[float | None, str]:
    """95 % of the best smoothed score of full fine-tuning, mean over seeds, and this in words.

    Of the best method where full fine-tuning is not among the runs; None if nothing was scored.
    """
    best: dict[str, list[float]] = {}
    for run in runs:
        if run.smoothed:
            best.setdefault(run.method, []).append(max(run.smoothed))
    if not best:
        return None, "no run was scored"
    method = FULL if FULL in best else max(best, key=lambda name: statistics.fmean(best[name]))
    whose = "full fine-tuning" if method == FULL else f"{method}, the best method here"
    number = len(best[method])
    seeds = f" (mean of {number} seeds)" if number > 1 else ""
    source = f"{100 * SHARE_OF_BEST:.0f} % of the best smoothed validation score of {whose}{seeds}"
    return SHARE_OF_BEST * statistics.fmean(best[method]), source


def target_of(
    given: float | Mapping[str, float] | None, setting: str, runs: Iterable[Series]
) -> tuple[float | None, str]:
    """The target of a setting, and where it comes from; given: for all settings, or by name."""
    wanted = given.get(setting) if isinstance(given, Mapping) else given
    return default_target(runs) if wanted is None else (wanted, "given")


def parts_of(run: Reached) -> Parts | None:
    """The modelled parts of the time to the target; None without profile or if not reached."""
    if run.download_seconds is None or run.compute_seconds is None or run.upload_seconds is None:
        return None
    return run.download_seconds, run.compute_seconds, run.upload_seconds


def added(rows: Sequence[Parts]) -> Parts:
    """The sum of each part."""
    return sum(one[0] for one in rows), sum(one[1] for one in rows), sum(one[2] for one in rows)


def mean_parts(rows: Sequence[Parts]) -> Parts:
    """The mean of each part; zeros of no rows."""
    total, number = added(rows), max(1, len(rows))
    return total[0] / number, total[1] / number, total[2] / number


def middle(runs: Sequence[Parts | None]) -> Parts | None:
    """The parts of the run in the middle by their sum, so that they add up to the median.

    Of an even number of runs, the mean of the two in the middle; None, a run that did not reach the
    target, is longer than any.
    """
    ordered = sorted(runs, key=lambda parts: math.inf if parts is None else sum(parts))
    chosen = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    known = [parts for parts in chosen if parts is not None]
    return mean_parts(known) if known and len(known) == len(chosen) else None
