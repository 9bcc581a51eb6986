"""Which linear layers of a model are adapted, and where bottlenecks go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from federa.architectures import ARCHITECTURES, PARTS_OF_FUSED, Architecture
from federa.errors import ConfigError
from federa.models import architecture_of, base_prefix, model_type

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Target:
    """A linear layer to adapt, or the rows of a fused one that make one projection.

    module: dotted name in the model; part: ``query``, ``key`` or ``value`` of a fused
    projection, else None; rows: the rows of its weight, else None.
    """

    module: str
    part: str | None = None
    rows: tuple[int, int] | None = None


def find_targets(
    model: nn.Module, targets: str | Sequence[str], layers: str | Sequence[int]
) -> list[Target]:
    """The linear layers that ``targets`` and ``layers`` select, in the model's order.

    targets: ``auto`` (the architecture's query and value), ``all_linear``, or names, each the
    end of a module's name inside a layer; layers: ``all``, ``first n``, ``last n``, or indices.
    Raises: ConfigError naming what exists.
    """
    import torch

    known = architecture_of(model)
    prefix = base_prefix(model)
    layer_path = re.escape(known.layers) if known else r"[\w.]*?"
    pattern = re.compile(re.escape(prefix) + layer_path + r"\.(\d+)\.(.+)")
    candidates: list[tuple[int, Target, str]] = []
    for name, module in model.named_modules():
        matched = pattern.fullmatch(name)
        if matched and isinstance(module, torch.nn.Linear):
            fused = known is not None and matched[2] in known.fused
            for target, short in _parts(name, matched[2], module.out_features, fused):
                candidates.append((int(matched[1]), target, short))
    if not candidates:
        raise ConfigError(f"method.targets: {model_type(model)} has no linear layer to adapt")
    count = 1 + max(index for index, _, _ in candidates)
    chosen_layers = select_layers(layers, count)
    wanted = _wanted(targets, known, model_type(model), [short for _, _, short in candidates])
    return [
        target
        for index, target, short in candidates
        if index in chosen_layers and (wanted is None or any(_ends(short, end) for end in wanted))
    ]


def _parts(name: str, short: str, num_rows: int, fused: bool) -> list[tuple[Target, str]]:
    if not fused:
        return [(Target(name), short)]
    size = num_rows // len(PARTS_OF_FUSED)
    return [
        (Target(name, part, (index * size, (index + 1) * size)), f"{short}.{part}")
        for index, part in enumerate(PARTS_OF_FUSED)
    ]


def _ends(short: str, end: str) -> bool:
    return short == end or short.endswith("." + end)


def _wanted(
    targets: str | Sequence[str], known: Architecture | None, kind: str, shorts: list[str]
) -> Sequence[str] | None:
    names = sorted(set(shorts))
    if targets == "all_linear":
        return None
    if targets == "auto":
        if known is None:
            raise ConfigError(
                f"method.targets: auto knows no {kind}; name modules, of: {', '.join(names)}"
            )
        return known.targets
    wanted = [targets] if isinstance(targets, str) else list(targets)
    for end in wanted:
        if not any(_ends(name, end) for name in names):
            raise ConfigError(
                f"method.targets: no module {end!r} in {kind}; there are: {', '.join(names)}"
            )
    return wanted


def find_bottlenecks(
    model: nn.Module, layers: str | Sequence[int], *, last_only: bool = False
) -> list[str]:
    """The projections behind which bottleneck adapters go, in the model's order.

    last_only: the feed-forward one of each layer, without the attention's.
    Raises: ConfigError for a model whose sites are not listed.
    """
    known = architecture_of(model)
    if known is None:
        raise ConfigError(
            f"method: {model_type(model)} has no known place for bottleneck adapters; known are "
            + ", ".join(ARCHITECTURES)
        )
    sites = known.bottlenecks[1:] if last_only else known.bottlenecks
    return [f"{layer}.{site}" for layer in _layer_names(model, known, layers) for site in sites]


def find_layer_norms(model: nn.Module, layers: str | Sequence[int]) -> tuple[str, ...]:
    """The parameters of the layer norms inside the chosen layers, in the model's order."""
    import torch

    known = architecture_of(model)
    assert known is not None, "find_bottlenecks has refused it"
    return tuple(
        f"{layer}.{name}.{parameter}"
        for layer in _layer_names(model, known, layers)
        for name, module in model.get_submodule(layer).named_modules()
        if isinstance(module, torch.nn.LayerNorm)
        for parameter, _ in module.named_parameters()
    )


def _layer_names(model: nn.Module, known: Architecture, layers: str | Sequence[int]) -> list[str]:
    path = base_prefix(model) + known.layers
    count = sum(1 for _ in model.get_submodule(path).children())
    return [f"{path}.{index}" for index in sorted(select_layers(layers, count))]


def select_layers(layers: str | Sequence[int], count: int) -> frozenset[int]:
    """Indices that ``all``, ``first n``, ``last n`` or a list (negative from the end) select.

    Raises: ConfigError if the selection is malformed or outside the model's ``count`` layers.
    """
    if layers == "all":
        return frozenset(range(count))
    if isinstance(layers, str):
        matched = re.fullmatch(r"(first|last) (\d+)", layers)
        if not matched or not 1 <= int(matched[2]) <= count:
            raise ConfigError(
                f"method.layers: {layers!r} is not all, 'first n', 'last n' or a list, n 1..{count}"
            )
        number = int(matched[2])
        return frozenset(range(number) if matched[1] == "first" else range(count - number, count))
    for index in layers:
        if not -count <= index < count:
            raise ConfigError(f"method.layers: no layer {index}; the model has 0..{count - 1}")
    return frozenset(index % count for index in layers)
