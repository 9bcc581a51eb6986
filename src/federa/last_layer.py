"""In the last layer only the position that a classifier's head reads is computed; exact.

Keys and values are needed everywhere, but query, attention output, feed-forward and norms of the
other positions reach no logit. Letters: N rows (windows), L length, D width.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from federa.models import architecture_of, base_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federa.architectures import LastLayer

ATTENTION = ("eager", "sdpa")
"""Implementations whose masks have a query axis that can be cut, or none."""


def read_first_position_only(model: nn.Module) -> bool:
    """Make the last layer of a text classifier compute position 0 alone; whether that was done.

    In place; names of parameters stay. Only for a model whose dropout is off: with it, other
    numbers would be drawn than by the whole layer. Nothing changes where the architecture is not
    declared or the head reads other positions. Modules inside the layer may be replaced before and
    after, but a client axis (``engines/stacking.py``) is given after.
    """
    known = architecture_of(model)
    if known is None or known.last_layer is None or not _is_plain_classifier(model):
        return False
    layers = model.get_submodule(base_prefix(model) + known.layers)
    assert isinstance(layers, nn.ModuleList)
    last = layers[-1]
    if isinstance(last, FirstPositionLayer):
        return True
    if "forward" in vars(last):  # someone changed what it does
        return False
    layers[-1] = FirstPositionLayer(last, known.last_layer, _num_outputs(model, last))
    return True


class FirstPositionLayer(nn.Module):
    """An encoder layer, of whose output [N, L, D] only position 0 is computed, [N, 1, D].

    It owns the children of the layer that it replaces, under their names, and looks them up in
    every call.
    """

    def __init__(self, layer: nn.Module, names: LastLayer, num_outputs: int | None) -> None:
        super().__init__()
        for name, child in layer.named_children():
            self.add_module(name, child)
        self.training = layer.training
        self.names = names
        self.num_outputs = num_outputs

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, *_: Any, **__: Any
    ) -> Any:
        """y [N, 1, D], alone or first in a tuple, as the replaced layer returns it.

        attention_mask: [N, 1, L or 1, L], boolean or added to the scores, or None.
        """
        names, first = self.names, hidden_states[:, :1]
        context = self._attend(first, hidden_states, attention_mask)
        x = self._through(
            (names.attention_norm,), self._through(names.attention_output, context) + first
        )
        y = self._through((names.output_norm,), self._through(names.feed_forward, x) + x)
        return y if self.num_outputs is None else (y, *[None] * (self.num_outputs - 1))

    def _through(self, modules: Sequence[str], x: Tensor) -> Tensor:
        for name in modules:
            x = self.get_submodule(name)(x)
        return x

    def _attend(self, first: Tensor, everywhere: Tensor, mask: Tensor | None) -> Tensor:
        """What position 0 gathers from all positions, [N, 1, D]."""
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        attention: Any = self.get_submodule(self.names.attention)

        def heads(name: str, x: Tensor) -> Tensor:
            y: Tensor = attention.get_submodule(name)(x)
            return y.reshape(*y.shape[:2], -1, attention.attention_head_size).transpose(1, 2)

        function = ALL_ATTENTION_FUNCTIONS.get_interface(
            attention.config._attn_implementation,
            getattr(sys.modules[type(attention).__module__], "eager_attention_forward", None),
        )
        context: Tensor = function(
            attention,
            heads(self.names.query, first),
            heads(self.names.key, everywhere),
            heads(self.names.value, everywhere),
            None if mask is None else mask[:, :, :1],
            dropout=attention.dropout.p if attention.training else 0.0,
            scaling=attention.scaling,
        )[0]
        return context.flatten(2)


def _is_plain_classifier(model: nn.Module) -> bool:
    from transformers import AutoModelForSequenceClassification

    config: Any = model.config
    classes = AutoModelForSequenceClassification._model_mapping
    return (
        type(config) in classes
        and isinstance(model, classes[type(config)])
        and config._attn_implementation in ATTENTION
        and not getattr(config, "is_decoder", False)
    )


def _num_outputs(model: nn.Module, layer: nn.Module) -> int | None:
    """The length of the tuple that ``layer`` returns, None for a bare tensor; versions differ."""
    like = next(value for value in layer.parameters() if value.dtype != torch.bfloat16)
    with torch.inference_mode():
        output = layer(like.new_zeros(1, 1, model.config.hidden_size))  # type: ignore[union-attr, arg-type]
    return len(output) if isinstance(output, tuple) else None
