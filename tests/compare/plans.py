"""A small comparison to change."""

from __future__ import annotations

from typing import Any

from federa.compare import Comparison

BASE: dict[str, Any] = {
    "seed": 7,
    "data": {"name": "files", "train": "table.csv"},
    "federation": {"num_clients": 4, "num_rounds": 12},
}
DIRICHLET = {"name": "dirichlet", "alpha": 0.1}
SPLITS = {"partition": ["iid", DIRICHLET]}


def make(
    methods: tuple[str, ...] = ("federa", "full"),
    grid: dict[str, list[Any]] | None = None,
    base: dict[str, Any] = BASE,
    **fields: Any,
) -> Comparison:
    return Comparison.make(base, list(methods), grid or {}, **fields)
