"""The model of a client's round: its seconds, its energy, and whether it fits into memory.

A transfer of ``num_bytes`` in ``requests`` requests lasts

    requests x round trip + num_bytes x (1 + overhead) x 8 / rate        seconds

with the rate of its direction, and training of F counted floating-point operations

    F / (peak x efficiency)                                              seconds

A client's round is download + compute + upload, and a round lasts as long as its slowest client;
the three parts are shown apart. Every client has a link of its own and the server's is never the
narrow one. TCP's slow start, loss, and setting up connections are left out: on links whose round
trip is long beside the transfer the model is too fast. So are reading the data, scoring, and the
work of the server.

A client's energy is its power while it trains and its idle power while it transfers. What it draws
while it waits for slower clients is not the training's, and is left out, as is the server's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from federa.profiles.devices import Device
from federa.profiles.networks import Network


@dataclass(frozen=True)
class RoundSeconds:
    """Modelled seconds of one client's round, or of the round whose slowest client it was."""

    download: float = 0.0
    compute: float = 0.0
    upload: float = 0.0

    @property
    def total(self) -> float:
        """The three parts, one after another."""
        return self.download + self.compute + self.upload


def download_seconds(network: Network, num_bytes: float, requests: int = 1) -> float:
    """Seconds for ``num_bytes`` to reach the client, asked for in so many requests."""
    return _transfer_seconds(network, network.down_bits_per_second, num_bytes, requests)


def upload_seconds(network: Network, num_bytes: float, requests: int = 1) -> float:
    """Seconds for ``num_bytes`` to reach the server, sent in so many requests."""
    return _transfer_seconds(network, network.up_bits_per_second, num_bytes, requests)


def _transfer_seconds(network: Network, rate: float, num_bytes: float, requests: int) -> float:
    wire_bits = num_bytes * (1 + network.overhead) * 8
    return requests * network.round_trip_seconds + wire_bits / rate


def client_seconds(
    network: Network,
    down_bytes: float,
    up_bytes: float,
    compute_seconds: float,
    requests: int = 1,
) -> RoundSeconds:
    """One client's round; ``requests`` are made in each direction."""
    return RoundSeconds(
        download=download_seconds(network, down_bytes, requests),
        compute=compute_seconds,
        upload=upload_seconds(network, up_bytes, requests),
    )


def slowest(clients: Iterable[RoundSeconds]) -> RoundSeconds:
    """The round of these clients: the parts of the one that takes longest, zero without clients."""
    return max(clients, key=lambda client: client.total, default=RoundSeconds())


def compute_seconds(device: Device, flops: float) -> float:
    """Seconds in which ``device`` trains through ``flops`` floating-point operations."""
    return flops / (device.peak_flops_per_second * device.efficiency)


def client_joules(device: Device, seconds: RoundSeconds) -> float | None:
    """Energy of one client's round, without waiting for others; None if its power is unknown."""
    if device.power_watts is None or device.idle_watts is None:
        return None
    transfer = seconds.download + seconds.upload
    return device.power_watts * seconds.compute + device.idle_watts * transfer


def fits(device: Device, peak_bytes: float) -> bool:
    """Whether training that holds ``peak_bytes`` at once has room on ``device``."""
    return peak_bytes <= device.memory_bytes
