"""Pooled full fine-tuning held beside the settings of its data, and what is in no table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from federa.report.reaching import FULL

if TYPE_CHECKING:
    from federa.report.runs import Run


def ceiling_runs(runs: Sequence[Run], pooled: Iterable[Run]) -> list[Run]:
    """Of finished pooled runs on the data of a setting: the one of each seed that was made for it,
    else the only one that no comparison made for others."""
    setting, found = runs[0].setting, []
    by_seed: dict[int, list[Run]] = {}
    for run in pooled:
        if run.summary is not None and is_ceiling(run, runs[0]):
            by_seed.setdefault(run.seed, []).append(run)
    for candidates in by_seed.values():
        own = [run for run in candidates if setting in (*run.ceiling_of, run.setting)]
        others = [run for run in candidates if not run.ceiling_of]
        for fitting in (own, others):
            if fitting:
                found += fitting if len(fitting) == 1 else []
                break
    return found


def is_ceiling(pooled: Run, run: Run) -> bool:
    """Whether a run on all data at one place is full fine-tuning on the data of another run."""
    one, other = pooled.config, run.config
    return one.method.name == FULL and (one.model, one.task, one.data) == (
        other.model,
        other.task,
        other.data,
    )


def left_out(
    doubled: Iterable[Run],
    pooled: Iterable[Run],
    by_setting: Mapping[str, Sequence[Run]],
    ceilings: Mapping[str, Sequence[Run]],
) -> list[str]:
    """Runs that are in no table, and why."""
    lines = [
        f"{run.path}: left out; its setting, method and seed are there twice" for run in doubled
    ]
    for run in pooled:
        if not any(is_ceiling(run, group[0]) for group in by_setting.values()):
            lines.append(
                f"{run.path}: left out; all data at one place, but not full fine-tuning on the "
                "data of a setting"
            )
        elif run.summary is None:
            lines.append(f"{run.path}: not finished, so no ceiling")
        elif not any(run in used for used in ceilings.values()):
            lines.append(
                f"{run.path}: left out; another run is the ceiling of its settings, or it is one "
                "of several of a seed that could be"
            )
    return lines
