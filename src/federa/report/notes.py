"""What a reader of a comparison must know besides its numbers, a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from federa.report.cells import percent
from federa.report.charts import joined
from federa.report.costs import flops_of, series_of
from federa.report.reaching import GIVEN, judge, rose_to_the_end
from federa.report.results import learning_rates, tried_rates

if TYPE_CHECKING:
    from federa.profiles import Profile
    from federa.report.findings import Setting
    from federa.report.runs import Run

FEW_SEEDS = 3
MAY_DIFFER = frozenset(("name", "seed", "method", "engine", "profile", "train.learning_rate"))
"""Keys of a configuration in which the runs of one setting may differ; ``method`` only between
methods."""


def notes_on(
    setting: Setting, runs: Sequence[Run], profile: Profile | None, ceiling: Sequence[Run] = ()
) -> list[str]:
    """The notes on one setting and its runs; ceiling: the pooled runs that are held beside them."""
    found = [
        *_on_seeds(runs),
        *_on_unfinished(runs),
        *_on_splits(runs),
        *_on_configs(runs),
        *_on_target(setting),
        *_on_near_misses(setting, runs),
        *_on_rates(setting, ceiling),
        *_on_ceiling(ceiling),
    ]
    if profile is not None:
        found += _on_model(runs, profile)
    return found


def _on_seeds(runs: Iterable[Run]) -> Iterator[str]:
    counts = Counter(run.method for run in runs)
    most = max(counts.values(), default=0)
    if most == 1:
        yield "one seed: no intervals, and no method is called better"
    elif most < FEW_SEEDS:
        yield f"{most} seeds: intervals from so few are wide"
    for method, number in counts.items():
        if number < most:
            yield f"{method} has {number} of the {most} seeds"


def _on_unfinished(runs: Iterable[Run]) -> Iterator[str]:
    for run in runs:
        if run.summary is None:
            rounds = f"{len(run.records)} of {run.config.federation.num_rounds} rounds"
            yield f"{run.method}, seed {run.seed}: not finished ({rounds}); no final scores"


def _on_splits(runs: Iterable[Run]) -> Iterator[str]:
    digests: dict[int, set[str]] = {}
    for run in runs:
        digests.setdefault(run.seed, set()).add(run.facts.data_sha256)
    different = [str(seed) for seed, found in sorted(digests.items()) if len(found) > 1]
    if different:
        yield (
            f"seed {', '.join(different)}: methods had different data or splits, so that their "
            "differences are not those of the methods alone"
        )


def _on_configs(runs: Sequence[Run]) -> Iterator[str]:
    contents = [(run.method, dict(_flat(run.config.model_dump(mode="json")))) for run in runs]
    different = [
        key
        for key in _different([content for _, content in contents])
        if not any(key == allowed or key.startswith(f"{allowed}.") for allowed in MAY_DIFFER)
    ]
    if different:
        yield f"its runs differ in {', '.join(different)}"
    for method in dict.fromkeys(name for name, _ in contents):
        of_one = _different([content for name, content in contents if name == method])
        own = [key for key in of_one if key.startswith("method.")]
        if own:
            yield f"the runs of {method} differ in {', '.join(own)}"


def _different(contents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose value is not the same in all."""
    keys = dict.fromkeys(key for content in contents for key in content)
    return [key for key in keys if len({str(content.get(key)) for content in contents}) > 1]


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _on_target(setting: Setting) -> Iterator[str]:
    """What a target is worth that was not named beforehand."""
    if setting.target is None:
        return
    if setting.baseline is not None and setting.target <= setting.baseline:
        yield (
            f"its target, {percent(setting.target)} %, is no more than the best guess without the "
            f"input scores ({percent(setting.baseline)} %): reaching it says nothing"
        )
    ends = {(result.method, run.seed) for result in setting.methods for run in result.reached}
    found = judge(one for one in setting.series if (one.method, one.seed) in ends)
    if setting.target_source == GIVEN or found is None:
        return
    method, own = found
    rising = sum(map(rose_to_the_end, own))
    if rising:
        yield (
            f"its target follows from where {method} stopped, whose best smoothed score is among "
            f"its last on {rising} of {len(own)} seeds: with more rounds target and reductions "
            "would be others; name a target beforehand for a claim"
        )


