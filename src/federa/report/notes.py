"""What a reader of a comparison must know besides its numbers, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from federa.report.costs import flops_of

if TYPE_CHECKING:
    from federa.profiles import Profile
    from federa.report.findings import MethodResult, Setting
    from federa.report.runs import Run

FEW_SEEDS = 3
MAY_DIFFER = frozenset(("name", "seed", "method", "engine", "profile", "train.learning_rate"))
"""Keys of a configuration in which the runs of one setting may differ."""


def notes_on(setting: Setting, runs: Sequence[Run], profile: Profile | None) -> list[str]:
    """The notes on one setting and its runs."""
    found = [
        *_on_seeds(setting.methods),
        *_on_unfinished(runs),
        *_on_splits(runs),
        *_on_configs(runs),
        *_on_rates(setting.methods),
    ]
    if profile is not None:
        found += _on_model(runs, profile)
    return [f"{setting.name}: {note}" for note in found]


def _on_seeds(methods: Iterable[MethodResult]) -> Iterator[str]:
    counts = {result.method: len(result.reached) for result in methods}
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
    contents = [dict(_flat(run.config.model_dump(mode="json"))) for run in runs]
    keys = dict.fromkeys(key for content in contents for key in content)
    different = [
        key
        for key in keys
        if not any(key == allowed or key.startswith(f"{allowed}.") for allowed in MAY_DIFFER)
        and len({str(content.get(key)) for content in contents}) > 1
    ]
    if different:
        yield f"its runs differ in {', '.join(different)}"


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _on_rates(methods: Iterable[MethodResult]) -> Iterator[str]:
    for result in methods:
        for rate in sorted(set(result.learning_rates.values()) & result.tried.keys()):
            ends = {min(result.tried): "lowest", max(result.tried): "highest"}
            if rate in ends:
                yield (
                    f"{result.method}: its learning rate {rate:g} is the {ends[rate]} that was "
                    "tried; a better one may lie beyond"
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
