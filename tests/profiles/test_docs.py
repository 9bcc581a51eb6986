"""The tables and figures of docs/profiles.md against the records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from federa.profiles import (
    DEVICES,
    NETWORKS,
    Lte,
    Wifi50,
    download_seconds,
    upload_seconds,
)

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


@pytest.mark.parametrize(("name", "numbers"), [("federa", 900_884), ("full", 124_661_012)])
def test_the_transfers_of_the_example(name: str, numbers: int) -> None:
    """RoBERTa-base with a head of 20 labels; rank 8 on query and value has 294,912 numbers."""
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{name}`"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    for cell, network in zip(cells[4:6], (Wifi50(), Lte()), strict=True):
        down, up = download_seconds(network, 4 * numbers), upload_seconds(network, 4 * numbers)
        assert cell == f"{down:.2f}, {up:.2f}"


def test_what_flowers_messages_would_add() -> None:
    """29 kB with frame headers, which rates of lte are without."""
    lte = Lte()
    more = 29e3 * 1448 / 1514 * 8 / lte.up_bits_per_second
    fp32, int8 = (f"{100 * more / upload_seconds(lte, size):.0f}" for size in (920_700, 259_063))
    assert (
        f"would last {fp32} % longer with them in fp32 (920,700 bytes), {int8} % in int8 "
        "(259,063 bytes)"
    ) in " ".join(PAGE.split())
