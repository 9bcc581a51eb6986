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
FULL, GIVEN = "full", "given"
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


def judge(runs: Iterable[Series]) -> tuple[str, list[Series]] | None:
    """The method that sets the target where nobody named one, and its runs that were scored.

    Full fine-tuning, or the best method where that is not among the runs; None if nothing was
    scored.
    """
    scored: dict[str, list[Series]] = {}
    for run in runs:
        if run.smoothed:
            scored.setdefault(run.method, []).append(run)
    if not scored:
        return None
    method = FULL if FULL in scored else max(scored, key=lambda name: _mean_best(scored[name]))
    return method, scored[method]


def _mean_best(runs: Iterable[Series]) -> float:
    return statistics.fmean(max(run.smoothed) for run in runs)


def rose_to_the_end(run: Series) -> bool:
    """Whether the best smoothed score is among the last ones, so that more rounds might beat it."""
    best = max(run.smoothed)
    return len(run.smoothed) >= 2 * WINDOW and best not in run.smoothed[:-WINDOW]


def default_target(runs: Iterable[Series]) -> tuple[float | None, str]:
    """95 % of the best smoothed score of the ``judge``, mean over seeds, and this in words."""
    found = judge(runs)
    if found is None:
        return None, "no run was scored"
    method, own = found
    whose = "full fine-tuning" if method == FULL else f"{method}, the best method here"
    number = len(own)
    seeds = f" (mean of {number} seeds)" if number > 1 else ""
    source = f"{100 * SHARE_OF_BEST:.0f} % of the best smoothed validation score of {whose}{seeds}"
    return SHARE_OF_BEST * _mean_best(own), source


def target_of(
    given: Mapping[str, float], setting: str, runs: Iterable[Series]
) -> tuple[float | None, str]:
    """The target of a setting, and where it comes from; given: by name, "" for all others."""
    wanted = given.get(setting, given.get(""))
    return default_target(runs) if wanted is None else (wanted, GIVEN)


def by_seed(runs: Iterable[Reached], what: str) -> dict[int, float | None]:
    """A figure of ``Reached`` by seed; None where the target was not reached."""
    return {run.seed: None if run.round is None else getattr(run, what) for run in runs}


def parts_of(run: Reached) -> Parts | None:
    """The modelled parts of the time to the target; None without profile or if not reached."""
    if run.download_seconds is None or run.compute_seconds is None or run.upload_seconds is None:
        return None
    return run.download_seconds, run.compute_seconds, run.upload_seconds


def totals(runs: Mapping[int, Parts | None]) -> dict[int, float | None]:
    """The parts together, by seed."""
    return {seed: None if parts is None else sum(parts) for seed, parts in runs.items()}


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
