"""Small runs on tiny models, shared by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from federa.config import RunConfig


def write_tiny_table(path: Path) -> Path:
    """A CSV of 120 short texts with 3 labels that one word decides, and a site column."""
    words = ["printer", "password", "screen"]
    lines = ["text,label,site"]
    for row in range(120):
        word = words[row % 3]
        lines.append(f"please the {word} number {row} again,{word},site{row % 5}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tiny_config(model: str, table: Path, **changes: Any) -> RunConfig:
    """Six clients, three a round, three rounds of two steps; ``changes`` replace whole sections."""
    content: dict[str, Any] = {
        "name": "tiny",
        "seed": 3,
        "model": model,
        "data": {"name": "files", "train": str(table)},
        "partition": {"name": "dirichlet", "alpha": 1.0, "min_examples": 4},
        "method": {"name": "federa", "rank": 4},
        "federation": {"num_clients": 6, "clients_per_round": 3, "num_rounds": 3},
        "train": {"max_steps": 2, "batch_size": 4, "max_length": 24, "learning_rate": 0.01},
        "engine": {"threads": 1, "device": "cpu"},
    }
    content |= changes
    # float32 on every machine, so that tolerances mean the same everywhere
    content["train"] = {"precision": "fp32", **content["train"]}
    return RunConfig.parse(content)
