"""Two bottleneck adapters a layer (FedAP in the paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.methods.fields import Layers
from federa.registry import RECORD, Flag, Integer

if TYPE_CHECKING:
    from torch import nn

    from federa.types import Layout, Tensors


class Houlsby(BaseModel):
    """Train a bottleneck behind each layer's attention and feed-forward projection.

    width: of the bottleneck; layers: which layers get one; layer_norms: train the layer norms of
    these layers too, as the source does. The start changes nothing (U = 0).
    Source: arXiv 1902.00751, section 2; FedAP in arXiv 2404.18848, section IV.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("fedap", "adapter")
    summary: ClassVar[str] = "two bottleneck adapters a layer (the paper's FedAP)"
    traits: ClassVar[frozenset[str]] = frozenset({"stackable", "freezes"})
    exports: ClassVar[tuple[str, ...]] = ("native",)
    default_rate: ClassVar[float] = 1e-3

    name: Literal["houlsby"] = "houlsby"
    width: Integer = Field(16, gt=0)
    activation: Literal["gelu", "relu", "silu"] = "gelu"
    layers: Layers = "all"
    layer_norms: Flag = False

    def start(self, model: nn.Module, seed: int) -> Tensors:
        """Down projections drawn from ``seed``, all else of them zero, and the fresh head."""
        from federa.methods.bottleneck import start_bottlenecks
        from federa.targets import find_bottlenecks

        sites = find_bottlenecks(model, self.layers)
        return start_bottlenecks(model, sites, self.width, seed, self._norms(model))

    def attach(self, model: nn.Module, start: Tensors) -> Layout:
        """Put the bottlenecks behind both projections."""
        from federa.methods.bottleneck import add_bottlenecks
        from federa.targets import find_bottlenecks

        norms = self._norms(model)
        sites = find_bottlenecks(model, self.layers)
        return add_bottlenecks(model, sites, self.activation, start, norms)

    def _norms(self, model: nn.Module) -> tuple[str, ...]:
        from federa.targets import find_layer_norms

        return find_layer_norms(model, self.layers) if self.layer_norms else ()
