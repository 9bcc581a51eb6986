"""The adapted linear layer shared by every low-rank method, and its names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from federa.methods.parameters import release
from federa.models import head_names
from federa.targets import Target
from federa.types import Layout, LowRankPair, Tensors


@dataclass(frozen=True)
class Part:
    """One low-rank product inside a layer: attribute names and the output rows that it feeds."""

    a: str
    b: str
    rows: tuple[int, int] | None


class LowRankLinear(nn.Module):
    """y = base(x) + s B (A x), x [..., d_in], y [..., d_out]; A [R, d_in], B [d_out, R].

    Source: LoRA, arXiv 2106.09685, eq. 3. A fused projection holds one product per adapted
    part, each feeding its own rows of y.
    """

    def __init__(self, base: nn.Linear, scaling: float) -> None:
        super().__init__()
        self.base = base
        self.scaling = scaling
        self.parts: list[Part] = []

    def add(self, part: Part, a: Tensor, b: Tensor) -> None:
        """Register one trained product."""
        self.register_parameter(part.a, nn.Parameter(a.clone()))
        self.register_parameter(part.b, nn.Parameter(b.clone()))
        self.parts.append(part)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, in the type of the frozen one."""
        y: Tensor = self.base(x)
        kind = y.dtype
        for part in self.parts:
            a = getattr(self, part.a)
            inner = F.linear(x.to(a.dtype), a) * self.scaling
            product = F.linear(inner, getattr(self, part.b))
            if part.rows is not None:
                product = F.pad(product, (part.rows[0], y.shape[-1] - part.rows[1]))
            y = y + product
        return y.to(kind)


def pair_of(target: Target, scaling: float) -> LowRankPair:
    """The names that ``target``'s factors and frozen weight have once it is adapted."""
    suffix = f"_{target.part}" if target.part else ""
    return LowRankPair(
        a=f"{target.module}.lora_A{suffix}",
        b=f"{target.module}.lora_B{suffix}",
        base=f"{target.module}.weight",
        scaling=scaling,
        rows=target.rows,
    )


def adapt(
    model: nn.Module, targets: Sequence[Target], scaling: float, start: Tensors, *, residual: bool
) -> Layout:
    """Freeze ``model`` but for its head, and put factors with ``start``'s values at ``targets``.

    residual: take s B0 A0 out of each frozen weight (W_res = W - s B0 A0), as an SVD start
    needs; training on W_res costs no more than plain LoRA.
    """
    head = head_names(model)
    model.requires_grad_(False)
    pairs = []
    for target in targets:
        pair = pair_of(target, scaling)
        layer = model.get_submodule(target.module)
        if isinstance(layer, nn.Linear):
            layer = _wrap(model, target.module, layer, scaling)
        assert isinstance(layer, LowRankLinear)
        a, b = start[pair.a], start[pair.b]
        if residual:
            take_out(layer.base.weight, b, a, pair)
        layer.add(Part(_last(pair.a), _last(pair.b), target.rows), a, b)
        pairs.append(pair)
    release(model, head, start)
    factors = [name for pair in pairs for name in (pair.a, pair.b)]
    starts = tuple(factors) if residual else ()
    return Layout(
        shared=(*factors, *head),
        head=head,
        pairs=tuple(pairs),
        starts=starts,
        fresh=tuple(factors),
    )


def take_out(weight: Tensor, b: Tensor, a: Tensor, pair: LowRankPair) -> None:
    """weight[rows] -= s b a, in place, the product formed in float64 (once, at the start)."""
    rows = slice(*pair.rows) if pair.rows else slice(None)
    product = pair.scaling * (b.double() @ a.double())
    exact = weight.data[rows].double() - product.to(weight.device)
    weight.data[rows] = exact.to(weight.dtype)


def _wrap(model: nn.Module, name: str, linear: nn.Linear, scaling: float) -> LowRankLinear:
    wrapped = LowRankLinear(linear, scaling)
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, wrapped)
    return wrapped


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def target_weight(model: nn.Module, target: Target) -> Tensor:
    """The pre-trained weight [d_out, d_in] at ``target``, before adaptation."""
    weight = model.get_parameter(f"{target.module}.weight").detach()
    return weight[slice(*target.rows)] if target.rows else weight
