"""What is read of a machine's memory and power, from files laid out as Linux lays them out."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from federa.profiles import machine
from federa.profiles.machine import available_bytes, find_meter


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="ascii")


def test_memory_is_what_is_free(tmp_path: Path) -> None:
    write(tmp_path / "proc", meminfo="MemTotal: 4000 kB\nMemFree: 9 kB\nMemAvailable: 3000 kB\n")
    assert available_bytes(tmp_path) == 3000 * 1024


@pytest.mark.parametrize(
    ("limit", "wanted"), [("2000000\n", 1500000), ("max\n", 3072000), ("9000000000\n", 3072000)]
)
def test_memory_is_no_more_than_a_container_may_take(
    tmp_path: Path, limit: str, wanted: int
) -> None:
    write(tmp_path / "proc", meminfo="MemAvailable: 3000 kB\n")
    write(tmp_path / "sys/fs/cgroup", memory__max=limit, memory__current="500000\n")
    assert available_bytes(tmp_path) == wanted


@pytest.mark.parametrize(
    ("stat", "wanted"),
    [
        ("active_file 300000\ninactive_file 200000\n", 1700000),
        ("inactive_file 600000\n", 2000000),  # read later than memory.current
        ("anon 500000\n", 1500000),
        ("inactive_file many\n", 1500000),
    ],
)
def test_pages_that_a_container_would_give_back_are_free(
    tmp_path: Path, stat: str, wanted: int
) -> None:
    write(tmp_path / "proc", meminfo="MemAvailable: 3000 kB\n")
    group = tmp_path / "sys/fs/cgroup"
    write(group, memory__max="2000000\n", memory__current="500000\n", memory__stat=stat)
    assert available_bytes(tmp_path) == wanted


def test_memory_of_a_system_that_does_not_tell_is_all_of_it(tmp_path: Path) -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert available_bytes(tmp_path) == whole


def test_nothing_that_tells_power_is_no_meter(tmp_path: Path) -> None:
    assert find_meter(None, tmp_path) is None
    assert find_meter("GPU-0", tmp_path) is None


def packages(root: Path, *energies: int) -> list[Path]:
    """Packages with counters, and a core inside the first, which counts in its package."""
    folders = [root / machine.RAPL / f"intel-rapl:{number}" for number in range(len(energies))]
    for number, (folder, energy) in enumerate(zip(folders, energies, strict=True)):
        write(folder, name=f"package-{number}\n", energy_uj=f"{energy}\n")
        write(folder, max_energy_range_uj="10000000\n")
    write(root / machine.RAPL / "intel-rapl:0:0", name="core\n", energy_uj="1\n")
    return folders


def test_rapl_adds_packages_up_and_counters_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = packages(tmp_path, 2_000_000, 9_000_000)
    meter = find_meter(None, tmp_path)
    assert meter is not None
    clock = iter((100.0, 104.0))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    meter.start()
    write(first, energy_uj="5000000\n")
    write(second, energy_uj="4000000\n")  # a joule to its maximum of 10, and four more
    assert meter.stop() == pytest.approx((3 + 5) / 4)


def test_counters_that_may_not_be_read_are_no_meter(tmp_path: Path) -> None:
    (first,) = packages(tmp_path, 5)
    (first / "energy_uj").unlink()
    assert find_meter(None, tmp_path) is None


def test_a_jetson_tells_volts_and_amperes_of_the_whole_module(tmp_path: Path) -> None:
    folder = tmp_path / machine.INA3221 / "1-0040/hwmon/hwmon3"
    write(folder, in1_label="VDD_IN\n", in2_label="VDD_CPU_GPU_CV\n")
    write(folder, in1_input="5000\n", curr1_input="2400\n", in2_input="5000\n", curr2_input="9\n")
    packages(tmp_path, 5)
    for gpu in (None, "GPU-0"):
        meter = find_meter(gpu, tmp_path)
        assert meter is not None
        assert meter.what == "module, by its INA3221 (VDD_IN)"
        meter.start()
        assert meter.stop() == pytest.approx(12.0)


AGX_ORIN = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")


def agx_orin(root: Path, *rails: str) -> None:
    """Rails of 5 V that draw 1, 2, 3, ... A; another chip's, and a sum that has no rail."""
    folder = root / machine.INA3221 / "1-0040/hwmon/hwmon3"
    for number, rail in enumerate(rails, start=1):
        figures = {f"in{number}_input": "5000\n", f"curr{number}_input": f"{number}000\n"}
        write(folder, **{f"in{number}_label": f"{rail}\n"}, **figures)
    write(folder, in7_label="sum of shunt voltages\n")
    memory = root / machine.INA3221 / "1-0041/hwmon/hwmon4"
    write(memory, in2_label="VDDQ_VDD2_1V8AO\n", in2_input="5000\n", curr2_input="500\n")


def test_the_rails_of_a_jetson_that_tells_no_whole_are_added_up(tmp_path: Path) -> None:
    agx_orin(tmp_path, *AGX_ORIN)
    meter = find_meter("GPU-0", tmp_path)
    assert meter is not None
    assert meter.what == "module, by its INA3221 (VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0)"
    meter.start()
    assert meter.stop() == pytest.approx(5 + 10 + 15)


def test_the_whole_goes_before_its_rails_and_some_of_them_are_no_meter(tmp_path: Path) -> None:
    agx_orin(tmp_path / "whole", *AGX_ORIN, "VDD_IN")
    meter = find_meter(None, tmp_path / "whole")
    assert meter is not None
    meter.start()
    assert meter.stop() == pytest.approx(20)
    agx_orin(tmp_path / "part", *AGX_ORIN[:2])
    assert find_meter(None, tmp_path / "part") is None


@pytest.mark.parametrize(("answer", "wanted"), [("71.25", 71.25), ("[N/A]", None)])
def test_nvidia_smi_is_asked_about_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, wanted: float | None
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\ntest "$1" = --id=GPU-7 && echo "{answer}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    meter = find_meter("GPU-7", tmp_path)
    if wanted is None:
        assert meter is None
        return
    assert meter is not None
    meter.start()
    assert meter.stop() == pytest.approx(wanted)


def test_a_meter_that_becomes_unreadable_tells_nothing(tmp_path: Path) -> None:
    folder = tmp_path / machine.INA3221 / "1-0040/hwmon/hwmon3"
    write(folder, in1_label="VDD_IN\n", in1_input="5000\n", curr1_input="2400\n")
    meter = find_meter(None, tmp_path)
    assert meter is not None
    (folder / "curr1_input").unlink()
    meter.start()
    assert meter.stop() is None
