"""Low-rank factors folded into the weights that they adapt, for scoring alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from federa.methods.low_rank import LowRankLinear
from federa.types import Layout, LowRankPair, Tensors


@dataclass(frozen=True)
class Folded:
    """A layer of its own weight W + s B A, made from W in float32 and the factors given.

    master: W [d_out, d_in], the residual under an SVD start; pairs: of this layer.
    """

    linear: nn.Module
    master: torch.Tensor
    pairs: tuple[LowRankPair, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The factors' names."""
        return tuple(name for pair in self.pairs for name in (pair.a, pair.b))

    def fold(self, params: Tensors) -> None:
        """Set the layer's weight for ``params``."""
        weight = self.master.clone()
        for pair in self.pairs:
            rows = slice(*pair.rows) if pair.rows else slice(None)
            a, b = (params[name].to(weight.device) for name in (pair.a, pair.b))
            weight[rows].addmm_(b, a, alpha=pair.scaling)
        self.linear.get_parameter("weight").data.copy_(weight)  # rounded, where products are bf16


def fold_low_rank(model: nn.Module, layout: Layout, masters: Tensors) -> list[Folded]:
    """Replace each adapted layer of ``model``, in place, by one without factors.

    masters: the frozen weights in float32, by the names that they have in the unadapted model.
    """
    by_layer: dict[str, list[LowRankPair]] = {}
    for pair in layout.pairs:
        by_layer.setdefault(pair.base, []).append(pair)
    found = []
    for base, pairs in by_layer.items():
        name = base.removesuffix(".weight")
        adapted = model.get_submodule(name)
        assert isinstance(adapted, LowRankLinear)
        linear = adapted.base
        own = linear.weight.detach().clone()
        linear.weight = nn.Parameter(own, requires_grad=False)
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, linear)
        found.append(Folded(linear, masters[base].to(own.device), tuple(pairs)))
    return found
