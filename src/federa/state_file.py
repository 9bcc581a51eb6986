"""Tensors on disk: safetensors with their order, and the facts beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.errors import RunError
from federa.types import Layout, LowRankPair

if TYPE_CHECKING:
    from federa.types import Tensors


def pack(tensors: Tensors, facts: dict[str, Any]) -> bytes:
    """Tensors and facts as the bytes of one safetensors file; equal ones give equal bytes."""
    from safetensors.torch import save

    # one key, since safetensors writes several in no fixed order: equal states are equal bytes
    # and the names, since it sorts tensors too and sums over all of them depend on their order
    metadata = {"facts": json.dumps(facts | {"names": list(tensors)})}
    return bytes(save(contiguous(tensors), metadata=metadata))


def contiguous(tensors: Tensors) -> Tensors:
    """The tensors as safetensors wants them."""
    return {name: value.contiguous() for name, value in tensors.items()}


def unpack(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """What ``pack`` wrote, the tensors in their order.

    Raises: RunError if the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return {name: file.get_tensor(name) for name in facts["names"]}, facts
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: damaged or unreadable ({error})") from error


def layout_of(content: dict[str, Any]) -> Layout:
    """The layout whose fields ``content`` holds."""
    pairs = tuple(
        LowRankPair(**pair | {"rows": tuple(pair["rows"]) if pair["rows"] else None})
        for pair in content["pairs"]
    )
    return Layout(
        shared=tuple(content["shared"]),
        head=tuple(content["head"]),
        pairs=pairs,
        starts=tuple(content["starts"]),
        fresh=tuple(content["fresh"]),
    )
