"""Presets of networks, and what no network has."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from federa.profiles import (
    ETHERNET_OVERHEAD,
    GIVEN,
    MEASURED_OVERHEAD,
    NETWORKS,
    PAYLOAD_OVERHEAD,
    Ethernet100,
    Ethernet1000,
    FiveG,
    Lte,
    Wifi50,
)
from federa.registry import canonical, describe, names


def test_every_preset_is_found_and_says_where_its_figures_come_from() -> None:
    assert names(NETWORKS) == ["lte", "5g", "wifi_50", "ethernet_100", "ethernet_1000"]
    assert canonical("network", "wifi-50", NETWORKS) == "wifi_50"
    assert canonical("network", "4G", NETWORKS) == "lte"
    assert len(describe(NETWORKS)) == len(NETWORKS)
    for preset in NETWORKS:
        network = preset()
        assert network.source != GIVEN
        assert network.up_bits_per_second <= network.down_bits_per_second


def test_headers_are_counted_once() -> None:
    """Of 1514 bytes of a frame TCP carries 1448; on a line of Ethernet it takes 1538."""
    measured = 1 + MEASURED_OVERHEAD
    assert pytest.approx(measured * 1448 / 1514 - 1, abs=5e-4) == PAYLOAD_OVERHEAD
    assert pytest.approx(measured * 1538 / 1514 - 1, abs=5e-4) == ETHERNET_OVERHEAD
    overheads = [preset().overhead for preset in (Lte, FiveG, Wifi50, Ethernet100, Ethernet1000)]
    wanted = [PAYLOAD_OVERHEAD, PAYLOAD_OVERHEAD, MEASURED_OVERHEAD]
    assert overheads == [*wanted, ETHERNET_OVERHEAD, ETHERNET_OVERHEAD]


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
