"""FeDeRA: LoRA factors that start from the principal singular components of the weights."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.methods.fields import Layers, Targets
from federa.registry import RECORD, Integer, Real

if TYPE_CHECKING:
    from torch import nn

    from federa.methods.factorisation import Triplets
    from federa.targets import Target
    from federa.types import Layout, Tensors

log = logging.getLogger(__name__)


class Federa(BaseModel):
    """Train B and A of y = W_res x + s B A x, from B0 = U_r S_r^(1/2)/s^(1/2) and A0 likewise.

    rank: R; alpha: s = alpha / rank, alpha = rank by default; targets, layers: what is adapted;
    solver: how the singular triplets are found (see ``factorisation.factorise``).
    Source: arXiv 2404.18848, eqs. 4-6.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "LoRA from the principal singular components of the weights"
    traits: ClassVar[frozenset[str]] = frozenset({"low_rank", "svd_start", "stackable", "freezes"})
    exports: ClassVar[tuple[str, ...]] = ("peft", "merged")
    default_rate: ClassVar[float] = 2e-3

    name: Literal["federa"] = "federa"
    rank: Integer = Field(8, gt=0)
    alpha: Real | None = Field(None, gt=0, description="scaling s = alpha / rank; null: rank")
    targets: Targets = "auto"
    layers: Layers = "all"
    solver: Literal["auto", "truncated", "exact", "randomized"] = "auto"

    @property
    def scaling(self) -> float:
        """s = alpha / rank."""
        return (self.rank if self.alpha is None else self.alpha) / self.rank

    def start(self, model: nn.Module, seed: int) -> Tensors:
        """A0 [R, d_in] and B0 [d_out, R] of every target, and the fresh head."""
        from federa.methods.low_rank import pair_of
        from federa.methods.parameters import head_values
        from federa.targets import find_targets

        start: Tensors = {}
        for target, found in self._triplets(model, find_targets(model, self.targets, self.layers)):
            root = (found.s / self.scaling).sqrt()
            pair = pair_of(target, self.scaling)
            start[pair.a] = (root[:, None] * found.vh).cpu().contiguous()
            start[pair.b] = (found.u * root).cpu().contiguous()
        return {**start, **head_values(model)}

    def _triplets(self, model: nn.Module, targets: list[Target]) -> list[tuple[Target, Triplets]]:
        from federa.methods.factorisation import factorise_cached
        from federa.methods.low_rank import target_weight

        named = {
            f"{target.module}.{target.part}" if target.part else target.module: target_weight(
                model, target
            )
            for target in targets
        }
        found = factorise_cached(named, self.rank, self.solver)
        worst = max(triplets.residual for triplets in found)
        level = logging.WARNING if self.solver == "randomized" else logging.INFO
        log.log(
            level,
            "%d weights factored (%s), largest relative residual |Wv - su| / s1 = %.1e",
            len(found),
            ", ".join(sorted({triplets.solver for triplets in found})),
            worst,
        )
        return list(zip(targets, found, strict=True))

    def attach(self, model: nn.Module, start: Tensors) -> Layout:
        """Replace each W by W_res = W - s B0 A0 and add the factors."""
        from federa.methods.low_rank import adapt
        from federa.targets import find_targets

        targets = find_targets(model, self.targets, self.layers)
        return adapt(model, targets, self.scaling, start, residual=True)
