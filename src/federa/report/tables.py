"""The tables of a report: scores, cost to the target, differences, networks, sizes, rates."""

from __future__ import annotations

from federa.report.cells import (
    NOTHING,
    in_words,
    middle_and_spread,
    percent,
    signed_points,
    with_interval,
)
from federa.report.cost_tables import cost_table, networks_table, sizes_table
from federa.report.findings import Findings, MethodResult, Setting
from federa.report.rendering import Column, Table, setting_table, write_tables
from federa.report.statistics import interval

__all__ = ["Table", "all_tables", "setting_tables", "write_tables"]

MOST_SCORES = 3
"""Besides the main one, so that the table stays narrow enough for a page."""
INTERVALS = "± is half of the 95 % interval of the mean (Student's t over the seeds)."


def all_tables(findings: Findings) -> list[Table]:
    """Every setting's tables, one setting after the other."""
    return [table for setting in findings.settings for table in setting_tables(setting)]


def setting_tables(setting: Setting) -> list[Table]:
    """The tables of one setting that have something to say."""
    found = [_scores(setting), cost_table(setting)]
    if setting.differences:
        found.append(_differences(setting))
    if setting.networks:
        found.append(networks_table(setting))
    return [*found, sizes_table(setting), _rates(setting)]


def _scores(setting: Setting) -> Table:
    """Scores over the seeds, with the ceiling and the baseline below."""
    results, split, name = setting.methods, scored_split(setting), in_words(setting.score)
    validation = [with_interval(result.validation_interval) for result in results]
    final = [with_interval(result.test_interval) for result in results]
    below = _below(setting)
    blank = [NOTHING] * len(below)
    columns: list[Column] = [
        ("method", [result.method for result in results] + [row[0] for row in below]),
        (
            f"{split} {name} (%)",
            (final if split == "test" else validation) + [row[1] for row in below],
        ),
        *((heading, cells + blank) for heading, cells in _other_scores(setting)),
    ]
    if split == "test":
        columns.append((f"validation {name} (%)", validation + blank))
    rounds = [list(result.best_rounds.values()) for result in results]
    columns += [
        ("best round", [middle_and_spread(of_one, whole=True) for of_one in rounds] + blank),
        ("seeds", [_seeds(result) for result in results] + [row[2] for row in below]),
    ]
    several = any(len(result.validation) > 1 for result in results)
    note = INTERVALS if several else ""
    return setting_table(setting.name, "scores", "scores of the best round", columns, note)


def _below(setting: Setting) -> list[tuple[str, str, str]]:
    """Name, score and number of seeds of what methods are held against."""
    rows = []
    if setting.ceiling:
        found = interval(list(setting.ceiling.values()))
        rows.append(("full, all data at one place", with_interval(found), str(found.num_values)))
    if setting.baseline is not None:
        rows.append(("best guess without the input", percent(setting.baseline), NOTHING))
    return rows


def _other_scores(setting: Setting) -> list[Column]:
    """Test scores besides the main one."""
    names = dict.fromkeys(name for result in setting.methods for name in result.all_scores)
    others = [name for name in names if name not in (setting.score, "loss")]
    return [
        (
            f"test {in_words(name)} (%)",
            [with_interval(result.all_scores.get(name)) for result in setting.methods],
        )
        for name in others[:MOST_SCORES]
    ]


def scored_split(setting: Setting) -> str:
    """What final scores and differences are of: test, or validation where nothing has a test."""
    return "test" if any(result.test for result in setting.methods) else "validation"


def _seeds(result: MethodResult) -> str:
    """How many seeds have a final score, and how many have none."""
    number = len(result.test or result.validation)
    running = (
        len(result.reached)
        - number
        - len(result.failures.keys() & {run.seed for run in result.reached})
    )
    parts = [str(number)]
    if running > 0:
        parts.append(f"{running} not finished")
    if result.failures:
        parts.append(f"{len(result.failures)} failed")
    return ", ".join(parts)


def _differences(setting: Setting) -> Table:
    """Paired differences, and who is better where that can be said."""
    found = setting.differences
    columns: list[Column] = [
        ("first - second", [f"{one.first} - {one.second}" for one in found]),
        ("difference (points)", [signed_points(one.interval.mean) for one in found]),
        ("from", [signed_points(one.interval.low) for one in found]),
        ("to", [signed_points(one.interval.high) for one in found]),
        ("pairs", [str(one.interval.num_values) for one in found]),
        ("better", [one.better or "not decided" for one in found]),
    ]
    note = (
        "Differences on the same seed and split; from and to are the 95 % interval of their mean "
        "(Student's t). Nothing is decided where it includes zero or there is one pair. Intervals "
        "are not widened for the number of comparisons."
    )
    title = f"differences in {scored_split(setting)} {in_words(setting.score)} between methods"
    return setting_table(setting.name, "differences", title, columns, note)


def _rates(setting: Setting) -> Table:
    """The learning rates that were tried, and the chosen."""
    rows: list[tuple[str, str, str, str]] = []
    for result in setting.methods:
        chosen = result.learning_rates
        for rate in sorted(result.tried.keys() | set(chosen.values())):
            seeds = ", ".join(str(seed) for seed, one in sorted(chosen.items()) if one == rate)
            if rate in result.tried:
                score = percent(result.tried[rate]) if result.tried[rate] is not None else "failed"
            else:
                score = "not searched"
            rows.append((result.method, f"{rate:g}", score, seeds or NOTHING))
    headings = (
        "method",
        "learning rate",
        f"validation {in_words(setting.score)} of a short run (%)",
        "used by seeds",
    )
    return Table(f"{setting.name}-rates", f"{setting.name}: learning rates", headings, tuple(rows))
