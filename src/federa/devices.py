"""Which device computes, and how this process uses it."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from federa.errors import ConfigError

if TYPE_CHECKING:
    from federa.types import Plan


def default_device() -> str:
    """The first CUDA device if there is one, else the CPU."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


@cache
def own_threads() -> int:
    """The threads that torch uses of itself, before any plan changes that."""
    import torch

    return torch.get_num_threads()


def require_device(device: str) -> None:
    """Raises: ConfigError if ``device`` cannot be used here."""
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
    require_device(plan.device)
    torch.set_num_threads(plan.threads)
    on_cpu = plan.device == "cpu"  # on a GPU, repeatable kernels cost much and not all are
    torch.use_deterministic_algorithms(on_cpu, warn_only=True)
    # a seventh of a step, for nothing
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if not on_cpu:  # float32 products beside bf16 ones may use the matrix units too
        torch.set_float32_matmul_precision("high" if plan.precision == "bf16" else "highest")
