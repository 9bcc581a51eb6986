"""Lines and JSON objects: what ends a line, what is damaged, what is asked of a value."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from federa.datasets.lines import (
    members_of,
    parse_object,
    read_lines,
    read_objects,
    texts_of,
    value_of,
)
from federa.errors import DataError


def write(folder: Path, content: bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(read_lines(path))
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("\ufeffone\n\n\ntwo\n", ["one", "", "", "two"]),
        # none of these ends a line, though str.splitlines() thinks so
        ("a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i\rj\n", None),
        ("a\xa0b\u200bc\ufeffd\n", None),
        ("a\r\r\n", ["a\r"]),
    ],
)
def test_only_line_ends_end_a_line(
    tmp_path: Path, name: str, content: str, lines: list[str] | None
) -> None:
    found = list(read_lines(write(tmp_path, content.encode(), name)))
    expected = [content.removesuffix("\n")] if lines is None else lines
    assert found == list(enumerate(expected, start=1))


def test_a_mark_in_the_middle_is_content(tmp_path: Path) -> None:
    path = write(tmp_path, "one\n\ufefftwo\n".encode())
    assert [line for _, line in read_lines(path)] == ["one", "\ufefftwo"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \r\n\t\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b"\xef\xbb\xbf\n\n", "the file is empty"),
        (b"one\ncaf\xe9\n", "not UTF-8 (byte 0xe9 at position 7) in line 2; convert it first, fo"),
        (b"one\ntw\0o\n", "a NUL byte at position 6, in line 2; it is damaged, binary or UTF-16"),
        ("one\n".encode("utf-16"), "not UTF-8 (byte 0xff at position 0) in line 1"),
        ("one\n".encode("utf-16-le"), "a NUL byte at position 1, in line 1"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert refused(write(tmp_path, content, name)).startswith(message)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    content = "".join(f"line {number}\n" for number in range(5000)).encode()
    path = write(tmp_path, content, "a.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    message = refused(path)
    assert message.startswith("damaged or cut off after line ")
    assert 0 < int(message.split()[6]) < 5000
    path.write_bytes(content)
    assert refused(path).startswith("damaged or cut off after line 0 (Not a gzipped file")
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(20) + whole[middle + 20 :])
    assert "damaged or cut off" in refused(path) or "not UTF-8" in refused(path)


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == "cannot read (Is a directory)"
    assert refused(tmp_path / "absent") == "cannot read (No such file or directory)"
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == "not a plain file (but a pipe or a device)"
    assert refused(Path(os.devnull)) == "not a plain file (but a pipe or a device)"
    (tmp_path / "link").symlink_to("nothing")
    assert refused(tmp_path / "link") == "cannot read (No such file or directory)"
    (tmp_path / "b.gz").mkdir()
    assert refused(tmp_path / "b.gz") == "cannot read (Is a directory)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, b"x\n")
    path.chmod(0)
    assert refused(path) == "cannot read (Permission denied)"


def test_objects_and_their_places(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"a": 1}\n\n{"a": "\\ud83d\\ude02"}\r\n')
    assert list(read_objects(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"a": "\U0001f602"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ', "no JSON (column 7: Expecting value)"),
        ('{"a": 1}}', "no JSON (column 9: Extra data)"),
        ('{\n"a": \n', "no JSON (line 3, column 1: Expecting value)"),
        ("[1]", "expected a JSON object, not [1]"),
        ("null", "expected a JSON object, not None"),
        ('{"a": "\\ud800"}', "no JSON ("),
        ("[" * 100_000, "no JSON (nested too deep)"),
        ('{"a": ' + "9" * 5000 + "}", "no JSON ("),
    ],
)
def test_what_is_no_object_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_object(text, "f:7")
    assert str(caught.value).startswith(f"f:7: {message}")


def test_values_are_of_their_kind() -> None:
    record = {"name": "x", "number": 3, "truth": True, "list": ["a", 1], "objects": [{"k": 1}, 2]}
    assert value_of(record, "name", str, "f") == "x"
    assert value_of(record, "number", int, "f") == 3
    for key, kind, message in (
        ("nam", str, "f: no 'nam'; did you mean 'name'?"),
        ("name", list, "f: 'name' holds 'x', where a list is expected"),
        ("number", str, "f: 'number' holds 3, where text is expected"),
        ("truth", int, "f: 'truth' holds True, where a whole number is expected"),
        ("list", dict, "f: 'list' holds ['a', 1], where an object is expected"),
    ):
        with pytest.raises(DataError) as caught:
            value_of(record, key, kind, "f")
        assert str(caught.value) == message
    with pytest.raises(DataError, match=r"^f: 'list' holds 1, where text is expected$"):
        texts_of(record, "list", "f")
    members = members_of(record, "objects", "f")
    assert next(members) == ("f, objects[0]", {"k": 1})
    with pytest.raises(DataError, match=r"^f, objects\[1\]: expected an object, not 2$"):
        next(members)
