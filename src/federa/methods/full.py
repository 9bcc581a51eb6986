"""Full fine-tuning: every weight is trained and sent (FedFT in the paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel

from federa.registry import RECORD
from federa.types import Layout

if TYPE_CHECKING:
    from torch import nn

    from federa.types import Tensors


class Full(BaseModel):
    """Train every parameter of the encoder and the head, from the pre-trained values.

    Source: FedFT in arXiv 2404.18848, section IV.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("fedft",)
    summary: ClassVar[str] = "every weight (the paper's FedFT)"
    traits: ClassVar[frozenset[str]] = frozenset()
    exports: ClassVar[tuple[str, ...]] = ("merged",)
    default_rate: ClassVar[float] = 2e-4

    name: Literal["full"] = "full"

    def start(self, model: nn.Module, seed: int) -> Tensors:
        """Every parameter, as loaded; the seed has no effect."""
        from federa.methods.parameters import present_values

        return present_values(model, [name for name, _ in model.named_parameters()])

    def attach(self, model: nn.Module, start: Tensors) -> Layout:
        """Make everything trainable."""
        from federa.methods.parameters import release
        from federa.models import head_names

        release(model, start, start)
        return Layout(shared=tuple(start), head=head_names(model))