def _on_near_misses(setting: Setting, runs: Iterable[Run]) -> Iterator[str]:
    """Methods of which the scored examples decide whether they reached the target."""
    if setting.target is None:
        return
    best = {(one.method, one.seed): max(one.smoothed, default=None) for one in setting.series}
    near: dict[str, int] = {}
    for run in runs:
        score, error = best.get((run.method, run.seed)), _standard_error(run)
        if score is not None and error is not None and abs(score - setting.target) < error:
            near[run.method] = near.get(run.method, 0) + 1
    if near:
        seeds = ", ".join(f"{method} ({number})" for method, number in near.items())
        yield (
            "the best smoothed score is within one standard error of the target, so that the "
            f"examples that were scored decide whether it was reached; method (seeds): {seeds}"
        )


def _standard_error(run: Run) -> float | None:
    """Of the last score on the way."""
    for record in reversed(run.records):
        if "validation" in record.scores:
            found = record.scores["validation"].get("standard_error")
            return None if found is None else float(found)
    return None


def _on_rates(setting: Setting, ceiling: Sequence[Run]) -> Iterator[str]:
    """Methods whose rate is at an end of those tried, or no better than another."""
    searched = [(one.method, one.learning_rates, one.tried) for one in setting.methods]
    searched.append(("pooled", learning_rates(ceiling), tried_rates(ceiling)))
    ends: dict[str, list[str]] = {"highest": [], "lowest": []}
    equal = []
    for name, rates, tried in searched:
        for rate in sorted(set(rates.values()) & tried.keys()):
            at = {min(tried): "lowest", max(tried): "highest"}.get(rate)
            if at is not None and len(tried) > 1:
                ends[at].append(f"{name} ({rate:g})")
            others = [f"{one:g}" for one in tried if one != rate and tried[one] == tried[rate]]
            if others:
                same = joined(others)
                equal.append(f"{name}: learning rate {rate:g} was taken; {same} scored the same")
    for end, found in ends.items():
        if found:
            yield (
                f"the {end} learning rate that was tried was taken for {joined(found)}; a better "
                "one may lie beyond"
            )
    yield from equal


def _on_ceiling(runs: Sequence[Run]) -> Iterator[str]:
    """Whether more rounds might have raised the ceiling."""
    scored = [one for run in runs if (one := series_of(run, None)).smoothed]
    rising = sum(map(rose_to_the_end, scored))
    if rising:
        yield (
            f"pooled: on {rising} of {len(scored)} seeds its best smoothed score is among the "
            "last, so that more rounds might raise the ceiling"
        )


def _on_model(runs: Sequence[Run], profile: Profile) -> Iterator[str]:
    unknown = sorted({run.method for run in runs if run.facts.cost is None or not flops_of(run)})
    if unknown:
        yield f"no modelled times of {', '.join(unknown)}: its records do not say what was computed"
    others = sum(run.config.profile != profile for run in runs)
    if others and (profile.dropout or profile.deadline_seconds is not None):
        yield (
            f"{others} of {len(runs)} runs were not made under this profile: whom it would have "
            "dropped or cut off is in their scores all the same"
        )


def notes_on_machines(runs: Iterable[Run]) -> list[str]:
    """Whether runs come from different commits, versions or machines."""
    known = [run.environment for run in runs if run.environment]
    found = []
    commits = sorted({str(one.get("commit"))[:12] for one in known})
    if len(commits) > 1:
        found.append(f"Runs are of {len(commits)} commits of federa: {', '.join(commits)}.")
    versions: dict[str, set[str]] = {}
    for one in known:
        for package, version in one.get("versions", {}).items():
            versions.setdefault(package, set()).add(str(version))
    for package, several in sorted(versions.items()):
        if len(several) > 1:
            found.append(f"Runs used {package} {' and '.join(sorted(several))}.")
    machines = {(one.get("processor"), str(one.get("gpus")), one.get("threads")) for one in known}
    if len(machines) > 1:
        found.append(
            f"Runs are of {len(machines)} kinds of machine or numbers of threads: measured "
            "seconds are not comparable between them."
        )
    return found
