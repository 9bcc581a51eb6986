"""Runs in, findings out: who reaches the target first, at what cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING

from federa.errors import RunError
from federa.registry import names, nearest
from federa.report.costs import series_of
from federa.report.describing import (
    data_in_words,
    description,
    environment,
    profile_in_words,
    shared_config,
)
from federa.report.failures import Failures, failures_of, read_failures, without_result
from federa.report.findings import (
    Clients,
    DiagnosticSeries,
    Difference,
    Findings,
    Reached,
    Series,
    Setting,
)
from federa.report.network_times import network_times
from federa.report.notes import notes_on, notes_on_machines
from federa.report.reaching import FULL, SMOOTHING, reached, target_of
from federa.report.results import final_scores, method_result, scores_of
from federa.report.statistics import better, paired

if TYPE_CHECKING:
    from federa.profiles import Profile
    from federa.report.runs import Run


@dataclass(frozen=True)
class Question:
    """What is asked of every setting; targets: by name, "" for all that are not named."""

    targets: Mapping[str, float]
    profile: Profile | None
    pooled: Sequence[Run]
    failures: Failures


def find(
    runs: Sequence[Run],
    *,
    target: float | Mapping[str, float] | None = None,
    kept_targets: Mapping[str, float] | None = None,
    profile: Profile | None = None,
    title: str = "Comparison",
    commands: Iterable[str] = (),
) -> Findings:
    """Everything that a report on ``runs`` says; one run is enough.

    target: for all settings, or by name, "" for all others; kept_targets: by name, of settings for
    which ``target`` says nothing; one of a setting without runs does not matter.
    Raises: RunError if there are none, if a target names no setting, or if a setting mixes tasks.
    """
    if not runs:
        raise RunError("report: no runs to report on")
    federated, pooled = _separate(runs)
    asked = dict(target) if isinstance(target, Mapping) else {} if target is None else {"": target}
    _check(_by_setting(federated), asked)
    distinct, doubled = _distinct(federated)
    pooled, doubled_pooled = _distinct(pooled)
    by_setting = _by_setting(distinct)
    failures = read_failures(run.path for run in runs)
    targets = asked if "" in asked else {**(kept_targets or {}), **asked}
    question = Question(targets, profile, pooled, failures)
    settings = [_setting(name, group, question) for name, group in by_setting.items()]
    ceilings = {name: ceiling_runs(group, pooled) for name, group in by_setting.items()}
    return Findings(
        title=title,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        settings=settings,
        smoothing=SMOOTHING,
        profile=profile_in_words(profile) if profile else {},
        commands=list(commands),
        configs={name: shared_config(group) for name, group in by_setting.items()},
        environment=environment(runs),
        notes=[
            *_left_out([*doubled, *doubled_pooled], pooled, by_setting, ceilings),
            *without_result(failures, settings),
            *notes_on_machines(runs),
        ],
    )


def _left_out(
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
        if not any(_is_ceiling(run, group[0]) for group in by_setting.values()):
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


def _by_setting(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.setting, []).append(run)
    return found


def _distinct(runs: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    """One run of every setting, method and seed, a finished one if possible; and the others."""
    kept: dict[tuple[str, str, int], Run] = {}
    others = []
    for run in runs:
        key = (run.setting, run.method, run.seed)
        if key not in kept:
            kept[key] = run
        elif kept[key].summary is None and run.summary is not None:
            others.append(kept[key])
            kept[key] = run
        else:
            others.append(run)
    return list(kept.values()), others


def _separate(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Runs to compare, and those of all data at one client, which are a ceiling for others.

    Where there is nothing else, these are compared.
    """
    federated = [run for run in runs if not run.pooled]
    return (federated, [run for run in runs if run.pooled]) if federated else (list(runs), [])


def _check(by_setting: Mapping[str, Sequence[Run]], targets: Iterable[str]) -> None:
    for name in targets:
        if name and name not in by_setting:
            raise RunError(f"target: no setting {name!r}; {nearest(str(name), by_setting)}")
    for name, runs in by_setting.items():
        tasks = sorted({run.config.task.name for run in runs})
        if len(tasks) > 1:
            raise RunError(
                f"{name}: its runs are of different tasks ({', '.join(tasks)}); a setting has one, "
                "so give their configurations different names"
            )


def _setting(name: str, runs: Sequence[Run], question: Question) -> Setting:
    by_method = _by_method(runs)
    series = [series_of(run, question.profile) for of_one in by_method.values() for run in of_one]
    finished = {(run.method, run.seed) for run in runs if run.summary is not None}
    whole = [one for one in series if (one.method, one.seed) in finished]
    target, source = target_of(question.targets, name, whole or series)
    of_method = _reached(runs, series, target, question.failures)
    config = runs[0].config
    found = Setting(
        name=name,
        description=description(runs),
        score=config.task.main_score,
        target=target,
        target_source=source,
        baseline=_baseline(runs),
        num_rounds=max(run.config.federation.num_rounds for run in runs),
        methods=[
            method_result(
                method,
                of_one,
                of_method,
                question.profile,
                failures_of(question.failures, of_one),
            )
            for method, of_one in by_method.items()
        ],
        series=series,
        differences=_differences(by_method),
        networks=network_times(by_method, of_method, question.profile) if question.profile else [],
        clients=_clients(runs),
        diagnostics=[found for run in runs if (found := diagnostics_of(run)) is not None],
        ceiling=_ceiling(runs, question.pooled),
        data=data_in_words(config),
    )
    used = ceiling_runs(runs, question.pooled)
    return replace(found, notes=notes_on(found, runs, question.profile, used))


