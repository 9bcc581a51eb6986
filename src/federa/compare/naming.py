"""How settings and the folders of their runs are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from federa.config import REGISTRIES
from federa.registry import canonical, names

MOST_LETTERS = 60
"""Of a setting's name in the name of a folder."""


def label_of(key: str, value: Any) -> str:
    """How a setting is called after one of its values: dirichlet alpha 0.1, rank 8.

    Of a registered record, its name and what departs from its defaults.
    """
    last = key.rpartition(".")[2]
    if not isinstance(value, Mapping):
        return str(value) if key in REGISTRIES else f"{last} {value}"
    name = str(value.get("name", last))
    defaults = {}
    if key in REGISTRIES:
        kinds = dict(zip(names(REGISTRIES[key]), REGISTRIES[key], strict=True))
        fields = kinds[canonical(f"--grid {key}", name, REGISTRIES[key])].model_fields
        defaults = {field: info.default for field, info in fields.items()}
    own = [f"{k} {v}" for k, v in value.items() if k != "name" and defaults.get(k) != v]
    return " ".join([name, *own])


def slug(text: str) -> str:
    """A name for a folder; a long one is told from others by a digest of what was cut off."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
    if len(name) <= MOST_LETTERS:
        return name
    return f"{name[: MOST_LETTERS - 9]}-{sha256(text.encode()).hexdigest()[:8]}"
