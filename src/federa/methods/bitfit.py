"""Training nothing but biases (FedBF in the paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel

from federa.registry import RECORD
from federa.types import Layout

if TYPE_CHECKING:
    from torch import nn

    from federa.types import Tensors


class BitFit(BaseModel):
    """Train every bias of the encoder, layer norms and embeddings included, and the head.

    Source: arXiv 2106.10199, section 3; FedBF in arXiv 2404.18848, section IV.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("fedbf",)
    summary: ClassVar[str] = "every bias of the encoder (the paper's FedBF)"
    traits: ClassVar[frozenset[str]] = frozenset({"stackable", "freezes"})
    exports: ClassVar[tuple[str, ...]] = ("merged",)
    default_rate: ClassVar[float] = 2e-3

    name: Literal["bitfit"] = "bitfit"

    def start(self, model: nn.Module, seed: int) -> Tensors:
        """The biases as loaded and the fresh head; the seed has no effect.

        Raises: ConfigError if the encoder has no bias.
        """
        from federa.methods.parameters import head_values, present_values

        return {**present_values(model, _biases(model)), **head_values(model)}

    def attach(self, model: nn.Module, start: Tensors) -> Layout:
        """Freeze all but the biases and the head."""
        from federa.methods.parameters import release
        from federa.models import head_names

        head = head_names(model)
        shared = (*_biases(model), *head)
        model.requires_grad_(False)
        release(model, shared, start)
        return Layout(shared=shared, head=head)


def _biases(model: nn.Module) -> tuple[str, ...]:
    from federa.errors import ConfigError
    from federa.models import head_names, model_type

    head = set(head_names(model))
    found = tuple(
        name for name, _ in model.named_parameters() if name.endswith("bias") and name not in head
    )
    if not found:
        raise ConfigError(
            f"method: bitfit trains biases, and the encoder of {model_type(model)} has none; "
            "use lora, federa, houlsby or pfeiffer"
        )
    return found
