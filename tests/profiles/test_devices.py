"""Presets of devices: their figures against published clocks and units, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from federa.profiles import DEVICES, GIVEN, Device, JetsonAgxOrin, RaspberryPi5
from federa.registry import canonical, describe, names

CLOCKS_AND_UNITS = {
    "jetson_orin_nano": 2 * 1024 * 625e6,
    "jetson_xavier_nx": 2 * 384 * 1100e6,
    "raspberry_pi_5": 4 * 2.4e9 * 2 * 4 * 2,  # cores, clock, pipes, floats, multiply and add
    "phone": 3.2e9 * 4 * 4 * 2 + 4 * 2.8e9 * 2 * 4 * 2,
    "laptop": 4 * 3.0e9 * 2 * 8 * 2,
}


def test_every_preset_is_found_under_its_names() -> None:
    wanted = ["jetson_agx_orin", "jetson_orin_nano", "jetson_xavier_nx", "raspberry_pi_5"]
    assert names(DEVICES) == [*wanted, "phone", "laptop", "a100"]
    assert canonical("device", "jetson-agx-orin", DEVICES) == "jetson_agx_orin"
    assert canonical("device", "Raspberry-Pi", DEVICES) == "raspberry_pi_5"
    assert len(describe(DEVICES)) == len(DEVICES)


@pytest.mark.parametrize("preset", DEVICES)
def test_every_preset_has_a_source_and_says_what_is_assumed(preset: type[Any]) -> None:
    device = preset()
    assert device.source != GIVEN
    assert "efficiency" in device.assumed
    assert 0 < device.idle_watts < device.power_watts
    assert device.precision == "fp32"
    peak = CLOCKS_AND_UNITS.get(device.name, device.peak_flops_per_second)
    assert device.peak_flops_per_second == pytest.approx(peak)


def test_published_peaks_agree_with_clocks_and_units() -> None:
    assert JetsonAgxOrin().peak_flops_per_second == pytest.approx(2 * 2048 * 1.3e9, rel=0.01)


def test_a_changed_figure_no_longer_claims_the_source() -> None:
    assert RaspberryPi5(efficiency=0.4).source == GIVEN
    assert RaspberryPi5(efficiency=0.4, source="our own test").source == "our own test"
    again = RaspberryPi5.model_validate(RaspberryPi5().model_dump())
    assert again == RaspberryPi5()


@pytest.mark.parametrize(
    "wrong",
    [
        {"peak_flops_per_second": 0},
        {"efficiency": 0},
        {"efficiency": 1.01},
        {"memory_bytes": "8 GB"},
        {"power_watts": -1},
        {"precision": "int8"},
        {"name": "raspberry_pi_6"},
        {"cores": 4},
    ],
)
def test_figures_that_no_device_has_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RaspberryPi5.model_validate(wrong)


def test_own_figures_need_no_power() -> None:
    own = Device(name="mine", peak_flops_per_second=1e12, efficiency=0.5, memory_bytes=1e9)
    assert own.power_watts is None
    assert own.source == GIVEN


def test_profiles_load_no_torch() -> None:
    code = "import sys, federa.profiles; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
