"""What a run's rounds would have cost on the devices and networks of a profile: seconds, joules.

Bytes are the serialised ones of the records, evaluation apart; work is what each client counted.
A round lasts as long as its slowest client and has that client's parts. A client whose update was
used counts in full, one that was too late until the deadline. One that sent nothing, or does not
say what it did, counts with its download alone: without a deadline the server is taken to know at
once that nothing will come; with one it waits until there, which counts as computing. Energy is
that of all clients together, each for as long as it is busy itself: waiting is not counted, nor
what a client does after the deadline. The deadline belongs to the profile's own networks. Over one
in their place nobody is late: who was in the run counts in full, and nobody is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from federa.profiles import (
    RoundSeconds,
    client_joules,
    client_seconds,
    compute_seconds,
    download_seconds,
    slowest,
)
from federa.training_cost import Work
from federa.types import ClientFailure

if TYPE_CHECKING:
    from federa.measure import ClientRecord, RoundRecord
    from federa.profiles import Device, Network, Profile
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


@dataclass(frozen=True)
class Fleet:
    """The clients of a run as a profile has them.

    cost: of a client's training; seed: of the run; network: in place of the profile's own, over
    which there is no deadline.
    """

    profile: Profile
    cost: TrainingCost
    seed: int
    network: Network | None = None
    _drawn: dict[int, tuple[Device, Network]] = field(default_factory=dict)

    @property
    def deadline(self) -> float | None:
        """Seconds after which an update is too late; None over a network given in place."""
        return None if self.network else self.profile.deadline_seconds

    def client(self, client: int) -> tuple[Device, Network]:
        """What ``client`` has; drawn once."""
        if client not in self._drawn:
            device, link = self.profile.client(self.seed, client)
            self._drawn[client] = device, self.network or link
        return self._drawn[client]

    def drops_out(self, round: int, client: int) -> bool:
        """Whether ``client`` returns nothing in ``round`` (from 1)."""
        return self.profile.dropout > 0 and self.profile.fate(self.seed, round, client).dropped

    def seconds(self, round: int, client: ClientRecord) -> RoundSeconds | None:
        """The round of a client that trained and sent; None where it does not say what it did."""
        work, (device, link) = work_of(client.metrics), self.client(client.client)
        if work is None or client.up is None:
            return None
        slowdown = 1.0  # nothing is drawn where nobody is slow
        if self.profile.straggler_fraction:
            slowdown = self.profile.fate(self.seed, round, client.client).slowdown
        return client_seconds(
            link,
            client.down.serialised_bytes,
            client.up.serialised_bytes,
            compute_seconds(device, self.cost.flops(work)) * slowdown,
        )

    def late(self, record: RoundRecord) -> list[ClientFailure]:
        """The clients of a round whose update would come after the deadline."""
        deadline = self.deadline
        if deadline is None:
            return []
        found = []
        for client in record.used:
            seconds = self.seconds(record.round, client)
            if seconds is not None and not self.profile.in_time(seconds):
                reason = (
                    f"needs {seconds.total:.3g} s as modelled; profile.deadline_seconds is "
                    f"{deadline:g}"
                )
                found.append(ClientFailure(client.client, reason))
        return found

    def round(self, record: RoundRecord) -> RoundCost | None:
        """What a round cost; None where a client does not say what it did."""
        in_use = {client.client for client in record.used}
        times: list[RoundSeconds] = []
        energy: list[float | None] = []
        for client in record.clients:
            device, link = self.client(client.client)
            seconds = self.seconds(record.round, client)
            if client.client in in_use:
                if seconds is None:
                    return None
                times.append(seconds)
            elif seconds is not None:
                seconds = _cut(seconds, self.deadline)
                times.append(seconds)
            else:
                download = download_seconds(link, client.down.serialised_bytes)
                seconds = _cut(RoundSeconds(download), self.deadline)
                times.append(_awaited(seconds, self.deadline))
            energy.append(client_joules(device, seconds))
        known = [value for value in energy if value is not None]
        return RoundCost(slowest(times), sum(known) if len(known) == len(energy) else None)


def _awaited(seconds: RoundSeconds, deadline: float | None) -> RoundSeconds:
    """A client's download before the deadline, with the time until there that it is waited for."""
    if deadline is None:
        return seconds
    return RoundSeconds(seconds.download, deadline - seconds.download)


def _cut(seconds: RoundSeconds, deadline: float | None) -> RoundSeconds:
    """What of a client's round lies before the deadline."""
    if deadline is None or seconds.total <= deadline:
        return seconds
    download = min(seconds.download, deadline)
    compute = min(seconds.compute, deadline - download)
    return RoundSeconds(download, compute, deadline - download - compute)
