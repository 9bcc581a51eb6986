"""A run along its rounds, with what it would have cost on a profile: see ``federa.modelled``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from federa.measure import validation_score
from federa.modelled import Fleet, RoundCost, work_of
from federa.profiles import fits
from federa.report.findings import Series
from federa.report.reaching import smooth

if TYPE_CHECKING:
    from federa.profiles import Network, Profile
    from federa.report.runs import Run


def flops_of(run: Run) -> list[float] | None:
    """FLOPs of every client's part in a round whose update was used; None if they are unknown."""
    cost, found = run.facts.cost, []
    for record in run.records:
        for client in record.used:
            work = work_of(client.metrics)
            if cost is None or work is None:
                return None
            found.append(cost.flops(work))
    return found


def run_costs(run: Run, profile: Profile, network: Network | None = None) -> list[RoundCost] | None:
    """Every round of a run; network: in place of the profile's own, over which nobody is late.

    None where the run does not say what its clients computed.
    """
    if run.facts.cost is None:
        return None
    fleet = Fleet(profile, run.facts.cost, run.seed, network)
    costs = [fleet.round(record) for record in run.records]
    known = [cost for cost in costs if cost is not None]
    return known if len(known) == len(costs) else None


def series_of(run: Run, profile: Profile | None) -> Series:
    """The run along the rounds that were scored; modelled parts are empty without a profile."""
    main = run.config.task.main_score
    scores = {
        place: score
        for place, record in enumerate(run.records)
        if (score := validation_score(record, main)) is not None
    }

    def at_scored(values: Iterable[float]) -> list[float]:
        summed = list(accumulate(values))
        return [summed[place] for place in scores]

    costs = run_costs(run, profile) if profile else None
    energy = [cost.joules for cost in costs or ()]
    return Series(
        method=run.method,
        seed=run.seed,
        rounds=[run.records[place].round for place in scores],
        scores=list(scores.values()),
        smoothed=smooth(list(scores.values())),
        bytes=at_scored(
            float(record.down.serialised_bytes + record.up.serialised_bytes)
            for record in run.records
        ),
        measured_seconds=at_scored(
            record.measured_seconds.get("total", 0.0) for record in run.records
        ),
        download_seconds=at_scored(cost.seconds.download for cost in costs) if costs else [],
        compute_seconds=at_scored(cost.seconds.compute for cost in costs) if costs else [],
        upload_seconds=at_scored(cost.seconds.upload for cost in costs) if costs else [],
        joules=[] if not energy or None in energy else at_scored(_known(energy)),
    )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def memory(run: Run, profile: Profile | None) -> tuple[float | None, bool | None]:
    """Modelled peak bytes of a client at the run's batch and greatest length, and whether every
    device of the profile holds them; None where there is no profile or nothing was counted."""
    if run.facts.cost is None:
        return None, None
    peak = run.facts.cost.peak_bytes(run.config.train.batch_size, run.config.train.max_length)
    if profile is None:
        return peak, None
    return peak, all(fits(device, peak) for device in profile.devices)
