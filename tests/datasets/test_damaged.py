"""Every public set refuses every kind of damage to each of its files, in one line that names it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from federa.datasets import Mrqa, Ploner, SemEval2010Task8, Squad, TwentyNewsgroups, Wnut2017

NEWS = json.dumps({"id": "sci.space/1", "label": "sci.space", "text": "x\n\ny"}) + "\n"
SENTENCE = '1\t"The <e1>lid</e1> of a <e2>pot</e2>"\r\nOther\r\nComment:\r\n\r\n'
ANSWER = {"text": "Ada", "answer_start": 0}
QUESTION = {"id": "q", "question": "Who?", "answers": [ANSWER]}
SQUAD = json.dumps({"data": [{"paragraphs": [{"context": "Ada.", "qas": [QUESTION]}]}]})
DETECTED = [{"text": "Ada", "char_spans": [[0, 2]]}]
MRQA = '{"header": {}}\n' + json.dumps(
    {
        "context": "Ada.",
        "qas": [{"qid": "q", "question": "Who?", "answers": ["Ada"], "detected_answers": DETECTED}],
    }
)
TAGGED = "Ada\tB-person\nsang\tO\n\n"
PLONER = "Ada B-PER \nsang O \n\n"


class Release(NamedTuple):
    """A data set and its smallest sound files."""

    record: Any
    files: dict[str, str]


RELEASES = [
    Release(TwentyNewsgroups, {"train.jsonl.gz": NEWS, "test.jsonl.gz": NEWS}),
    Release(TwentyNewsgroups, {"train.jsonl": NEWS, "test.jsonl": NEWS}),
    Release(SemEval2010Task8, {"TRAIN_FILE.TXT": SENTENCE, "TEST_FILE_FULL.TXT": SENTENCE}),
    Release(
        Wnut2017,
        {
            "wnut17train.conll": TAGGED,
            "emerging.dev.conll": TAGGED,
            "emerging.test.annotated": TAGGED,
        },
    ),
    Release(Ploner, {f"onbc_{split}.txt": PLONER for split in ("train", "dev", "test")}),
    Release(Squad, {"train-v1.1.json": SQUAD, "dev-v1.1.json": SQUAD}),
    Release(
        Mrqa,
        {f"{part}/SQuAD.jsonl.gz": MRQA for part in ("train", "dev", "dev_ood")},
    ),
    Release(Mrqa, {f"{part}/SQuAD.jsonl": MRQA for part in ("train", "dev", "dev_ood")}),
]
PLACES = [
    pytest.param(release, name, id=f"{release.record.__name__}-{name}")
    for release in RELEASES
    for name in release.files
]


def packed(name: str, content: bytes) -> bytes:
    return gzip.compress(content) if name.endswith(".gz") else content


def lay_out(folder: Path, release: Release) -> Any:
    for name, content in release.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed(name, content.encode()))
    return release.record(folder=str(folder))


@pytest.mark.parametrize("release", RELEASES)
def test_the_sound_files_are_read(tmp_path: Path, release: Release) -> None:
    record = lay_out(tmp_path, release)
    assert len(next(iter(record.load(record.tasks[0]).train.values()))) == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda whole: b"", "the file is empty"),
        (lambda whole: b"\r\n \n", "the file is empty"),
        (lambda whole: b"\xef\xbb\xbf", "empty"),
        (lambda whole: whole.replace(b"Ada", b"A\0a").replace(b"<e1>", b"<\0e1>"), "NUL"),
        (lambda whole: whole.replace(b"A", b"\xe9").replace(b"lid", b"l\xe9d"), "not UTF-8"),
        (lambda whole: whole.decode().encode("utf-16"), "not UTF-8"),
        (lambda whole: bytes(3000), "NUL"),
    ],
)
@pytest.mark.parametrize(("release", "name"), PLACES)
def test_damaged_content(
    tmp_path: Path,
    refusal: Callable[..., str],
    release: Release,
    name: str,
    damage: Callable[[bytes], bytes],
    said: str,
) -> None:
    record = lay_out(tmp_path, release)
    whole = release.files[name].encode()
    if b"sci.space" in whole:
        whole = whole.replace(b'"x', b'"Ada')
    (tmp_path / name).write_bytes(packed(name, damage(whole)))
    message = refusal(record)
    assert message.startswith(str(tmp_path / name))
    assert said in message


@pytest.mark.parametrize(("release", "name"), PLACES)
def test_cut_files(
    tmp_path: Path, refusal: Callable[..., str], release: Release, name: str
) -> None:
    record = lay_out(tmp_path, release)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 5])
    assert refusal(record).startswith(str(tmp_path / name))


@pytest.mark.parametrize(("release", "name"), PLACES)
def test_what_is_no_file(
    tmp_path: Path, refusal: Callable[..., str], release: Release, name: str
) -> None:
    record, path = lay_out(tmp_path, release), tmp_path / name
    path.unlink()
    path.mkdir()
    assert refusal(record) == f"{path}: cannot read (Is a directory)"
    path.rmdir()
    os.mkfifo(path)
    assert refusal(record) == f"{path}: not a plain file (but a pipe or a device)"


@pytest.mark.parametrize("release", [one for one in RELEASES if ".json" in next(iter(one.files))])
@pytest.mark.parametrize(
    "content", ["[]", "3", '"x"', "null", "{", "{}", '{"a": [', "NaN", "<html>"]
)
def test_other_json(
    tmp_path: Path, refusal: Callable[..., str], release: Release, content: str
) -> None:
    record = lay_out(tmp_path, release)
    name = next(iter(release.files))
    (tmp_path / name).write_bytes(packed(name, content.encode()))
    assert refusal(record).startswith(str(tmp_path / name))
