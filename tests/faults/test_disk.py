"""Real disks: full at every page, with too small a limit for a file, and read-only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from faults.conftest import Undisturbed
from faults.mounts import read_only, small_disk
from faults.nursery import Nursery, contents, require_one_line, require_same

PAGE = 4096


def fill(disk: Path, num_free_pages: int) -> None:
    """Leave no more room on ``disk`` than the given number of pages."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    size = os.statvfs(disk).f_bavail - num_free_pages
    with filler.open("wb", buffering=0) as file:
        for _ in range(size):
            file.write(b"0" * PAGE)
    assert os.statvfs(disk).f_bavail == num_free_pages


def go_on(nursery: Nursery, undisturbed: Undisturbed, runs: Path, where: object) -> None:
    """Resume, or start where nothing is there, and compare."""
    folder = runs / "tiny"
    if folder.exists():
        outcome = nursery.run("run", "--resume", folder)
    else:
        assert not runs.exists() or not list(runs.iterdir()), where
        outcome = nursery.run("run", undisturbed.file, "--folder", runs)
    assert outcome.code == 0, (where, outcome)
    require_same(contents(folder), undisturbed.contents, where)


def test_a_disk_that_is_full_at_every_page(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 512) as disk:
        runs, num_free, ends = disk / "runs", 0, set()
        while True:
            shutil.rmtree(runs, ignore_errors=True)
            fill(disk, num_free)
            outcome = nursery.run("run", undisturbed.file, "--folder", runs)
            (disk / "filler").unlink()
            if outcome.code == 0:
                require_same(contents(runs / "tiny"), undisturbed.contents, num_free)
                break
            line = require_one_line(outcome, 2)
            assert str(runs) in line
            assert "full" in line or "No space left" in line
            ends.add(line.split(str(runs))[1].split(":")[0])
            go_on(nursery, undisturbed, runs, f"{num_free} pages free")
            num_free += 1
        assert num_free > 15, "the disk was full at many points"
        assert len(ends) > 3, ends


@pytest.mark.parametrize("file_bytes", [300, 700, 1500, 4000, 7000, 7900, 8050])
def test_a_file_that_may_not_grow(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path, file_bytes: int
) -> None:
    runs = tmp_path / "runs"
    outcome = nursery.run(
        "run", undisturbed.file, "--folder", runs, file_bytes=file_bytes, output="/dev/null"
    )
    line = require_one_line(outcome, 2)
    assert str(runs) in line
    assert "File too large" in line
    go_on(nursery, undisturbed, runs, file_bytes)


@pytest.mark.parametrize("file_bytes", [300, 1000, 4000, 7500])
def test_an_export_that_may_not_grow(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path, file_bytes: int
) -> None:
    target = tmp_path / "out"
    command = ("export", undisturbed.folder, "--out", target)
    line = require_one_line(nursery.run(*command, file_bytes=file_bytes), 2)
    assert str(tmp_path) in line
    assert list(tmp_path.iterdir()) == [], "nothing half written"
    assert nursery.run(*command).code == 0
    model = "adapter_model.safetensors"
    assert (target / model).read_bytes() == undisturbed.contents[f"export/peft/{model}"]


def test_a_read_only_folder(nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(undisturbed.folder, runs / "tiny")
    (tmp_path / "texts").write_text("the printer\n")
    with read_only(runs):
        new = ("run", undisturbed.file, "--folder", runs)
        for command in (new, ("run", "--resume", runs / "tiny"), ("export", runs / "tiny")):
            line = require_one_line(nursery.run(*command), 2)
            assert str(runs) in line
            assert "Read-only file system" in line
        assert nursery.run("export", runs / "tiny", "--out", tmp_path / "out").code == 0
        predicted = nursery.run("predict", runs / "tiny", tmp_path / "texts")
        assert (predicted.code, predicted.err) == (0, ""), "reading needs no writing"
    require_same(contents(runs / "tiny"), undisturbed.contents, "read-only")
    go_on(nursery, undisturbed, runs, "writable again")


@pytest.mark.parametrize("place", ["/proc/federa", "/sys/federa", "/dev/null/federa"])
def test_a_place_where_nobody_writes(
    nursery: Nursery, undisturbed: Undisturbed, place: str
) -> None:
    table = undisturbed.file.with_name("train.csv")
    for command in (
        ("run", undisturbed.file, "--folder", place),
        ("export", undisturbed.folder, "--out", f"{place}/out"),
        ("init", table, "--out", f"{place}/federa.yaml"),
    ):
        assert place in require_one_line(nursery.run(*command), 2)
