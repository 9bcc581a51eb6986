"""What settings found, in sentences that claim no more than the intervals allow."""

from __future__ import annotations

from itertools import groupby

from federa.report.charts import joined, percent, words
from federa.report.findings import Findings, MethodResult, Setting
from federa.report.gaps import DataSet, GapChange, data_sets, gap_changes
from federa.report.look import Look
from federa.report.units import percent_less

FULL = "full"


def headline(setting: Setting, look: Look) -> str:
    """Which method scores highest, and of which others that can be said."""
    scored = [result for result in setting.methods if result.test_interval is not None]
    if not scored:
        return "No run has a test score yet."
    best = max(scored, key=_mean)
    name = _names([best.method], look)
    name = f"{name[:1].upper()}{name[1:]}"
    metric, score = words(setting.score), f"{percent(_mean(best))}{_bounds(best)}"
    if len(scored) == 1:
        return f"{name} reaches {metric} {score} on the test set."
    lead = f"{name} has the highest {metric} on the test set, {score}"
    return lead + _standing(setting, best, look)


def _standing(setting: Setting, best: MethodResult, look: Look) -> str:
    """How the method with the highest mean compares with the others, seed by seed."""
    ahead, undecided, behind = _sorted(setting, best.method)
    if behind:  # a mean over other seeds can be higher than where the seeds are the same
        return f", but is behind {_names(behind, look)} on the seeds that both have."
    if ahead and undecided:
        return (
            f". It is better than {_names(ahead, look)} on the same seeds and splits; between it "
            f"and {_names(undecided, look)} no winner can be named."
        )
    if ahead:
        return f", and is better than {_names(ahead, look)} on the same seeds and splits."
    if max(len(result.test) for result in setting.methods) == 1:
        return ", with one seed: not enough to say that any method is better."
    return ", but is not certain to be better than any other: no winner can be named."


def _mean(result: MethodResult) -> float:
    return result.test_interval.mean if result.test_interval else 0.0


def _bounds(result: MethodResult) -> str:
    found = result.test_interval
    if found is None or found.low is None or found.high is None:
        return ""
    low, high = f"{100 * found.low:.1f}", f"{100 * found.high:.1f}"
    return f" (95 % interval {low} to {high}, {found.num_values} seeds)"


def _sorted(setting: Setting, method: str) -> tuple[list[str], list[str], list[str]]:
    """The other methods: worse for certain, not decided, better for certain."""
    groups: tuple[list[str], list[str], list[str]] = ([], [], [])
    for one in setting.differences:
        if method in (one.first, one.second):
            other = one.second if one.first == method else one.first
            groups[{method: 0, None: 1}.get(one.better, 2)].append(other)
    return groups


def _names(methods: list[str], look: Look) -> str:
    """Labels for a sentence, in the fixed order."""
    return joined(
        [
            "full fine-tuning" if name == FULL else look.labels[name]
            for name in sorted(methods, key=look.place)
        ]
    )


def cost_sentences(setting: Setting, look: Look) -> list[str]:
    """What reaching the target took, against full fine-tuning, and who did not reach it."""
    if setting.target is None:
        return []
    sentences = []
    for result in sorted(setting.methods, key=lambda result: look.place(result.method)):
        shares = ((result.time_reduction, "modelled time"), (result.bytes_reduction, "traffic"))
        known = [(share, what) for share, what in shares if share and share.median is not None]
        if known and result.method != FULL:
            costs = [f"{percent_less(share.median or 0.0)} {what}" for share, what in known]
            number = len(known[0][0].reductions)
            seeds = f"median of {number} seeds" if number > 1 else "one seed"
            sentences.append(
                f"{look.labels[result.method]} reaches the target with {joined(costs)} than full "
                f"fine-tuning ({seeds})."
            )
    return sentences + _missing(setting, look)


def _missing(setting: Setting, look: Look) -> list[str]:
    """Who did not reach the target, or does not fit; both are results."""
    runs = {result.method: result.reached for result in setting.methods if result.reached}
    missed = {method: sum(run.round is None for run in reached) for method, reached in runs.items()}
    never = [method for method, number in missed.items() if number == len(runs[method])]
    sentences = []
    lengths = sorted({run.num_rounds for method in never for run in runs[method]})
    if never:
        sentences.append(
            f"Target not reached in {' or '.join(map(str, lengths))} rounds by "
            f"{_names(never, look)}."
        )
    sentences += [
        f"Target not reached on {number} of {len(runs[method])} seeds by {_names([method], look)}."
        for method, number in missed.items()
        if 0 < number < len(runs[method])
    ]
    unfit = [result.method for result in setting.methods if result.fits is False]
    if unfit:
        sentences.append(f"Too large for the memory of the devices: {_names(unfit, look)}.")
    return sentences


def gap_sentences(findings: Findings, look: Look) -> list[str]:
    """Whether methods stand otherwise against full fine-tuning in another setting of their data."""
    return [
        _gap_sentence(data_set, list(changes), look)
        for data_set in data_sets(findings)
        for _, changes in groupby(gap_changes(data_set), lambda one: (one.first, one.second))
    ]


def _gap_sentence(data_set: DataSet, changes: list[GapChange], look: Look) -> str:
    """On two settings: who stands lower in which, who may not, and who has too few seeds."""
    first, second = changes[0].first, changes[0].second
    score = words(data_set.settings[first].score)
    lead = f"{data_set.name}, {score} on {changes[0].split}, against full fine-tuning: "
    known = [change for change in changes if change.num_pairs > 1]
    if not known:
        scored = any(change.num_pairs for change in changes)
        seeds = "one seed" if scored else "no seed that is scored in both"
        return (
            f"{lead}with {seeds} it cannot be said whether the gap of any method differs between "
            f"{first} and {second}."
        )
    parts = [_shift(change, look) for change in known if change.lower_in is not None]
    undecided = [change for change in known if change.lower_in is None]
    if undecided:
        names = _names([change.method for change in undecided], look)
        counts = sorted({change.num_pairs for change in undecided})
        parts.append(
            f"for {names} a difference between {first} and {second} cannot be told from chance "
            f"({' or '.join(map(str, counts))} seeds)"
        )
    few = [change.method for change in changes if change.num_pairs < 2]
    if few:
        parts.append(f"for {_names(few, look)} there are too few seeds to say")
    return lead + "; ".join(parts) + "."


def _shift(change: GapChange, look: Look) -> str:
    """How much lower a method stands in one of two settings; its interval must exclude zero."""
    found = change.interval
    assert found is not None
    other = change.second if change.lower_in == change.first else change.first
    low, high = sorted(abs(end) for end in (found.low, found.high) if end is not None)
    points = 100 * abs(found.mean)
    size = f"{points:.1f}" if points >= 0.05 else "less than 0.1"
    return (
        f"{look.labels[change.method]} stands {size} points lower in {change.lower_in} than in "
        f"{other} "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}, {found.num_values} seeds)"
    )
