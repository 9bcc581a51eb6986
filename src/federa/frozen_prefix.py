"""Starting at layer k: what the layers below it, which never change, compute is kept per window.

Where nothing below layer k is trained (``layers: last 3``, or a head alone), the output of layer
k - 1 is a constant of each window. It is computed once, by a batch of that window alone, so that it
depends neither on the batch nor on what is stored already. All of this is only right with dropout
off. Letters: N rows (windows) of a batch, W windows in all, L length, D width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from federa.models import architecture_of, base_prefix, head_names

if TYPE_CHECKING:
    import numpy

    from federa.prefix_cache import PrefixCache
    from federa.types import Plan

BEFORE = ("embeddings", "embeddings_project")
"""What an encoder calls before its layers; only ELECTRA has the second."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def num_frozen_layers(model: nn.Module, trained: Iterable[str]) -> int:
    """How many of the first layers neither are trained nor read anything that is.

    trained: names of parameters. The number of layers if the head alone is trained; 0 for an
    unknown architecture, and if anything of the encoder outside its layers is trained, whether it
    is read before them or after.
    """
    known = architecture_of(model)
    if known is None or getattr(model.config, "conv_kernel_size", False):
        return 0  # the convolution of large DeBERTa-v2 adds the embeddings after the first layer
    path, head = base_prefix(model) + known.layers, set(head_names(model))
    inside = [name for name in trained if name not in head]
    if not all(name.startswith(f"{path}.") for name in inside):
        return 0
    indices = [int(name.removeprefix(f"{path}.").partition(".")[0]) for name in inside]
    return min([_num_layers(model), *indices])


@dataclass
class PrefixSwitch:
    """Where a model starts: at layer k from ``hidden`` [N, L, D], or at the tokens if it is None.

    With ``hidden`` set, the model still takes the batch's tokens and mask [N, L].
    """

    hidden: Tensor | None = None


class _Passing:
    """The ``forward`` of a module that is passed over while the switch holds a hidden state."""

    def __init__(
        self, inner: Callable[..., Any], switch: PrefixSwitch, num_outputs: int | None
    ) -> None:
        self.inner, self.switch, self.num_outputs = inner, switch, num_outputs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        hidden = self.switch.hidden
        if hidden is None:
            return self.inner(*args, **kwargs)
        return hidden if self.num_outputs is None else (hidden, *[None] * (self.num_outputs - 1))


def start_after(model: nn.Module, k: int) -> PrefixSwitch:
    """Let ``model`` pass over its first ``k`` layers when the switch that is returned says so.

    In place, once a model; names of parameters stay. A copy of the model has a switch of its own
    (``switch_of``). Comes after ``read_first_position_only``, which replaces a layer.
    """
    assert 1 <= k <= _num_layers(model), "there is something to pass over"
    assert switch_of(model) is None, "a model has one switch"
    ids = torch.zeros(1, 1, dtype=torch.long, device=next(model.parameters()).device)
    output = _output_of_layer(model, k, {"input_ids": ids, "attention_mask": ids + 1})
    switch = PrefixSwitch()
    for module in _before_layers(model):
        _pass_over(module, switch, None)
    for index in range(k):
        num_outputs = len(output) if isinstance(output, tuple) else None
        _pass_over(_layer(model, index), switch, num_outputs)
    return switch


def switch_of(model: nn.Module) -> PrefixSwitch | None:
    """The switch that ``start_after`` gave ``model``, or None."""
    for module in _before_layers(model):
        if isinstance(module.forward, _Passing):
            return module.forward.switch
    return None


def capture(model: nn.Module, k: int, inputs: Mapping[str, Tensor]) -> Tensor:
    """The output [N, L, D] of layer k - 1 for a batch, by running ``model`` only that far.

    inputs: a batch with tokens and mask; what else is in it plays no part. If k is the number of
    layers and the last computes one position (``read_first_position_only``), [N, 1, D].
    """
    switch = switch_of(model)
    held = None if switch is None else switch.hidden
    if switch is not None:
        switch.hidden = None
    try:
        output = _output_of_layer(model, k, inputs)
    finally:
        if switch is not None:
            switch.hidden = held
    hidden: Tensor = output[0] if isinstance(output, tuple) else output
    return hidden.clone()  # one made in inference mode could not be used in training


def gather(
    cache: PrefixCache,
    model: nn.Module,
    k: int,
    collate: Callable[[Sequence[int]], Mapping[str, Tensor]],
    windows: Sequence[int],
    device: str,
) -> Tensor:
    """What layer k - 1 says of ``windows``, [N, L, D] on ``device``, zeros after each one's end.

    collate: makes the batch of some windows, on any device. What the cache lacks is computed, each
    window by itself, and put there.
    """
    rows = [_row(cache, model, k, collate, window, device) for window in windows]
    padded = torch.zeros(len(rows), max(map(len, rows)), cache.width)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = torch.from_numpy(row)
    return padded.to(device)


def cache_key(
    base_sha256: str,
    encoded_digest: str,
    k: int,
    plan: Plan,
    versions: Mapping[str, str],
    special_tokens: Sequence[str] = (),
) -> str:
    """SHA-256 of all that the hidden states depend on, to the last bit.

    base_sha256: of the encoder; encoded_digest: of the windows. Of the plan, device, precision and
    threads enter.
    """
    threads = 1 if plan.workers > 1 else plan.threads  # a worker has one
    computed = [plan.device, plan.precision, threads]
    parts = [base_sha256, encoded_digest, k, computed, dict(versions), list(special_tokens)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _row(
    cache: PrefixCache,
    model: nn.Module,
    k: int,
    collate: Callable[[Sequence[int]], Mapping[str, Tensor]],
    window: int,
    device: str,
) -> numpy.ndarray:
    found = cache.get(window)
    if found is None:
        batch = {name: value.to(device) for name, value in collate([window]).items()}
        found = capture(model, k, batch)[0].float().cpu().numpy()
        cache.put(window, found)
    return found


class _Reached(Exception):  # noqa: N818 - it is no error
    """A forward pass has come as far as it was wanted."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def _output_of_layer(model: nn.Module, k: int, inputs: Mapping[str, Tensor]) -> Any:
    """What layer k - 1 returns, a tensor or a tuple that begins with it."""

    def stop(*call: Any) -> None:
        raise _Reached(call[-1])

    handle = _layer(model, k - 1).register_forward_hook(stop)
    try:
        with torch.inference_mode():
            model(**{name: inputs[name] for name in INPUTS if name in inputs})
    except _Reached as reached:
        return reached.output
    finally:
        handle.remove()
    raise AssertionError("every layer is called")


def _pass_over(module: nn.Module, switch: PrefixSwitch, num_outputs: int | None) -> None:
    module.forward = _Passing(module.forward, switch, num_outputs)


def _before_layers(model: nn.Module) -> list[nn.Module]:
    base = model.get_submodule(base_prefix(model).removesuffix("."))
    return [module for name, module in base.named_children() if name in BEFORE]


def _layers(model: nn.Module) -> nn.ModuleList:
    known = architecture_of(model)
    assert known is not None, "num_frozen_layers is 0 for it"
    layers = model.get_submodule(base_prefix(model) + known.layers)
    assert isinstance(layers, nn.ModuleList)
    return layers


def _layer(model: nn.Module, index: int) -> nn.Module:
    return _layers(model)[index]


def _num_layers(model: nn.Module) -> int:
    return len(_layers(model))
