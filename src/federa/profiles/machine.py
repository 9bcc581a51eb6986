"""What the present machine tells of its memory and of its power, where it does."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

SYSTEM = Path("/")
RAPL = "sys/class/powercap"
INA3221 = "sys/bus/i2c/drivers/ina3221"
MODULE_RAILS = (("VDD_IN",), ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))
"""A Jetson module's supply: the whole (Xavier NX, Orin NX, Orin Nano), or its parts (AGX Orin).

Source of those of Orin: Linux, tegra234-p3767.dtsi and tegra234-p3701.dtsi. AGX Orin's fourth,
VDDQ_VDD2_1V8AO, is taken to lie behind VIN_SYS_5V0. None of this was tried on the modules.
"""
SAMPLE_SECONDS = 0.2


def available_bytes(system: Path = SYSTEM) -> int:
    """Main memory that a program may take: what is free, or what a container's limit leaves.

    system: the root of the file system. Where it does not tell, all memory that there is. Only
    limits of cgroup v2 are known; file pages that nobody uses any more are not taken, as in the
    kubelet's working set.
    """
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = (system / "proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        found.append(int(line.split()[1]) * 1024)
    with suppress(OSError, ValueError):  # "max" is no limit
        group = system / "sys/fs/cgroup"
        limit, used = (
            int((group / name).read_text(encoding="ascii"))
            for name in ("memory.max", "memory.current")
        )
        found.append(max(0, limit - max(0, used - _inactive_file_bytes(group))))
    return min(found, default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _inactive_file_bytes(group: Path) -> int:
    """Cached pages that a control group would give back; 0 where it does not tell."""
    with suppress(OSError, ValueError, StopIteration):
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
    return 0


class PowerMeter(Protocol):
    """Something that tells the mean power between its start and its stop."""

    @property
    def what(self) -> str:
        """What it measures, and how."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> float | None:
        """Mean watts since the start, or None if that became unreadable."""


class RaplMeter:
    """Energy counters of processor packages, in microjoules that begin again at a maximum.

    Source: Linux, Documentation/power/powercap/powercap.rst.
    """

    what = "processor packages alone, by RAPL"

    def __init__(self, packages: list[Path]) -> None:
        self.packages = packages

    def start(self) -> None:
        """Read the counters."""
        self._began, self._before = time.perf_counter(), self._counters()

    def stop(self) -> float | None:
        """Mean watts."""
        seconds, after = time.perf_counter() - self._began, self._counters()
        joules = 0.0
        for package, low, high in zip(self.packages, self._before, after, strict=True):
            turned = _number(package / "max_energy_range_uj") if high < low else 0
            joules += (high + turned - low) / 1e6
        return joules / seconds

    def _counters(self) -> list[int]:
        return [_number(package / "energy_uj") for package in self.packages]


class SampledMeter:
    """The mean of readings of momentary watts, taken by a thread."""

    def __init__(self, what: str, read: Callable[[], float]) -> None:
        self.what = what
        self._read = read

    def start(self) -> None:
        """Begin to read."""
        self._readings: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> float | None:
        """Mean watts."""
        self._ended.set()
        self._thread.join()
        return statistics.fmean(self._readings) if self._readings else None

    def _sample(self) -> None:
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            while True:
                self._readings.append(self._read())
                if self._ended.wait(SAMPLE_SECONDS):
                    return


def find_meter(gpu: str | None = None, system: Path = SYSTEM) -> PowerMeter | None:
    """What tells the power of ``gpu``, or of the processor without one; None if nothing does.

    gpu: its id for nvidia-smi. On a Jetson, whose parts share one supply, it is the module's.
    """
    if gpu is None:
        return _module_meter(system) or _package_meter(system)
    return _gpu_meter(gpu) or _module_meter(system)


def _gpu_meter(gpu: str) -> PowerMeter | None:
    try:
        _gpu_watts(gpu)
    except (OSError, ValueError, subprocess.SubprocessError):  # not there, or it says [N/A]
        return None
    return SampledMeter("graphics card alone, by nvidia-smi", partial(_gpu_watts, gpu))


def _module_meter(system: Path) -> PowerMeter | None:
    with suppress(OSError, ValueError):
        labels = {
            label.read_text(encoding="ascii").strip(): label
            for label in sorted((system / INA3221).glob("*/hwmon/hwmon*/in*_label"))
        }
        for rails in MODULE_RAILS:
            if labels.keys() >= set(rails):
                read = partial(_module_watts, [labels[rail] for rail in rails])
                read()
                return SampledMeter(f"module, by its INA3221 ({' + '.join(rails)})", read)
    return None


def _package_meter(system: Path) -> PowerMeter | None:
    with suppress(OSError, ValueError):
        packages = [
            place
            for place in sorted((system / RAPL).glob("intel-rapl:*"))
            if (place / "name").read_text(encoding="ascii").startswith("package")
        ]
        for package in packages:
            _number(package / "energy_uj")  # newer kernels let root alone read it
        return RaplMeter(packages) if packages else None
    return None


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def _gpu_watts(gpu: str) -> float:
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=power.draw"]
    command.append("--format=csv,noheader,nounits")
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return float(done.stdout)


def _module_watts(labels: Sequence[Path]) -> float:
    return sum(map(_rail_watts, labels))


def _rail_watts(label: Path) -> float:
    """Millivolts times milliamperes of the channel that ``label`` names."""
    channel = label.name.removeprefix("in").removesuffix("_label")
    volts, amperes = (label.with_name(f"{kind}{channel}_input") for kind in ("in", "curr"))
    return _number(volts) * _number(amperes) / 1e6
