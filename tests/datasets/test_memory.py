"""Peak memory while loading, as a multiple of the content when it is not packed."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import Files, Mrqa, Ploner, SemEval2010Task8, Squad, TwentyNewsgroups, Wnut2017

Peak = Callable[[Callable[[], Any]], int]
DRAW = random.Random(5)
VOCABULARY = ["".join(DRAW.choices("abcdefghij", k=DRAW.randint(1, 9))) for _ in range(8000)]


def prose(letters: int) -> str:
    return " ".join(DRAW.choices(VOCABULARY, k=letters // 6))


def test_newsgroups(tmp_path: Path, peak_bytes: Peak) -> None:
    messages = [(f"sci.space/{n}", f"From: a\n\n{prose(2000)}\n") for n in range(1000)]
    size = 0
    for split, chosen in (("train", messages[:800]), ("test", messages[800:])):
        records = ({"id": name, "label": "sci.space", "text": text} for name, text in chosen)
        content = "".join(json.dumps(record) + "\n" for record in records).encode()
        size += len(content)
        (tmp_path / f"{split}.jsonl.gz").write_bytes(gzip.compress(content))
    record = TwentyNewsgroups(folder=str(tmp_path), strip=["headers", "footers", "quotes"])
    assert peak_bytes(lambda: record.load("text_classification")) < 1.5 * size


def test_newsgroups_in_an_archive(tmp_path: Path, peak_bytes: Peak) -> None:
    size = 0
    with tarfile.open(tmp_path / "20news-bydate.tar.gz", "w:gz") as archive:
        for number in range(1000):
            split = "test" if number % 5 else "train"
            content = f"From: a\n\n{prose(2000)}\n".encode()
            member = tarfile.TarInfo(f"20news-bydate-{split}/sci.space/{number}")
            member.size = len(content)
            size += len(content)
            archive.addfile(member, io.BytesIO(content))
    record = TwentyNewsgroups(folder=str(tmp_path))
    assert peak_bytes(lambda: record.load("text_classification")) < 1.5 * size


def test_semeval(tmp_path: Path, peak_bytes: Peak) -> None:
    size = 0
    for name in ("TRAIN_FILE.TXT", "TEST_FILE_FULL.TXT"):
        examples = (
            f'{n}\t"The <e1>a</e1> of {prose(100)} <e2>b</e2>."\r\nOther\r\nComment:\r\n\r\n'
            for n in range(1, 5001)
        )
        content = "".join(examples).encode()
        size += len(content)
        (tmp_path / name).write_bytes(content)
    record = SemEval2010Task8(folder=str(tmp_path))
    assert peak_bytes(lambda: record.load("text_classification")) < 2.5 * size


def sentences(separator: str, tag: str) -> bytes:
    words = (
        "".join(f"{word}{separator}O\n" for word in prose(100).split())
        + f"Ada{separator}{tag}\n{separator.strip(' ')}\n"
        for _ in range(1500)
    )
    return "".join(words).encode()


@pytest.mark.parametrize("record", [Wnut2017, Ploner, Files])
def test_words_and_tags(tmp_path: Path, peak_bytes: Peak, record: Any) -> None:
    names = {
        Wnut2017: ["wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"],
        Ploner: ["onbc_train.txt", "onbc_dev.txt", "onbc_test.txt"],
        Files: ["a.conll"],
    }[record]
    size = 0
    for name in names:
        content = sentences(
            " " if record is Ploner else "\t", "B-PER" if record is Ploner else "B-person"
        )
        size += len(content)
        (tmp_path / name).write_bytes(content)
    made = (
        Files(train=str(tmp_path / "a.conll")) if record is Files else record(folder=str(tmp_path))
    )
    assert peak_bytes(lambda: made.load("token_classification")) < 8 * size


def questions(number: int) -> dict[str, Any]:
    context = prose(750)
    word = context.split()[3]
    answer = {"text": word, "answer_start": context.index(word)}
    qas = [{"id": f"{number}-{n}", "question": prose(60), "answers": [answer]} for n in range(5)]
    return {"context": context, "qas": qas}


def test_squad(tmp_path: Path, peak_bytes: Peak) -> None:
    size = 0
    for part in ("train", "dev"):
        paragraphs = [questions(number) for number in range(500)]
        content = json.dumps({"data": [{"title": "x", "paragraphs": paragraphs}]}).encode()
        size += len(content)
        (tmp_path / f"{part}-v1.1.json").write_bytes(content)
    record = Squad(folder=str(tmp_path))
    assert peak_bytes(lambda: record.load("question_answering")) < 5 * size
    own = Files(train=str(tmp_path / "train-v1.1.json"))
    assert peak_bytes(lambda: own.load("question_answering")) < 7 * size / 2


def test_mrqa(tmp_path: Path, peak_bytes: Peak) -> None:
    size = 0
    for part in ("train", "dev"):
        lines = ['{"header": {"dataset": "SQuAD"}}']
        for number in range(300):
            record = questions(number)
            for question in record["qas"]:
                question["qid"] = question.pop("id")
                start = question["answers"][0]["answer_start"]
                question["detected_answers"] = [{"text": "x", "char_spans": [[start, start]]}]
                question["answers"] = ["x"]
            record["context_tokens"] = [[word, 0] for word in record["context"].split()]
            lines.append(json.dumps(record))
        content = "\n".join(lines).encode()
        size += len(content)
        (tmp_path / part).mkdir()
        (tmp_path / part / "SQuAD.jsonl.gz").write_bytes(gzip.compress(content))
    record = Mrqa(folder=str(tmp_path))
    assert peak_bytes(lambda: record.load("question_answering")) < 2 * size


def test_own_json_lines(tmp_path: Path, peak_bytes: Peak) -> None:
    import pyarrow  # noqa: F401  # its import is not to be counted

    path = tmp_path / "a.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(4000):
            file.write(
                json.dumps({"text": prose(500), "label": str(number % 2), "more": number}) + "\n"
            )
    record = Files(train=str(path))
    assert peak_bytes(lambda: record.load("text_classification")) < 2 * path.stat().st_size


@pytest.mark.parametrize(
    ("name", "record", "most"),
    [
        ("20newsgroups", TwentyNewsgroups, 1.5),
        ("semeval2010task8", SemEval2010Task8, 2.5),
        ("wnut2017", Wnut2017, 8),
        ("squad_v1", Squad, 5),
    ],
)
def test_the_known_files(
    real: Callable[[str], Path], peak_bytes: Peak, name: str, record: Any, most: float
) -> None:
    size = 0
    for path in real(name).rglob("*"):
        if path.is_file():
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                size += sum(map(len, file))
    made = record(folder=str(real(name)))
    assert peak_bytes(lambda: made.load(made.tasks[0])) < most * size
