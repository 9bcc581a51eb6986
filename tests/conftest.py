"""Offline, one thread, a cache of its own; tiny models made once a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("FEDERA_CACHE")
    os.environ["FEDERA_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["FEDERA_CACHE"]
    else:
        os.environ["FEDERA_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The folder of a tiny model of an architecture, with its tokenizer."""
    made: dict[str, str] = {}

    def make(model_type: str) -> str:
        import torch

        torch.set_num_threads(1)
        if model_type not in made:
            from tiny import save_tiny

            made[model_type] = str(save_tiny(model_type, tmp_path_factory.mktemp(model_type)))
        return made[model_type]

    return make


@pytest.fixture(scope="session")
def tiny_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 120 short texts with 3 labels that one word decides, and a site column."""
    from builders import write_tiny_table

    return write_tiny_table(tmp_path_factory.mktemp("data") / "train.csv")
