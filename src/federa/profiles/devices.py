"""Devices that clients train on: what a person gives, and presets with published figures.

Peaks are those of float32 without tensor units or sparsity, as published or as clock x units x
operations of a unit in a cycle. No preset was run here: the share of the peak that training reaches
is assumed in all of them, as is whatever ``assumed`` names. On the Xeon of
``benchmarks/results/2026-11-26-engines.md``, training in float32 ran at 0.40 to 0.70 of the rate of
a matrix product. ``federa profile calibrate`` measures a machine.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, Field, model_validator

from federa.profiles.sources import GIVEN, with_own_source
from federa.registry import RECORD, Real

FlopsPerSecond: TypeAlias = Annotated[Real, Field(gt=0, le=1e18)]
Share: TypeAlias = Annotated[Real, Field(gt=0, le=1)]
Bytes: TypeAlias = Annotated[Real, Field(gt=0, le=1e15)]
Watts: TypeAlias = Annotated[Real, Field(ge=0, le=1e5)]

FIGURES = frozenset(
    ("peak_flops_per_second", "efficiency", "memory_bytes", "power_watts", "idle_watts")
)
GIB = 2**30


class Device(BaseModel):
    """What trains at a client; a preset is this record with figures for defaults.

    precision: that the peak is for; efficiency: the share of the peak that training reaches;
    memory_bytes: what training may use, that is without the system and libraries; power_watts:
    while it trains; idle_watts: while it transfers; null: unknown; assumed: which of the figures
    are, and why; source: of the others, which figures of one's own replace unless it is given too.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "figures of one's own"

    name: str = Field(min_length=1)
    precision: Literal["fp32", "tf32", "fp16", "bf16"] = "fp32"
    peak_flops_per_second: FlopsPerSecond
    efficiency: Share
    memory_bytes: Bytes
    power_watts: Watts | None = None
    idle_watts: Watts | None = None
    assumed: str = ""
    source: str = GIVEN

    @model_validator(mode="before")
    @classmethod
    def _own_figures(cls, given: Any) -> Any:
        """A changed figure is no longer the source's."""
        return with_own_source(given, FIGURES)


class JetsonAgxOrin(Device):
    """NVIDIA Jetson AGX Orin 64GB, the GPU alone, in its mode of most power."""

    aliases: ClassVar[tuple[str, ...]] = ("agx_orin",)
    summary: ClassVar[str] = "NVIDIA Jetson AGX Orin 64GB: its GPU, 5.3 TFLOP/s in fp32, 60 W"

    name: Literal["jetson_agx_orin"] = "jetson_agx_orin"
    peak_flops_per_second: FlopsPerSecond = 5.3e12
    efficiency: Share = 0.3
    memory_bytes: Bytes = 62 * GIB
    power_watts: Watts | None = 60
    idle_watts: Watts | None = 10
    assumed: str = (
        "efficiency, below a large processor's since a small one launches the GPU's work; 2 GiB "
        "taken by the system; the module's most power while training; idle power"
    )
    source: str = (
        "NVIDIA, Jetson AGX Orin Series Technical Brief (2048 CUDA cores, 5.3 FP32 TFLOPS) and "
        "module data sheet (64 GB, up to 60 W)"
    )


class JetsonOrinNano(Device):
    """NVIDIA Jetson Orin Nano 8GB before its Super mode, the GPU alone: 2 x 1024 x 625 MHz."""

    aliases: ClassVar[tuple[str, ...]] = ("orin_nano",)
    summary: ClassVar[str] = "NVIDIA Jetson Orin Nano 8GB: its GPU, 1.28 TFLOP/s in fp32, 15 W"

    name: Literal["jetson_orin_nano"] = "jetson_orin_nano"
    peak_flops_per_second: FlopsPerSecond = 1.28e12
    efficiency: Share = 0.3
    memory_bytes: Bytes = 6 * GIB
    power_watts: Watts | None = 15
    idle_watts: Watts | None = 4
    assumed: str = (
        "efficiency, below a large processor's since a small one launches the GPU's work; 2 GiB "
        "taken by the system; the module's most power while training; idle power"
    )
    source: str = (
        "NVIDIA, Jetson Orin Nano Series data sheet: 1024 CUDA cores, 625 MHz, 8 GB, 7 to 15 W"
    )


class JetsonXavierNx(Device):
    """NVIDIA Jetson Xavier NX 8GB, the GPU alone: 2 x 384 x 1100 MHz."""

    aliases: ClassVar[tuple[str, ...]] = ("xavier_nx",)
    summary: ClassVar[str] = "NVIDIA Jetson Xavier NX 8GB: its GPU, 0.84 TFLOP/s in fp32, 15 W"

    name: Literal["jetson_xavier_nx"] = "jetson_xavier_nx"
    peak_flops_per_second: FlopsPerSecond = 8.448e11
    efficiency: Share = 0.3
    memory_bytes: Bytes = 6 * GIB
    power_watts: Watts | None = 15
    idle_watts: Watts | None = 4
    assumed: str = (
        "efficiency, below a large processor's since a small one launches the GPU's work; 2 GiB "
        "taken by the system; the module's most power while training; idle power"
    )
    source: str = (
        "NVIDIA, Jetson Xavier NX data sheet DA-09366-001 v1.3: 384 CUDA cores, 1100 MHz, 8 GB, "
        "10 to 15 W"
    )


