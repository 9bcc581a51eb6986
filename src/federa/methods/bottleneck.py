"""Bottleneck adapters behind a layer's projections, shared by houlsby and pfeiffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from federa.methods.parameters import head_values, present_values, release
from federa.models import head_names
from federa.types import Layout

if TYPE_CHECKING:
    from federa.types import Tensors

Activation = Literal["gelu", "relu", "silu"]
NAMES = ("down", "down_bias", "up", "up_bias")


class BottleneckLinear(nn.Module):
    """y = h + U f(V h + v) + u with h = base(x); h, y [..., D], V [R, D], U [D, R].

    D is the model's width and R the bottleneck's; V, v are the down projection, U, u the up one.
    Source: arXiv 1902.00751, section 2.1 and figure 2.
    """

    adapter_down: nn.Parameter
    adapter_down_bias: nn.Parameter
    adapter_up: nn.Parameter
    adapter_up_bias: nn.Parameter

    def __init__(self, base: nn.Linear, values: Tensors, activation: Activation) -> None:
        super().__init__()
        self.base = base
        self.activation: Callable[[Tensor], Tensor] = getattr(F, activation)
        for name in NAMES:
            self.register_parameter(f"adapter_{name}", nn.Parameter(values[name].clone()))

    def forward(self, x: Tensor) -> Tensor:
        """The projection's output, adapted."""
        h: Tensor = self.base(x)
        inner = self.activation(F.linear(h, self.adapter_down, self.adapter_down_bias))
        return h + F.linear(inner, self.adapter_up, self.adapter_up_bias)


def names_at(site: str) -> dict[str, str]:
    """Parameter names of the bottleneck at module ``site``, by their role in ``NAMES``."""
    return {name: f"{site}.adapter_{name}" for name in NAMES}


def start_bottlenecks(
    model: nn.Module, sites: Sequence[str], width: int, seed: int, also: Sequence[str] = ()
) -> Tensors:
    """V drawn from N(0, 0.02^2), all else zero, so that nothing changes at the start; the head.

    also: names of the model's own parameters to train besides.
    """
    import torch

    from federa.seeding import torch_generator

    start: Tensors = {}
    for site in sites:
        size = model.get_parameter(f"{site}.weight").shape[0]
        names = names_at(site)
        down = torch.empty(width, size)
        start[names["down"]] = down.normal_(
            std=0.02, generator=torch_generator(seed, f"bottleneck/{site}")
        )
        start[names["down_bias"]] = torch.zeros(width)
        start[names["up"]] = torch.zeros(size, width)
        start[names["up_bias"]] = torch.zeros(size)
    return {**start, **present_values(model, also), **head_values(model)}


def add_bottlenecks(
    model: nn.Module,
    sites: Sequence[str],
    activation: Activation,
    start: Tensors,
    also: Sequence[str] = (),
) -> Layout:
    """Freeze ``model`` but for its head and ``also``, and put bottlenecks at ``sites``."""
    head = head_names(model)
    model.requires_grad_(False)
    fresh: list[str] = []
    for site in sites:
        linear = model.get_submodule(site)
        assert isinstance(linear, nn.Linear)
        values = {name: start[full] for name, full in names_at(site).items()}
        parent, _, attribute = site.rpartition(".")
        adapted = BottleneckLinear(linear, values, activation).to(linear.weight.device)
        setattr(model.get_submodule(parent), attribute, adapted)
        fresh += names_at(site).values()
    release(model, (*also, *head), start)
    return Layout(shared=(*fresh, *also, *head), head=head, fresh=tuple(fresh))