def _by_method(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Runs by method in the order of the registry, each with its seeds in order."""
    from federa.methods import METHODS

    order = names(METHODS)
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (order.index(run.config.method.name), run.method)):
        found.setdefault(run.method, []).append(run)
    return {method: sorted(group, key=lambda run: run.seed) for method, group in found.items()}


def _reached(
    runs: Sequence[Run], series: Iterable[Series], target: float | None, failures: Failures
) -> dict[str, list[Reached]]:
    """By method, of runs that are over; one that failed counts as far as it got."""
    lengths = {
        (run.method, run.seed): len(run.records)
        for run in runs
        if run.summary is not None or (run.setting, run.method, run.seed) in failures
    }
    found: dict[str, list[Reached]] = {run.method: [] for run in runs}
    for one in series:
        length = lengths.get((one.method, one.seed))
        if length is not None:
            here = Reached(one.seed, length) if target is None else reached(one, length, target)
            found[one.method].append(here)
    return found


def _differences(by_method: Mapping[str, Sequence[Run]]) -> list[Difference]:
    """Of every two methods with common seeds, on test; on validation where nothing has a test."""
    scores = {method: scores_of(runs, "test") for method, runs in by_method.items()}
    if not any(scores.values()):
        scores = {method: scores_of(runs, "validation") for method, runs in by_method.items()}
    found = []
    for first, second in combinations(scores, 2):
        difference = paired(scores[first], scores[second])
        if difference is not None:
            better_one = better(difference, first, second)
            found.append(Difference(first, second, difference, better_one))
    return found


def _baseline(runs: Iterable[Run]) -> float | None:
    for run in runs:
        found = (run.summary or {}).get("baseline", {})
        if found:
            return float(found.get("test", found.get("validation")))
    return None


def _clients(runs: Iterable[Run]) -> Clients | None:
    """Who holds what in the first run that says so; None where no client has labels."""
    found = next((run.clients for run in runs if run.clients is not None), None)
    if found is None or found["mean_jensen_shannon_distance"] is None:
        return None
    return Clients(
        axis=found["axis"],
        labels=found["labels"],
        counts=found["counts"],
        sizes=found["sizes"],
        distance=found["mean_jensen_shannon_distance"],
        random_distance=found["random_jensen_shannon_distance"],
    )


def diagnostics_of(run: Run) -> DiagnosticSeries | None:
    """The diagnostics of a run's rounds, by quantity and layer; None where they were off."""
    records = [record for record in run.records if record.diagnostics is not None]
    known = [(record.round, dict(record.diagnostics or {})) for record in records]
    if not known:
        return None
    layers = list(known[0][1].pop("layers"))
    quantities = list(known[0][1])
    return DiagnosticSeries(
        method=run.method,
        seed=run.seed,
        rounds=[round for round, _ in known],
        layers=layers,
        values={
            quantity: [
                [content[quantity][place] for _, content in known] for place in range(len(layers))
            ]
            for quantity in quantities
        },
    )


def _ceiling(runs: Sequence[Run], pooled: Iterable[Run]) -> dict[int, float]:
    """Test (else validation) score of pooled full fine-tuning on the same data, by seed."""
    has_test = any(final_scores(run, "test") for run in runs)
    return scores_of(ceiling_runs(runs, pooled), "test" if has_test else "validation")


def ceiling_runs(runs: Sequence[Run], pooled: Iterable[Run]) -> list[Run]:
    """Of finished pooled runs on the data of a setting: the one of each seed that was made for it,
    else the only one that no comparison made for others."""
    setting, found = runs[0].setting, []
    by_seed: dict[int, list[Run]] = {}
    for run in pooled:
        if run.summary is not None and _is_ceiling(run, runs[0]):
            by_seed.setdefault(run.seed, []).append(run)
    for candidates in by_seed.values():
        own = [run for run in candidates if setting in (*run.ceiling_of, run.setting)]
        others = [run for run in candidates if not run.ceiling_of]
        for fitting in (own, others):
            if fitting:
                found += fitting if len(fitting) == 1 else []
                break
    return found


def _is_ceiling(pooled: Run, run: Run) -> bool:
    """Whether a run on all data at one place is full fine-tuning on the data of another run."""
    one, other = pooled.config, run.config
    return one.method.name == FULL and (one.model, one.task, one.data) == (
        other.model,
        other.task,
        other.data,
    )
