"""A folder of its own for each case, with what the cases refer to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bad_input.tables import GOOD


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a good ``own.csv``, and ``done`` that looks like a run folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDERA_DATA", raising=False)
    (tmp_path / "own.csv").write_bytes(GOOD)
    (tmp_path / "done").mkdir()
    for name in ("config.yaml", "facts.json", "start.safetensors", "latest.safetensors"):
        (tmp_path / "done" / name).write_bytes(b"")
    (tmp_path / "done" / "config.yaml").write_bytes(b"data: servicedesk\n...\n")
    return tmp_path
