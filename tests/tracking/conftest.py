"""Runs to be tracked, and an eye on the network."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.tracking import TrackedRun


@pytest.fixture
def tracked_run(tmp_path: Path) -> Callable[..., TrackedRun]:
    """A run in a folder of its own."""

    def make(name: str = "run", **parameters: Any) -> TrackedRun:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        told = {"method.name": "federa", "train.learning_rate": 0.01, **parameters}
        return TrackedRun(folder, "group", told, "validation/f1")

    return make


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address outside this machine's own sockets that this process tried to reach."""
    tried: list[Any] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            tried.append(address)
            raise ConnectionRefusedError(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    return tried
