"""Tokenizers, and tables of questions."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest

from federa.models import load_tokenizer


@pytest.fixture(scope="session")
def tokenizer_of(tiny_model: Callable[[str], str]) -> Callable[[str], Any]:
    """The tokenizer of an architecture, read once."""
    return lru_cache(lambda name: load_tokenizer(tiny_model(name)))
