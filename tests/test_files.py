"""A write leaves the old content or the new, never half, and failures are explained in a line."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from federa.errors import RunError
from federa.files import append_line, cache_folder, write_atomically

Failing = Callable[[str, int], None]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Make a function of ``os`` raise an operating-system error."""

    def make(name: str, number: int) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(f"federa.files.os.{name}", fail)

    return make


@pytest.mark.parametrize("content", [b"", b"new", b"\x00\xff\r\n" * 1000])
def test_a_write_replaces_the_whole_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    for old in (None, b"a much longer old content" * 1000):
        if old is not None:
            path.write_bytes(old)
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full; free some space and resume"),
        (errno.EDQUOT, "the disk is full; free some space and resume"),
        (errno.EACCES, "cannot write (Permission denied)"),
        (errno.EROFS, "cannot write (Read-only file system)"),
        (errno.EIO, "cannot write (Input/output error)"),
    ],
)
def test_a_failed_write_leaves_the_old_content_alone(
    tmp_path: Path, failing: Failing, name: str, number: int, reason: str
) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old")
    failing(name, number)
    with pytest.raises(RunError) as caught:
        write_atomically(path, b"new")
    assert str(caught.value) == f"{path}: {reason}"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state"]


def test_the_content_is_synced_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def replaced(*paths: Path) -> None:
        calls.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_atomically(tmp_path / "state", b"new")
    assert calls == ["file", "rename", "folder"]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("absent/state", "cannot write (No such file or directory)"),
        ("a_file/state", "cannot write (Not a directory)"),
        ("a_folder", "cannot write (Is a directory)"),
    ],
)
def test_an_impossible_place_is_explained(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "a_file").write_bytes(b"")
    (tmp_path / "a_folder").mkdir()
    before = sorted(os.listdir(tmp_path))
    for write in (lambda path: write_atomically(path, b"x"), lambda path: append_line(path, "x")):
        with pytest.raises(RunError) as caught:
            write(tmp_path / place)
        assert str(caught.value) == f"{tmp_path / place}: {reason}"
    assert sorted(os.listdir(tmp_path)) == before


def test_lines_are_appended_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    append_line(path, "one")
    append_line(path, "zwölf")
    assert path.read_bytes() == "one\nzwölf\n".encode()


def test_lines_that_are_gone_are_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    with pytest.raises(RunError, match=r"rounds\.jsonl: cannot write \(No such file"):
        append_line(path, "two", make=False)
    assert not path.exists()
    append_line(path, "one")
    append_line(path, "two", make=False)
    assert path.read_text() == "one\ntwo\n"
    assert not path.stat().st_mode & 0o111


def test_a_full_disk_is_explained_when_appending(tmp_path: Path, failing: Failing) -> None:
    path = tmp_path / "rounds.jsonl"
    failing("fsync", errno.ENOSPC)
    with pytest.raises(RunError, match=r"rounds\.jsonl: the disk is full") as caught:
        append_line(path, "one")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"FEDERA_CACHE": "/own", "XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/own"),
        ({"XDG_CACHE_HOME": "/xdg", "HOME": "/home/me"}, "/xdg/federa"),
        ({"FEDERA_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/home/me"}, "/home/me/.cache/federa"),
    ],
)
def test_cache_folder(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("FEDERA_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
