"""Gaps to full fine-tuning in every setting, and how they change between settings of a data set.

The question of the paper: whether data that is not identically distributed opens a gap between
parameter-efficient methods and full fine-tuning, and which method closes it.
Source of the question: arXiv 2404.18848.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from federa.report.cells import in_words, signed_points
from federa.report.findings import Difference, Findings, Interval, MethodResult, Setting
from federa.report.reaching import FULL
from federa.report.rendering import Table
from federa.report.statistics import better, paired
from federa.report.tables import scored_split

POOLED = "pooled"
"""Full fine-tuning with all data at one place, as the second of a difference."""
UNDECIDED = "not decided"
PAIRED = (
    "from and to are the 95 % interval of the mean over the seeds (Student's t). Nothing is "
    "decided where it includes zero or there is one pair, which does not mean that there is no "
    "difference. Intervals are not widened for the number of comparisons."
)


@dataclass(frozen=True)
class DataSet:
    """Settings that differ in neither data, model, task nor score.

    settings: by name, without the name of the data set where they start with it.
    """

    name: str
    settings: dict[str, Setting]


@dataclass(frozen=True)
class GapChange:
    """A method's gap to full fine-tuning in ``first`` minus that in ``second``, paired by seed.

    first, second: settings of one data set; gaps: method minus full in each, mean over the seeds
    of ``interval``, which is None where no seed has all four scores; split: what scores are of.
    """

    method: str
    first: str
    second: str
    split: str
    gaps: tuple[float, float] | None
    interval: Interval | None

    @property
    def num_pairs(self) -> int:
        """Seeds with all four scores."""
        return self.interval.num_values if self.interval else 0

    @property
    def lower_in(self) -> str | None:
        """In which setting the method stands lower against full; None if that is not decided."""
        if self.interval is None:
            return None
        higher = better(self.interval, self.first, self.second)
        return {self.first: self.second, self.second: self.first}.get(higher or "")


def data_sets(findings: Findings) -> list[DataSet]:
    """The settings by data set, in their order; one whose data is not said stands alone."""
    groups: dict[tuple[str, ...], list[Setting]] = {}
    for setting in findings.settings:
        groups.setdefault(_identity(setting), []).append(setting)
    times = Counter(data for data, *_ in groups)
    found = []
    for (data, *others), settings in groups.items():
        kind = ", ".join(in_words(one) for one in others if one and one != data)
        found.append(
            DataSet(f"{data} ({kind})" if times[data] > 1 else data, _by_name(data, settings))
        )
    return found


def _identity(setting: Setting) -> tuple[str, ...]:
    """What two settings must share so that their scores can be subtracted."""
    said = setting.description
    if "data" not in said:
        return (setting.name,)
    data = said["data"].rpartition(", ")[0] or said["data"]  # without the number of its examples
    return data, said.get("model", ""), said.get("task", ""), setting.score, setting.data


def _by_name(data: str, settings: list[Setting]) -> dict[str, Setting]:
    short = [one.name.removeprefix(data).lstrip(" ,:-_/") or one.name for one in settings]
    distinct = len(set(short)) == len(short)
    return dict(zip(short if distinct else [one.name for one in settings], settings, strict=True))


def gaps(setting: Setting) -> list[Difference]:
    """Every method minus full fine-tuning, and that minus its pooled ceiling, paired by seed.

    On test, or on validation where nothing has a test; empty without full fine-tuning.
    """
    scores = _scores(setting, scored_split(setting))
    if FULL not in scores:
        return []
    pairs = [(name, FULL, of_one, scores[FULL]) for name, of_one in scores.items() if name != FULL]
    pairs.append((FULL, POOLED, scores[FULL], setting.ceiling))
    return [
        Difference(first, second, found, better(found, first, second))
        for first, second, ours, others in pairs
        if (found := paired(ours, others)) is not None
    ]


def gap_changes(data_set: DataSet) -> list[GapChange]:
    """For every two settings that have full fine-tuning: every other method that both have."""
    return [
        change
        for first, second in combinations(data_set.settings, 2)
        for change in _changes(data_set, first, second)
    ]


def _changes(data_set: DataSet, first: str, second: str) -> list[GapChange]:
    settings = [data_set.settings[name] for name in (first, second)]
    tested = all(scored_split(setting) == "test" for setting in settings)
    split = "test" if tested else "validation"
    one, other = (_gaps_by_seed(_scores(setting, split)) for setting in settings)
    changes = []
    for method in one:
        if method in other:
            ours, theirs = one[method], other[method]
            common = sorted(ours.keys() & theirs.keys())
            means = (_mean(ours, common), _mean(theirs, common)) if common else None
            found = paired(ours, theirs)
            changes.append(GapChange(method, first, second, split, means, found))
    return changes


def _mean(gaps: Mapping[int, float], seeds: Iterable[int]) -> float:
    return fmean(gaps[seed] for seed in seeds)


def _scores(setting: Setting, split: str) -> dict[str, Mapping[int, float]]:
    return {result.method: _of_split(result, split) for result in setting.methods}


def _of_split(result: MethodResult, split: str) -> Mapping[int, float]:
    return result.test if split == "test" else result.validation


def _gaps_by_seed(scores: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, float]]:
    full = scores.get(FULL)
    if full is None:
        return {}
    # rounded, so that gaps of equal size are equal and no change is made of the last digits
    return {
        method: {
            seed: round(score - full[seed], 9) for seed, score in of_one.items() if seed in full
        }
        for method, of_one in scores.items()
        if method != FULL
    }


def gap_table(findings: Findings) -> Table:
    """Every setting's gaps to full fine-tuning, and of that to its ceiling."""
    rows = [
        (
            setting.name,
            f"{one.first} - {one.second}",
            f"{scored_split(setting)} {in_words(setting.score)}",
            *_points(one.interval),
            one.better or UNDECIDED,
        )
        for setting in findings.settings
        for one in gaps(setting)
    ]
    return Table(
        name="overview-gaps",
        title="Gap to full fine-tuning by setting",
        columns=(
            "setting",
            "first - second",
            "score",
            *("difference (points)", "from", "to", "pairs"),
            "better",
        ),
        rows=tuple(rows),
        note=f"Differences on the same seed and split; {PAIRED} Pooled: full fine-tuning with all "
        "data at one place.",
    )


