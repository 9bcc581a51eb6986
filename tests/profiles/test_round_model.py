"""Modelled seconds, joules and memory against numbers computed by hand."""

from __future__ import annotations

import pytest

from federa.profiles import (
    Device,
    FiveG,
    Lte,
    Network,
    RoundSeconds,
    Wifi50,
    client_joules,
    client_seconds,
    compute_seconds,
    download_seconds,
    fits,
    slowest,
    upload_seconds,
)

PLAIN = Network(
    name="plain",
    down_bits_per_second=8e6,
    up_bits_per_second=2e6,
    round_trip_seconds=0.1,
    overhead=0.25,
)
BOARD = Device(
    name="board",
    peak_flops_per_second=4e9,
    efficiency=0.25,
    memory_bytes=1000,
    power_watts=20,
    idle_watts=2,
)


def test_a_transfer_is_its_round_trips_and_its_bytes_at_the_rate_of_its_direction() -> None:
    # 1e6 bytes and a quarter are 1e7 bits
    assert download_seconds(PLAIN, 1_000_000) == pytest.approx(0.1 + 1.25)
    assert upload_seconds(PLAIN, 1_000_000) == pytest.approx(0.1 + 5.0)
    assert download_seconds(PLAIN, 1_000_000, requests=3) == pytest.approx(0.3 + 1.25)
    assert upload_seconds(PLAIN, 0, requests=2) == pytest.approx(0.2)


def test_a_preset_as_computed_by_hand() -> None:
    # 1.18 MB: an fp32 LoRA of 294,912 numbers, as on query and value of a base model at rank 8
    assert download_seconds(Lte(), 1_179_648) == pytest.approx(0.5043, abs=1e-4)
    assert upload_seconds(Lte(), 1_179_648) == pytest.approx(1.5739, abs=1e-4)
    assert download_seconds(Wifi50(), 1_179_648) == pytest.approx(0.2101, abs=1e-4)
    assert upload_seconds(FiveG(), 1_179_648) == pytest.approx(0.5495, abs=1e-4)


def test_a_client_downloads_computes_and_uploads_one_after_another() -> None:
    seconds = client_seconds(PLAIN, 2_000_000, 1_000_000, compute_seconds=7.0)
    parts = (seconds.download, seconds.compute, seconds.upload)
    assert parts == pytest.approx((2.6, 7.0, 5.1))
    assert seconds.total == pytest.approx(14.7)


def test_a_round_has_the_parts_of_its_slowest_client_and_of_no_other() -> None:
    far = RoundSeconds(download=4, compute=1, upload=4)
    weak = RoundSeconds(download=1, compute=7, upload=2)
    assert slowest([far, weak]) == weak
    assert slowest([weak, RoundSeconds(download=5, compute=1, upload=5)]).compute == 1
    assert slowest([]).total == 0


def test_training_runs_at_the_stated_share_of_the_peak() -> None:
    assert compute_seconds(BOARD, 3e9) == pytest.approx(3.0)  # at 1e9 a second
    assert compute_seconds(BOARD, 0) == 0


def test_energy_is_full_power_while_training_and_idle_power_while_transferring() -> None:
    seconds = RoundSeconds(download=4, compute=3, upload=1)
    assert client_joules(BOARD, seconds) == pytest.approx(20 * 3 + 2 * 5)


@pytest.mark.parametrize("unknown", ["power_watts", "idle_watts"])
def test_without_power_there_is_no_energy(unknown: str) -> None:
    device = Device.model_validate(BOARD.model_dump() | {unknown: None})
    assert client_joules(device, RoundSeconds(compute=1)) is None


def test_what_fits_is_at_most_the_memory() -> None:
    assert fits(BOARD, 1000)
    assert not fits(BOARD, 1001)
