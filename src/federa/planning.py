"""The choices that are frozen into a run: device, precision, threads."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from federa.devices import default_device
from federa.errors import ConfigError
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
    _require_device(device)
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


@cache
def own_threads() -> int:
    """The threads that torch uses of itself, before any plan changes that."""
    import torch

    return torch.get_num_threads()


def _require_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"engine.device: {device!r} cannot be used here; try auto or cpu"
        ) from error


def use_plan(plan: Plan) -> None:
    """Set what the plan freezes for this process.

    Raises: ConfigError if its device is not here.
    """
    import torch

    # a product of every new shape is compiled and kept: a thousand of them take most of a gigabyte
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
    own_threads()
    _require_device(plan.device)
    torch.set_num_threads(plan.threads)
    on_cpu = plan.device == "cpu"  # on a GPU, repeatable kernels cost much and not all are
    torch.use_deterministic_algorithms(on_cpu, warn_only=True)
    # a seventh of a step, for nothing
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if not on_cpu:  # float32 products beside bf16 ones may use the matrix units too
        torch.set_float32_matmul_precision("high" if plan.precision == "bf16" else "highest")
