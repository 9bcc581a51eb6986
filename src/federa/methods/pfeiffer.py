"""One bottleneck adapter a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.methods.fields import Layers
from federa.registry import RECORD, Integer

if TYPE_CHECKING:
    from torch import nn

    from federa.types import Layout, Tensors


class Pfeiffer(BaseModel):
    """Train a bottleneck behind each layer's feed-forward projection.

    width: of the bottleneck; layers: which layers get one. The position is the source's, but the
    bottleneck reads the projection's output h itself, as Houlsby's does, where the source reads
    LayerNorm(h + x) with the layer's input x. The start changes nothing (U = 0).
    Source: arXiv 2005.00247 (the single adapter that its search chose).
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("adapterfusion",)
    summary: ClassVar[str] = "one bottleneck adapter a layer"
    traits: ClassVar[frozenset[str]] = frozenset({"stackable", "freezes"})
    exports: ClassVar[tuple[str, ...]] = ("native",)
    default_rate: ClassVar[float] = 1e-3

    name: Literal["pfeiffer"] = "pfeiffer"
    width: Integer = Field(16, gt=0)
    activation: Literal["gelu", "relu", "silu"] = "relu"
    layers: Layers = "all"

    def start(self, model: nn.Module, seed: int) -> Tensors:
        """Down projections drawn from ``seed``, all else of them zero, and the fresh head."""
        from federa.methods.bottleneck import start_bottlenecks
        from federa.targets import find_bottlenecks

        sites = find_bottlenecks(model, self.layers, last_only=True)
        return start_bottlenecks(model, sites, self.width, seed)

    def attach(self, model: nn.Module, start: Tensors) -> Layout:
        """Put the bottlenecks behind the feed-forward projection."""
        from federa.methods.bottleneck import add_bottlenecks
        from federa.targets import find_bottlenecks

        sites = find_bottlenecks(model, self.layers, last_only=True)
        return add_bottlenecks(model, sites, self.activation, start)
