"""The tables of docs/profiles.md against the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federa.profiles import DEVICES, NETWORKS

PAGE = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")


def row(name: str) -> list[str]:
    """The cells of a preset's row, its name apart."""
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.mark.parametrize("preset", DEVICES)
def test_devices(preset: type[Any]) -> None:
    device = preset()
    assert row(device.name) == [
        f"{device.peak_flops_per_second / 1e9:,.1f}",
        f"{device.efficiency:g}",
        f"{device.memory_bytes / 2**30:.1f}",
        f"{device.power_watts:g}",
        f"{device.idle_watts:g}",
    ]


@pytest.mark.parametrize("preset", NETWORKS)
def test_networks(preset: type[Any]) -> None:
    network = preset()
    assert row(network.name) == [
        f"{network.down_bits_per_second / 1e6:,.2f}",
        f"{network.up_bits_per_second / 1e6:,.2f}",
        f"{network.round_trip_seconds * 1e3:g}",
        f"{network.overhead:.3f}",
    ]
