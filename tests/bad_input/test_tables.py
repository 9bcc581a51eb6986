"""Malformed data files end in one clear line, exit code 2, and nothing on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bad_input.command import assert_refused, federa, listing, spawn
from bad_input.configs import whole
from bad_input.odd_files import ODD, broken_link, pipe
from bad_input.tables import (
    GOOD,
    KEYS,
    OTHERS,
    RELEASE,
    SEMEVAL,
    TABLES,
    TEST,
    TRAIN,
    TableCase,
    columns,
    csv,
    jsonl,
)

pytestmark = pytest.mark.timeout(30)  # a pipe that is read would wait for ever


def _fill(place: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)


def _refused(place: Path, keys: str, *parts: str) -> None:
    (place / "bad.yaml").write_bytes(whole(keys).encode())
    before = listing(place)
    outcome = federa("check", "bad.yaml", "--data")
    assert_refused(outcome, *parts)
    assert federa("run", "bad.yaml").err == outcome.err
    assert listing(place) == before


@pytest.mark.parametrize("case", TABLES + SEMEVAL, ids=lambda case: case.id)
def test_a_malformed_file_is_refused(place: Path, case: TableCase) -> None:
    _fill(place, case.files)
    _refused(place, case.keys, *case.parts)


@pytest.mark.parametrize(
    ("files", "keys"),
    [
        ({"t.csv": GOOD}, "data: {name: files, train: t.csv}"),
        ({"t.csv": b"\xef\xbb\xbf" + GOOD}, "data: {name: files, train: t.csv}"),
        ({"t.tsv": csv(delimiter="\t", end="\r\n")}, "data: {name: files, train: t.tsv}"),
        ({"t.jsonl": jsonl()}, "data: {name: files, train: t.jsonl}"),
        (
            {"t.parquet": columns(text=list("uvwxyz") * 6, label=list("ab") * 18)},
            "data: {name: files, train: t.parquet}",
        ),
        (
            {"d/a.csv": GOOD, "d/b.csv": GOOD},
            "data: {name: files, train: d, file_per_client: true}",
        ),
        ({TRAIN: RELEASE.encode(), TEST: RELEASE.encode()}, KEYS),
    ],
)
def test_what_the_cases_begin_from_is_accepted(
    place: Path, files: dict[str, bytes], keys: str
) -> None:
    _fill(place, files)
    (place / "good.yaml").write_bytes(whole(keys).encode())
    code, _, err = federa("check", "good.yaml", "--data")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("make", "train", "part"), [pytest.param(*case[1:], id=case[0]) for case in ODD]
)
def test_what_is_no_plain_file_is_refused(
    place: Path, make: Callable[[Path], None], train: str, part: str
) -> None:
    make(place)
    _refused(place, f'data: {{name: files, train: "{train}"}}', part)


@pytest.mark.parametrize(
    ("file", "content", "arguments", "parts"),
    [pytest.param(*case[1:], id=case[0]) for case in OTHERS],
)
def test_a_malformed_argument_is_refused(
    place: Path, file: str, content: bytes, arguments: list[str], parts: tuple[str, ...]
) -> None:
    _fill(place, {file: content})
    before = listing(place)
    outcome = federa(*arguments)
    assert_refused(outcome, *parts)
    assert outcome.out == ""
    assert listing(place) == before


@pytest.mark.parametrize("command", [("predict", "done", "t.csv"), ("init", "t.csv")])
def test_a_pipe_in_place_of_a_table_is_refused(place: Path, command: tuple[str, ...]) -> None:
    pipe(place)
    before = listing(place)
    assert_refused(federa(*command), "t.csv: not a plain file")
    assert listing(place) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "part"), [(pipe, "t.csv: not a plain file"), (broken_link, "t.csv: not a plain file")]
)
def test_a_process_refuses_it_too(place: Path, make: Callable[[Path], None], part: str) -> None:
    make(place)
    (place / "bad.yaml").write_bytes(whole("data: {name: files, train: t.csv}").encode())
    before = listing(place)
    assert_refused(spawn("run", "bad.yaml", seconds=20), part)
    assert listing(place) == before
