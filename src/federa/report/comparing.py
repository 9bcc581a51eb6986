"""Runs in, findings out: who reaches the target first, at what cost, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING

from federa.errors import RunError
from federa.registry import names, nearest
from federa.report.ceilings import ceiling_runs, left_out
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
from federa.report.reaching import SMOOTHING, reached, target_of
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
            *left_out([*doubled, *doubled_pooled], pooled, by_setting, ceilings),
            *without_result(failures, settings),
            *notes_on_machines(runs),
        ],
    )


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
    config, pooled = runs[0].config, ceiling_runs(runs, question.pooled)
    has_test = any(final_scores(run, "test") for run in runs)
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
        ceiling=scores_of(pooled, "test" if has_test else "validation"),
        data=data_in_words(config),
    )
    return replace(found, notes=notes_on(found, runs, question.profile, pooled))


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
