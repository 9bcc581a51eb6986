"""What one method came to in one setting, over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.measure import best_round, total_seconds
from federa.report.costs import flops_of, memory
from federa.report.findings import Interval, MethodResult, Reached, Share
from federa.report.reaching import FULL, by_seed
from federa.report.statistics import interval, median, reductions
from federa.search import read_outcome

if TYPE_CHECKING:
    from federa.profiles import Profile
    from federa.report.runs import Run


def method_result(
    method: str,
    runs: Sequence[Run],
    reached: Mapping[str, list[Reached]],
    profile: Profile | None,
    failures: dict[int, str],
) -> MethodResult:
    """One method's runs, of different seeds; reached: of every method of the setting."""
    test, validation = scores_of(runs, "test"), scores_of(runs, "validation")
    facts, (peak_bytes, fits) = runs[0].facts, memory(runs[0], profile)
    update_bytes, update_head_bytes, first_contact_bytes = _mean_bytes(runs)
    time, traffic, energy = _shares(method, reached)
    return MethodResult(
        method=method,
        test=test,
        validation=validation,
        test_interval=_interval(test),
        validation_interval=_interval(validation),
        all_scores=_all_scores(runs),
        best_rounds=_best_rounds(runs),
        learning_rates=learning_rates(runs),
        tried=tried_rates(runs),
        reached=reached[method],
        time_reduction=time,
        bytes_reduction=traffic,
        energy_reduction=energy,
        num_trained_parameters=facts.num_trained_parameters,
        num_head_parameters=facts.num_head_parameters,
        num_parameters=facts.num_parameters,
        update_bytes=update_bytes,
        update_head_bytes=update_head_bytes,
        first_contact_bytes=first_contact_bytes,
        flops_per_round=_mean_flops(runs),
        peak_bytes=peak_bytes,
        fits=fits,
        measured_seconds={run.seed: total_seconds(run.records) for run in runs},
        per_client=_per_client(runs[0]),
        failures=failures,
    )


def final_scores(run: Run, split: str) -> dict[str, Any]:
    """All scores of a finished run's best state on a split; empty where there are none."""
    if run.summary is None:
        return {}
    state = run.summary.get("best") or run.summary.get("latest") or {}
    return dict(state.get("scores", {}).get(split, {}))


def scores_of(runs: Iterable[Run], split: str) -> dict[int, float]:
    """The main score of every finished run on a split, by seed."""
    found = {run.seed: final_scores(run, split).get(run.config.task.main_score) for run in runs}
    return {seed: float(score) for seed, score in found.items() if score is not None}


def _shares(method: str, reached: Mapping[str, list[Reached]]) -> list[Share | None]:
    """Of seconds, bytes and joules; full fine-tuning has none."""
    full = None if method == FULL else reached.get(FULL)
    return [share_of(reached[method], full, what) for what in ("seconds", "bytes", "joules")]


def share_of(ours: Sequence[Reached], full: Sequence[Reached] | None, what: str) -> Share | None:
    """How much less than full fine-tuning it took to the target, as ``reductions`` counts seeds.

    what: a figure of ``Reached``. None where full fine-tuning is not there or a run that reached
    the target has no such figure.
    """
    if full is None:
        return None
    if any(run.round is not None and not getattr(run, what) for run in (*ours, *full)):
        return None
    found = reductions(by_seed(ours, what), by_seed(full, what))
    return Share(median(list(found.values())), found)


def _mean_bytes(runs: Iterable[Run]) -> tuple[float, float, float]:
    """Of an upload, of the head in it, and of a client's first download."""
    clients = [client for run in runs for record in run.records for client in record.clients]
    uploads = [client.up for client in clients if client.up]
    first = [client.down for client in clients if client.first_contact]
    return (
        _mean(up.serialised_bytes for up in uploads),
        _mean(up.head_bytes for up in uploads),
        _mean(down.serialised_bytes for down in first),
    )


def _mean_flops(runs: Iterable[Run]) -> float | None:
    """Of one client's round; None if a run does not say."""
    found: list[float] = []
    for run in runs:
        flops = flops_of(run)
        if flops is None:
            return None
        found += flops
    return statistics.fmean(found) if found else None


def _interval(scores: Mapping[int, float]) -> Interval | None:
    return interval(list(scores.values())) if scores else None


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.fmean(found) if found else 0.0


def _all_scores(runs: Sequence[Run]) -> dict[str, Interval]:
    """Every test score that is one number and that all finished runs have; shown ones first."""
    finished = [scores for run in runs if (scores := final_scores(run, "test"))]
    if not finished:
        return {}
    first = [name for name in runs[0].config.task.shown_scores if name in finished[0]]
    return {
        name: interval([float(scores[name]) for scores in finished])
        for name in dict.fromkeys([*first, *finished[0]])
        if name != "num_examples"
        and all(isinstance(scores.get(name), int | float) for scores in finished)
    }


def _best_rounds(runs: Iterable[Run]) -> dict[int, int]:
    found = {run.seed: best_round(run.records, run.config.task.main_score) for run in runs}
    return {seed: round for seed, round in found.items() if round is not None}


def learning_rates(runs: Iterable[Run]) -> dict[int, float]:
    """Of every run, by seed; a run that is still choosing has none."""
    rates = {run.seed: run.config.train.learning_rate for run in runs}
    return {seed: rate for seed, rate in rates.items() if isinstance(rate, float)}


def tried_rates(runs: Iterable[Run]) -> dict[float, float | None]:
    """Validation score by learning rate, of the first run that searched."""
    for run in runs:
        outcome = _outcome(run)
        if outcome is not None:
            return {entry["learning_rate"]: entry["best"] for entry in outcome["tries"]}
    return {}


def _outcome(run: Run) -> dict[str, Any] | None:
    if run.summary is not None and run.summary.get("search"):
        return dict(run.summary["search"])
    return read_outcome(Path(run.path))


def _per_client(run: Run) -> list[float] | None:
    """The score of each client on test, else on validation, in order of the clients."""
    for split in ("test", "validation"):
        found = final_scores(run, split).get("per_client")
        if found:
            return [score for _, score in sorted(found["scores"].items(), key=_by_number)]
    return None


def _by_number(entry: tuple[str, float]) -> tuple[int, str]:
    name = entry[0]
    return (int(name) if name.isdecimal() else 0, name)
