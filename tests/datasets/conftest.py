"""What the tests of data sets share: refusals, real files, peaks of memory."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.errors import FederaError


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Load a data set that must be refused, and return the message, which is one line."""

    def load(record: Any, task: str | None = None) -> str:
        with pytest.raises(FederaError) as caught:
            record.load(task or record.tasks[0])
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        assert len(message) < 800
        return message

    return load


@pytest.fixture
def real() -> Callable[[str], Path]:
    """The folder of a public data set, or a skipped test."""

    def find(name: str) -> Path:
        folder = Path(os.environ.get("FEDERA_DATA", "/nowhere")) / name
        if not folder.is_dir():
            pytest.skip(f"needs {name} below $FEDERA_DATA")
        return folder

    return find


@pytest.fixture
def peak_bytes() -> Callable[[Callable[[], Any]], int]:
    """The largest amount of memory that Python holds at once during a call."""

    def measure(action: Callable[[], Any]) -> int:
        gc.collect()
        tracemalloc.start()
        kept = action()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert kept is not None
        return peak

    return measure