class RaspberryPi5(Device):
    """Raspberry Pi 5 with 8 GB: 4 Cortex-A76 x 2.4 GHz x 16 operations a cycle.

    A core has two pipes of 128 bits that multiply and add. In float64, whose peak is half as high,
    High-Performance Linpack reached 35.2 of 76.8 GFLOP/s.
    """

    aliases: ClassVar[tuple[str, ...]] = ("pi_5", "raspberry_pi")
    summary: ClassVar[str] = "Raspberry Pi 5 8GB: four Cortex-A76, 154 GFLOP/s in fp32, 12.7 W"

    name: Literal["raspberry_pi_5"] = "raspberry_pi_5"
    peak_flops_per_second: FlopsPerSecond = 1.536e11
    efficiency: Share = 0.3
    memory_bytes: Bytes = 6 * GIB
    power_watts: Watts | None = 12.7
    idle_watts: Watts | None = 3.1
    assumed: str = (
        "efficiency, since Linpack reaches 0.46 of its peak and training less; 2 GiB taken by the "
        "system; Linpack's power while training; idle power of a Raspberry Pi 500"
    )
    source: str = (
        "Arm, Cortex-A76 Software Optimization Guide; J. Geerling's measurements: top500-benchmark "
        "issue 51 (8 GB: 35.169 GFLOP/s at 2.77 GFLOP/s a watt), sbc-reviews issue 60 (3.1 W idle)"
    )


class Phone(Device):
    """A phone with Qualcomm's Snapdragon 8 Gen 2, training on its five large cores.

    A Cortex-X3 at 3.2 GHz x 32 operations a cycle, two Cortex-A715 and two Cortex-A710 at 2.8 GHz
    x 16.
    """

    aliases: ClassVar[tuple[str, ...]] = ("snapdragon_8_gen_2",)
    summary: ClassVar[str] = "phone with a Snapdragon 8 Gen 2: its CPU, 282 GFLOP/s in fp32, 7.5 W"

    name: Literal["phone"] = "phone"
    peak_flops_per_second: FlopsPerSecond = 2.816e11
    efficiency: Share = 0.2
    memory_bytes: Bytes = 4 * GIB
    power_watts: Watts | None = 7.5
    idle_watts: Watts | None = 1
    assumed: str = (
        "operations a cycle: four pipes of 128 bits in the X3 and two in the others; efficiency, "
        "below a board's since a phone slows down as it heats up; half of 8 GiB left by the "
        "system; the power of its graphics under load for that of its cores; idle power"
    )
    source: str = (
        "clocks: nanoreview.net on the Snapdragon 8 Gen 2; 7.3 to 7.6 W in graphics benchmarks: "
        "Golden Reviewer, by notebookcheck.com, December 2022"
    )


class Laptop(Device):
    """A laptop with Intel's Core i7-1185G7: 4 cores x 3.0 GHz x 32 operations a cycle.

    The clock is the base one at 28 W. AVX-512 with its one unit makes as many operations as AVX2
    with two.
    """

    aliases: ClassVar[tuple[str, ...]] = ("laptop_cpu", "core_i7_1185g7")
    summary: ClassVar[str] = "laptop with a Core i7-1185G7: its CPU, 384 GFLOP/s in fp32, 28 W"

    name: Literal["laptop"] = "laptop"
    peak_flops_per_second: FlopsPerSecond = 3.84e11
    efficiency: Share = 0.5
    memory_bytes: Bytes = 12 * GIB
    power_watts: Watts | None = 28
    idle_watts: Watts | None = 5
    assumed: str = (
        "efficiency, as of the Xeon measured here; 12 of 16 GiB left by the system; the "
        "processor's power for the laptop's; idle power"
    )
    source: str = "Intel: four cores, 3.0 GHz at 28 W; two units of 8 floats that multiply and add"


class A100(Device):
    """A data centre's NVIDIA A100 40GB (SXM4), in float32 without tensor cores."""

    aliases: ClassVar[tuple[str, ...]] = ("silo",)
    summary: ClassVar[str] = "NVIDIA A100 40GB of a data centre: 19.5 TFLOP/s in fp32, 400 W"

    name: Literal["a100"] = "a100"
    peak_flops_per_second: FlopsPerSecond = 19.5e12
    efficiency: Share = 0.3
    memory_bytes: Bytes = 42_405_855_232 - GIB
    power_watts: Watts | None = 400
    idle_watts: Watts | None = 50
    assumed: str = (
        "efficiency, which small batches lower (an H100 waits for Python nine tenths of the time "
        "at eight texts); 1 GiB taken by CUDA; the card's most power while training; idle power"
    )
    source: str = (
        "NVIDIA, A100 data sheet (19.5 TFLOPS in FP32, 400 W); memory as CUDA tells it: "
        "Paderborn Center for Parallel Computing, NVIDIA A100 40GB with NVLINK"
    )


DEVICES = (JetsonAgxOrin, JetsonOrinNano, JetsonXavierNx, RaspberryPi5, Phone, Laptop, A100)
