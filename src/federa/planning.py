"""The choices that are frozen into a run: device, precision, threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federa.devices import default_device, own_threads, require_device
from federa.types import Plan

if TYPE_CHECKING:
    from federa.config import RunConfig


def make_plan(config: RunConfig) -> Plan:
    """Device, precision and threads of a new run, with the reasons; the engine as it was asked for.

    What the engine decides for itself needs the model: ``engine_planning.plan_engine``.
    Raises: ConfigError if a device is asked for that is not there.
    """
    from federa.precision import has_native_bf16

    device = config.engine.device
    if device == "auto":
        device = default_device()
    require_device(device)
    precision, why = config.train.precision, "as asked"
    if precision == "auto":
        native = has_native_bf16(device)
        frozen = "freezes" in config.method.traits
        precision = "bf16" if native and frozen else "fp32"
        why = (
            "bf16 products of frozen weights"
            if native and frozen
            else ("no weight is frozen" if native else "no native bf16 here")
        )
    threads = own_threads() if config.engine.threads == "auto" else config.engine.threads
    reasons = (f"{precision}: {why}",)
    return Plan(config.engine.name, device, precision, threads, reasons=reasons)
