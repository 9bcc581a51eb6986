"""Copying, freezing and releasing parameters: what the methods have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from federa.models import head_names

if TYPE_CHECKING:
    from torch import Tensor, nn

    from federa.types import Tensors


def cpu_copy(value: Tensor) -> Tensor:
    """A copy of its own on the CPU."""
    return value.detach().to("cpu", copy=True)


def present_values(model: nn.Module, names: Iterable[str]) -> Tensors:
    """The present values of ``names`` on the CPU, as a start ships them."""
    return {name: cpu_copy(model.get_parameter(name)) for name in names}


def head_values(model: nn.Module) -> Tensors:
    """The head's present values on the CPU."""
    return present_values(model, head_names(model))


def release(model: nn.Module, names: Iterable[str], start: Tensors) -> None:
    """Set the parameters in ``names`` to their values in ``start`` and make them trainable."""
    for name in names:
        parameter = model.get_parameter(name)
        parameter.requires_grad_(True)
        parameter.data.copy_(start[name])
