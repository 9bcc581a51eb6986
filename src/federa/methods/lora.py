"""Plain LoRA, averaged by the server (FedLR in the paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.methods.fields import Layers, Targets
from federa.registry import RECORD, Integer, Real

if TYPE_CHECKING:
    from torch import nn

    from federa.types import Layout, Tensors


class Lora(BaseModel):
    """Train B and A of y = W x + s B A x, from A uniform (Kaiming, as in peft) and B = 0.

    rank: R; alpha: s = alpha / rank, alpha = rank by default; targets, layers: what is adapted.
    Source: arXiv 2106.09685, eq. 3.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("fedlr", "fedit")
    summary: ClassVar[str] = "LoRA from zero (the paper's FedLR)"
    traits: ClassVar[frozenset[str]] = frozenset({"low_rank", "stackable", "freezes"})
    exports: ClassVar[tuple[str, ...]] = ("peft", "merged")
    default_rate: ClassVar[float] = 2e-3

    name: Literal["lora"] = "lora"
    rank: Integer = Field(8, gt=0)
    alpha: Real | None = Field(None, gt=0, description="scaling s = alpha / rank; null: rank")
    targets: Targets = "auto"
    layers: Layers = "all"

    @property
    def scaling(self) -> float:
        """s = alpha / rank."""
        return (self.rank if self.alpha is None else self.alpha) / self.rank

    def start(self, model: nn.Module, seed: int) -> Tensors:
        """A [R, d_in] drawn from ``seed``, B [d_out, R] zero, and the fresh head."""
        import math

        import torch

        from federa.errors import ConfigError
        from federa.methods.low_rank import pair_of, target_weight
        from federa.methods.parameters import head_values
        from federa.seeding import torch_generator
        from federa.targets import find_targets

        start: Tensors = {}
        for target in find_targets(model, self.targets, self.layers):
            d_out, d_in = target_weight(model, target).shape
            if self.rank > min(d_out, d_in):
                raise ConfigError(
                    f"method.rank: {self.rank} exceeds {min(d_out, d_in)}, the largest possible "
                    f"at {target.module}"
                )
            pair = pair_of(target, self.scaling)
            a = torch.empty(self.rank, d_in)
            torch.nn.init.kaiming_uniform_(
                a, a=math.sqrt(5), generator=torch_generator(seed, f"lora/{pair.a}")
            )
            start[pair.a], start[pair.b] = a, torch.zeros(d_out, self.rank)
        return {**start, **head_values(model)}

    def attach(self, model: nn.Module, start: Tensors) -> Layout:
        """Add the factors beside each frozen W."""
        from federa.methods.low_rank import adapt
        from federa.targets import find_targets

        targets = find_targets(model, self.targets, self.layers)
        return adapt(model, targets, self.scaling, start, residual=False)
