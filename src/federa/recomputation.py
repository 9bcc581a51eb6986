"""Computing layers again in the backward pass, instead of keeping what is inside them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from federa.errors import ConfigError
from federa.models import model_type

if TYPE_CHECKING:
    from torch import nn


def recompute_layers(model: nn.Module) -> None:
    """Let each layer of ``model`` keep nothing but its input for the backward pass, in place.

    Names of parameters stay, and so do all results: a layer's random numbers are drawn again as
    they were. Without gradients a layer runs as before.
    Raises: ConfigError if none of the model's layers is marked as one that may be run again.
    """
    from torch.utils.checkpoint import checkpoint
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
    if not layers:
        raise ConfigError(
            f"train.gradient_checkpointing: the layers of a {model_type(model)} cannot be "
            "recomputed; use false"
        )
    # transformers' own switch also asks for gradients of the embeddings, which nobody needs here,
    # and heeds a layer only while it is in training mode, which dropout goes by too
    for layer in layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
