"""Scores by learning rate, from the records of run.sh and rates.sh, as a Markdown table.

python benchmarks/comparisons/rates.py benchmarks/results/comparisons benchmarks/results/rates
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from pathlib import Path

from federa.report.results import final_scores, learning_rates
from federa.report.runs import Run, read_runs

PERCENT = 100


def main() -> None:
    runs = [run for run in read_runs(map(Path, sys.argv[1:])) if run.summary and not run.pooled]
    by_rate: dict[tuple[str, str], dict[float, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for rate in learning_rates([run]).values():
            by_rate[run.setting, run.method][rate].append(run)
    print("| setting | method | learning rate | validation (%) | test (%) | last round | seeds |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for (setting, method), rates in sorted(by_rate.items()):
        if len(rates) < 2:
            continue
        for rate, found in sorted(rates.items()):
            best = (
                [_score(run, "validation") for run in found],
                [_score(run, "test") for run in found],
            )
            last = [_last(run) for run in found]
            means = " | ".join(f"{statistics.fmean(column):.1f}" for column in (*best, last))
            print(f"| {setting} | {method} | {rate:g} | {means} | {len(found)} |")


def _score(run: Run, split: str) -> float:
    return PERCENT * float(final_scores(run, split)[run.config.task.main_score])


def _last(run: Run) -> float:
    """The last round's score on the validation sample."""
    scores = [record.scores["validation"] for record in run.records if record.scores]
    return PERCENT * float(scores[-1][run.config.task.main_score])


if __name__ == "__main__":
    main()
