"""Windows kept on disk: what comes back is what was put, or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from federa.prefix_cache import PrefixCache

WIDTH = 4
LENGTHS = numpy.array([3, 1, 5, 2])
ALL = int(LENGTHS.sum()) * WIDTH * 4


def rows(window: int, seed: int = 0) -> numpy.ndarray:
    generator = numpy.random.default_rng([seed, window])
    return generator.standard_normal((LENGTHS[window], WIDTH)).astype(numpy.float32)


def opened(
    folder: Path, key: str = "key", limit_bytes: int = ALL, width: int = WIDTH
) -> PrefixCache:
    return PrefixCache.open(folder, key, LENGTHS, width, limit_bytes)


def held(cache: PrefixCache) -> list[int]:
    """The windows that are there, each as it was put."""
    found = [cache.get(window) for window in range(len(LENGTHS))]
    for window, array in enumerate(found):
        assert array is None or numpy.array_equal(array, rows(window))
    return [window for window, array in enumerate(found) if array is not None]


def filled(folder: Path, key: str = "key", limit_bytes: int = ALL) -> PrefixCache:
    cache = opened(folder, key, limit_bytes)
    for window in range(len(LENGTHS)):
        cache.put(window, rows(window))
    return cache


def test_what_is_put_comes_back_also_later(tmp_path: Path) -> None:
    cache = opened(tmp_path / "new" / "folder")
    assert held(cache) == []
    for window in (2, 0):
        cache.put(window, rows(window))
    assert held(cache) == [0, 2]
    found = cache.get(2)
    assert found is not None
    assert (found.dtype, found.flags.writeable) == (numpy.float32, True)
    assert held(opened(tmp_path / "new" / "folder")) == [0, 2]
    cache.close()
    assert held(cache) == []
    cache.put(1, rows(1))
    assert held(opened(tmp_path / "new" / "folder")) == [0, 2]


def test_the_default_folder_is_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path))
    PrefixCache.open(None, "key", LENGTHS, WIDTH, ALL).put(0, rows(0))
    assert held(opened(tmp_path / "prefix")) == [0]


def test_the_first_windows_that_fit_are_kept(tmp_path: Path) -> None:
    limit = 4 * WIDTH * 4  # windows 0 and 1 exactly
    cache = opened(tmp_path, limit_bytes=limit)
    for window in (3, 2, 1, 0):  # window 3 would have fitted by itself
        cache.put(window, rows(window))
    assert held(cache) == [0, 1]
    assert (tmp_path / "key.rows").stat().st_size == limit
    assert held(opened(tmp_path, limit_bytes=limit - 1)) == [0]
    assert held(opened(tmp_path, limit_bytes=0)) == []


def test_a_larger_limit_keeps_what_is_there(tmp_path: Path) -> None:
    small = opened(tmp_path, limit_bytes=4 * WIDTH * 4)
    small.put(0, rows(0))
    large = opened(tmp_path)
    large.put(3, rows(3))
    assert held(large) == [0, 3]
    assert held(small) == [0]


@pytest.mark.parametrize("damage", ["a byte", "never written", "cut short", "checksum"])
def test_a_torn_write_is_noticed_and_repaired(tmp_path: Path, damage: str) -> None:
    filled(tmp_path).close()
    begin, size = int(LENGTHS[:2].sum()) * WIDTH * 4, int(LENGTHS[2]) * WIDTH * 4
    path, index = tmp_path / "key.rows", tmp_path / "key.index"
    content = bytearray(path.read_bytes())
    if damage == "a byte":
        content[begin + 7] ^= 1
    elif damage == "never written":  # the checksum reached the disk, the rows did not
        content[begin : begin + size] = bytes(size)
    elif damage == "cut short":
        content = content[: begin + 1]
    else:
        checksums = bytearray(index.read_bytes())
        checksums[-2 * 4] ^= 1
        index.write_bytes(checksums)
    path.write_bytes(content)
    cache = opened(tmp_path)
    assert held(cache) == ([0, 1] if damage == "cut short" else [0, 1, 3])
    cache.put(2, rows(2))
    assert 2 in held(cache)


def test_another_key_or_size_starts_afresh(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    assert held(opened(tmp_path, "other", limit_bytes=2 * ALL)) == []
    assert held(opened(tmp_path, limit_bytes=2 * ALL)) == [0, 1, 2, 3]
    lengths = LENGTHS[::-1].copy()
    mirrored = PrefixCache.open(tmp_path, "key", lengths, WIDTH, 2 * ALL)
    assert [mirrored.get(window) for window in range(4)] == [None] * 4
    assert held(cache) == [0, 1, 2, 3], "who has the old files open keeps them"
    assert held(opened(tmp_path, width=2 * WIDTH, limit_bytes=2 * ALL)) == []


@pytest.mark.parametrize("content", [None, b"", b"x" * 48, b"cut"])
def test_a_damaged_index_starts_afresh(tmp_path: Path, content: bytes | None) -> None:
    filled(tmp_path).close()
    index = tmp_path / "key.index"
    index.unlink() if content is None else index.write_bytes(content)
    cache = opened(tmp_path)
    assert held(cache) == []
    cache.put(1, rows(1))
    assert held(opened(tmp_path)) == [1]


def test_rows_that_are_gone_start_afresh(tmp_path: Path) -> None:
    filled(tmp_path).close()
    (tmp_path / "key.rows").unlink()
    assert held(opened(tmp_path)) == []


def test_a_wrong_shape_is_refused(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    with pytest.raises(ValueError, match=r"window 1 has 1 rows of 4, not the shape \(3, 4\)"):
        cache.put(1, rows(0))


def test_a_folder_that_cannot_be_used_keeps_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.write_text("")
    cache = opened(folder)
    cache.put(0, rows(0))
    assert held(cache) == []
    assert "no hidden states are kept" in caplog.text


def test_a_full_disk_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened(tmp_path)
    write = os.pwrite

    def full(descriptor: int, content: bytes, offset: int) -> int:
        if len(content) > 4 * WIDTH:  # a few bytes are left
            return write(descriptor, content[: 4 * WIDTH], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    cache.put(0, rows(0))
    cache.put(1, rows(1))
    monkeypatch.undo()
    assert held(cache) == []


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    for age, key in enumerate(["newest", "middle", "oldest", "used"]):
        filled(tmp_path, key, 1 << 20).close()
        os.utime(tmp_path / f"{key}.rows", (1e9 - age, 1e9 - age))
    used = opened(tmp_path, "used", limit_bytes=1 << 20)
    os.utime(tmp_path / "used.rows", (0, 0))
    taken = (tmp_path / "used.rows").stat().st_blocks * 512
    if not taken:
        pytest.skip("this file system does not say what a file takes")
    opened(tmp_path, "own", limit_bytes=2 * taken + ALL).close()
    assert {path.stem for path in tmp_path.glob("*.rows")} == {"newest", "used", "own"}
    assert {path.stem for path in tmp_path.glob("*.index")} == {"newest", "used", "own"}
    used.close()
    opened(tmp_path, "own", limit_bytes=taken + ALL).close()
    assert {path.stem for path in tmp_path.glob("*.rows")} == {"newest", "own"}


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_prefix_cache as t
cache = t.opened(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.readline()
for _ in range(200):
    for window in map(int, sys.argv[2:]):
        cache.put(window, t.rows(window))
        t.held(cache)
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    code = WRITER.format(tests=str(Path(__file__).parent))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), *windows],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for windows in (("0", "2", "3"), ("3", "1", "2"))
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
    for writer in writers:
        writer.communicate(b"go\n", timeout=120)
        assert writer.returncode == 0
    assert held(opened(tmp_path)) == [0, 1, 2, 3]