def gap_change_table(findings: Findings) -> Table:
    """How gaps to full fine-tuning change between settings of the same data set."""
    rows = [
        (
            data_set.name,
            change.method,
            f"{change.split} {in_words(data_set.settings[change.first].score)}",
            *(change.first, change.second),
            *(signed_points(gap) for gap in change.gaps),
            *_points(change.interval),
            UNDECIDED if change.lower_in is None else f"lower in {change.lower_in}",
        )
        for data_set in data_sets(findings)
        for change in gap_changes(data_set)
        if change.gaps is not None and change.interval is not None
    ]
    return Table(
        name="overview-gap-changes",
        title="Change of the gap to full fine-tuning between settings",
        columns=(
            *("data", "method", "score", "setting A", "setting B"),
            *("gap in A (points)", "gap in B (points)", "A - B (points)", "from", "to", "pairs"),
            "against full",
        ),
        rows=tuple(rows),
        note="Gap: method - full on the same seed and split; A - B: the difference of the two "
        f"gaps, seed by seed; {PAIRED}",
    )


def _points(found: Interval) -> tuple[str, ...]:
    values = (found.mean, found.low, found.high)
    return (*map(signed_points, values), str(found.num_values))


def overview_tables(findings: Findings) -> list[Table]:
    """The tables across settings that have rows; none where there is one setting."""
    if len(findings.settings) < 2:
        return []
    tables = [gap_change_table(findings), gap_table(findings)]
    return [table for table in tables if table.rows]
