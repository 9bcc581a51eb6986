"""Profiles of networks, and modelled seconds against numbers computed by hand."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from federa.profiles import (
    GIVEN,
    NETWORKS,
    FiveG,
    Lte,
    Network,
    RoundSeconds,
    Wifi50,
    client_seconds,
    download_seconds,
    slowest,
    upload_seconds,
)
from federa.registry import canonical, describe, names

PLAIN = Network(
    name="plain",
    down_bits_per_second=8e6,
    up_bits_per_second=2e6,
    round_trip_seconds=0.1,
    overhead=0.25,
)


def test_a_transfer_is_its_round_trips_and_its_bytes_at_the_rate_of_its_direction() -> None:
    # 1e6 bytes and a quarter are 1e7 bits
    assert download_seconds(PLAIN, 1_000_000) == pytest.approx(0.1 + 1.25)
    assert upload_seconds(PLAIN, 1_000_000) == pytest.approx(0.1 + 5.0)
    assert download_seconds(PLAIN, 1_000_000, requests=3) == pytest.approx(0.3 + 1.25)
    assert upload_seconds(PLAIN, 0, requests=2) == pytest.approx(0.2)


def test_a_preset_as_computed_by_hand() -> None:
    # 1.18 MB: an fp32 LoRA of 294,912 numbers, as on query and value of a base model at rank 8
    assert download_seconds(Lte(), 1_179_648) == pytest.approx(0.5246, abs=1e-4)
    assert upload_seconds(Lte(), 1_179_648) == pytest.approx(1.6428, abs=1e-4)
    assert download_seconds(Wifi50(), 1_179_648) == pytest.approx(0.2101, abs=1e-4)
    assert upload_seconds(FiveG(), 1_179_648) == pytest.approx(0.5724, abs=1e-4)


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


def test_every_preset_is_found_and_says_where_its_figures_come_from() -> None:
    assert names(NETWORKS) == ["lte", "5g", "wifi_50", "ethernet_100", "ethernet_1000"]
    assert canonical("network", "wifi-50", NETWORKS) == "wifi_50"
    assert canonical("network", "4G", NETWORKS) == "lte"
    assert len(describe(NETWORKS)) == len(NETWORKS)
    for preset in NETWORKS:
        network = preset()
        assert network.source != GIVEN
        assert network.up_bits_per_second <= network.down_bits_per_second


def test_a_changed_figure_no_longer_claims_the_source() -> None:
    assert Lte(up_bits_per_second=1e6).source == GIVEN
    assert Lte(overhead=0.1, source="our own test").source == "our own test"
    again = Lte.model_validate(Lte().model_dump())
    assert again.source == Lte().source


@pytest.mark.parametrize(
    "wrong",
    [
        {"down_bits_per_second": 0},
        {"up_bits_per_second": -1e6},
        {"up_bits_per_second": float("inf")},
        {"round_trip_seconds": -0.01},
        {"round_trip_seconds": "50 ms"},
        {"overhead": -0.06},
        {"name": "umts"},
        {"jitter": 0.1},
    ],
)
def test_figures_that_no_link_has_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Lte.model_validate(wrong)


def test_profiles_load_no_torch() -> None:
    code = "import sys, federa.profiles; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
