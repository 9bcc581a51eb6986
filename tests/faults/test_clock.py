"""Clocks that go back, and files from the future or the past."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from faults.conftest import Undisturbed
from faults.nursery import Nursery, contents, require_same


def seconds(content: Any) -> list[float]:
    """Every number of seconds in a record or summary."""
    if isinstance(content, list):
        return [number for part in content for number in seconds(part)]
    if not isinstance(content, dict):
        return []
    found: list[float] = []
    for name, value in content.items():
        if "seconds" in name:
            told = value.values() if isinstance(value, dict) else [value]
            found += [number for number in told if number is not None]
        else:
            found += seconds(value)
    return found


def require_no_negative_seconds(folder: Path) -> None:
    """Look at all that was measured."""
    lines = (folder / "rounds.jsonl").read_text().splitlines()
    measured = seconds([json.loads(line) for line in lines])
    measured += seconds(json.loads((folder / "summary.json").read_text()))
    assert len(measured) > len(lines)
    assert min(measured) >= 0


def test_the_clock_goes_back_all_the_time(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    outcome = nursery.run("run", undisturbed.file, "--folder", tmp_path, clock=True)
    assert (outcome.code, outcome.err) == (0, "")
    assert "-" not in [line.split("left")[-1] for line in outcome.out.splitlines()]
    for _ in range(2):
        require_same(contents(tmp_path / "tiny"), undisturbed.contents, "clock")
        require_no_negative_seconds(tmp_path / "tiny")
        outcome = nursery.run("run", "--resume", tmp_path / "tiny", clock=True)
        assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("when", [0.0, 1.0, time.time() + 1e9])
def test_times_of_files_do_not_matter(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path, when: float
) -> None:
    folder = shutil.copytree(undisturbed.folder, tmp_path / "tiny")
    shutil.rmtree(folder / "export")
    before = undisturbed.file.stat()
    for path in (*folder.rglob("*"), folder, undisturbed.file.with_name("train.csv")):
        os.utime(path, (when, when))
    outcome = nursery.run("run", "--resume", folder)
    os.utime(undisturbed.file.with_name("train.csv"), (before.st_atime, before.st_mtime))
    assert (outcome.code, outcome.err) == (0, "")
    require_same(contents(folder), undisturbed.contents, when)
    require_no_negative_seconds(folder)
