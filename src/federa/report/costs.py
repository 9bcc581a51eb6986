"""What a run would have cost on the devices and networks of a profile: seconds, joules, memory.

Bytes are the serialised ones of the records, evaluation apart; work is what each client counted.
A round lasts as long as its slowest client and has that client's parts. A client whose update was
not used is counted with its download alone, even if it trained: what it did was not recorded.
Without a deadline the server is taken to know at once that nothing will come. With one, a round
ends there at the latest, and lasts until there wherever an update is missing; the waiting counts as
computing, which it is for. Energy is that of all clients together, each for as long as it is busy
itself: waiting is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from federa.measure import validation_score
from federa.profiles import (
    RoundSeconds,
    client_joules,
    client_seconds,
    compute_seconds,
    download_seconds,
    fits,
    slowest,
)
from federa.report.findings import Series
from federa.report.reaching import smooth
from federa.training_cost import Work

if TYPE_CHECKING:
    from federa.measure import ClientRecord, RoundRecord
    from federa.profiles import Device, Network, Profile
    from federa.report.runs import Run
    from federa.training_cost import TrainingCost

COUNTED = ("num_steps", "num_windows", "num_tokens", "num_token_pairs")


@dataclass(frozen=True)
class RoundCost:
    """One round as modelled: the parts of its slowest client, and the energy of all clients.

    joules: None where the power of a device is not known.
    """

    seconds: RoundSeconds
    joules: float | None


def work_of(metrics: Mapping[str, float]) -> Work | None:
    """What a client did, from its metrics; None where they do not say (records of before)."""
    if any(name not in metrics for name in COUNTED):
        return None
    return Work(*(metrics[name] for name in COUNTED))


def flops_of(run: Run) -> list[float] | None:
    """FLOPs of every client's part in a round whose update was used; None if they are unknown."""
    cost, found = run.facts.cost, []
    for record in run.records:
        for client in _used(record):
            work = work_of(client.metrics)
            if cost is None or work is None:
                return None
            found.append(cost.flops(work))
    return found


def run_costs(run: Run, profile: Profile, network: Network | None = None) -> list[RoundCost] | None:
    """Every round of a run; network: in place of the profile's own.

    None where the run does not say what its clients computed.
    """
    if run.facts.cost is None or flops_of(run) is None:
        return None
    drawn: dict[int, tuple[Device, Network]] = {}
    for record in run.records:
        for client in record.clients:
            if client.client not in drawn:
                device, link = profile.client(run.seed, client.client)
                drawn[client.client] = device, network or link
    cost = run.facts.cost
    return [_round_cost(record, run.seed, cost, profile, drawn) for record in run.records]


def _round_cost(
    record: RoundRecord,
    seed: int,
    cost: TrainingCost,
    profile: Profile,
    drawn: Mapping[int, tuple[Device, Network]],
) -> RoundCost:
    used = {client.client for client in _used(record)}
    deadline, times = profile.deadline_seconds, []
    energy: list[float | None] = []
    for client in record.clients:
        device, link = drawn[client.client]
        if client.client in used:
            slowdown = _slowdown(profile, seed, record.round, client.client)
            seconds = _train_seconds(client, device, link, cost, slowdown)
            energy.append(client_joules(device, seconds))
        else:
            seconds = RoundSeconds(download_seconds(link, client.down.serialised_bytes))
            energy.append(client_joules(device, seconds))
            if deadline is not None:
                waited = max(0.0, deadline - seconds.total)
                seconds = RoundSeconds(seconds.download, waited)
        times.append(_cut(seconds, deadline))
    known = [value for value in energy if value is not None]
    return RoundCost(slowest(times), sum(known) if len(known) == len(energy) else None)


def _slowdown(profile: Profile, seed: int, round: int, client: int) -> float:
    """How many times as long a client trains; nothing is drawn where nobody is slow."""
    return profile.fate(seed, round, client).slowdown if profile.straggler_fraction else 1.0


def _train_seconds(
    client: ClientRecord, device: Device, link: Network, cost: TrainingCost, slowdown: float
) -> RoundSeconds:
    """The round of a client whose update was used."""
    work = work_of(client.metrics)
    assert work is not None, "run_costs looked"
    assert client.up is not None, "an update that was used was sent"
    return client_seconds(
        link,
        client.down.serialised_bytes,
        client.up.serialised_bytes,
        compute_seconds(device, cost.flops(work)) * slowdown,
    )


def _cut(seconds: RoundSeconds, deadline: float | None) -> RoundSeconds:
    """What of a client's round lies before the deadline."""
    if deadline is None or seconds.total <= deadline:
        return seconds
    download = min(seconds.download, deadline)
    compute = min(seconds.compute, deadline - download)
    return RoundSeconds(download, compute, deadline - download - compute)


def _used(record: RoundRecord) -> list[ClientRecord]:
    """The clients of a round whose update was used."""
    failed = {failure.client for failure in record.failures}
    return [client for client in record.clients if client.client not in failed]


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
