"""20 Newsgroups in each of its layouts, and what is stripped from a message."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import json
import pickle
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import TwentyNewsgroups
from federa.datasets.newsgroups import GROUPS, stripped
from federa.errors import ConfigError
from federa.types import Corpus

Row = tuple[str, str, str]
TRAIN: list[Row] = [
    ("sci.space/9", "sci.space", "From: ada\n\nOrbits, caf\xe9.\n"),
    ("sci.space/10", "sci.space", "From: bo\n\nOn rockets\rand \x1b\ttabs\n"),
    ("rec.autos/10", "rec.autos", "From: cy\n\n"),
]
TEST: list[Row] = [("rec.autos/11", "rec.autos", "From: di\n\nTyres wear out.\n")]
SORTED = [TRAIN[2], TRAIN[0], TRAIN[1]]
MESSAGE = (
    "From: a@b\nSubject: x\n\nada@c writes:\n> quoted\n| too\nMy answer.\n\nMore of it.\n\n"
    "--\nAda\nParis\n"
)
PARTS = ["headers", "footers", "quotes"]
SUBSETS = [list(chosen) for n in range(4) for chosen in itertools.combinations(PARTS, n)]


def load(folder: Path, **keys: Any) -> Corpus:
    return TwentyNewsgroups(folder=str(folder), **keys).load("text_classification")


def table(rows: list[Row]) -> dict[str, list[str]]:
    return dict(zip(("id", "label", "text"), map(list, zip(*rows, strict=True)), strict=True))


def lines(rows: list[Row]) -> bytes:
    records = (dict(zip(("id", "label", "text"), row, strict=True)) for row in rows)
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def as_lines(folder: Path) -> None:
    (folder / "train.jsonl.gz").write_bytes(gzip.compress(lines(TRAIN)))
    (folder / "test.jsonl").write_bytes(lines(TEST))


def as_tree(folder: Path) -> None:
    for split, rows in (("train", TRAIN), ("test", TEST)):
        for name, _, text in rows:
            path = folder / f"20news-bydate-{split}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1"))
    (folder / "20news-bydate-train" / ".DS_Store").write_bytes(b"x")


def as_archive(folder: Path) -> None:
    with tarfile.open(folder / "20news-bydate.tar.gz", "w:gz") as archive:
        for split, rows in (("test", TEST), ("train", TRAIN)):
            directory = tarfile.TarInfo(f"20news-bydate-{split}/")
            directory.type = tarfile.DIRTYPE
            archive.addfile(directory)
            for name, _, text in rows:
                member = tarfile.TarInfo(f"20news-bydate-{split}/{name}")
                content = text.encode("latin-1")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def as_scikit_learn_cache(folder: Path) -> None:
    import numpy
    from sklearn.utils import Bunch

    names = sorted({label for _, label, _ in TRAIN})
    cache = {
        split: Bunch(
            data=[text for _, _, text in rows],
            target=numpy.array([names.index(label) for _, label, _ in rows]),
            filenames=numpy.array([f"/x/20news-bydate-{split}/{name}" for name, _, _ in rows]),
            target_names=names,
        )
        for split, rows in (("train", TRAIN), ("test", TEST))
    }
    content = codecs.encode(pickle.dumps(cache), "zlib_codec")
    (folder / "20news-bydate_py3.pkz").write_bytes(content)


LAYOUTS = [as_lines, as_tree, as_archive, as_scikit_learn_cache]


@pytest.mark.parametrize("lay_out", LAYOUTS)
def test_every_layout_holds_the_same(tmp_path: Path, lay_out: Callable[[Path], None]) -> None:
    lay_out(tmp_path)
    corpus = load(tmp_path)
    assert corpus.train == table(TRAIN if lay_out is as_lines else SORTED)
    assert corpus.test == table(TEST)
    assert corpus.validation is None
    assert corpus.group is None
    assert corpus.labels == ("rec.autos", "sci.space")


def test_the_prepared_lines_come_first(tmp_path: Path) -> None:
    for lay_out in LAYOUTS:
        lay_out(tmp_path)
    (tmp_path / "test.jsonl").write_bytes(lines([("rec.autos/1", "rec.autos", "other")]))
    assert load(tmp_path).test == table([("rec.autos/1", "rec.autos", "other")])


def test_names() -> None:
    assert TwentyNewsgroups().name == "20newsgroups"
    assert "20news" in TwentyNewsgroups.aliases
    assert len(GROUPS) == len(set(GROUPS)) == 20
    assert TwentyNewsgroups().task_settings() == {}


@pytest.mark.parametrize("lay_out", LAYOUTS)
def test_an_empty_text_stays_a_row(tmp_path: Path, lay_out: Callable[[Path], None]) -> None:
    lay_out(tmp_path)
    corpus = load(tmp_path, strip=["headers"])
    texts = dict(zip(corpus.train["id"], corpus.train["text"], strict=True))
    assert texts == {
        "sci.space/9": "Orbits, caf\xe9.\n",
        "sci.space/10": "On rockets\rand \x1b\ttabs\n",
        "rec.autos/10": "",
    }


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], MESSAGE),
        (["headers"], MESSAGE.partition("\n\n")[2]),
        (["footers"], MESSAGE.rpartition("\n--")[0]),
        (["quotes"], "From: a@b\nSubject: x\n\nMy answer.\n\nMore of it.\n\n--\nAda\nParis\n"),
        (["footers", "quotes", "headers"], "My answer.\n\nMore of it.\n"),
    ],
)
def test_stripping_by_hand(parts: list[Any], expected: str) -> None:
    assert stripped(MESSAGE, parts) == expected


def by_scikit_learn(text: str, parts: list[str]) -> str:
    from sklearn.datasets import _twenty_newsgroups as theirs

    for part, strip in (
        ("headers", theirs.strip_newsgroup_header),
        ("footers", theirs.strip_newsgroup_footer),
        ("quotes", theirs.strip_newsgroup_quoting),
    ):
        text = strip(text) if part in parts else text
    return text


ODD = [
    *("", "\n", "\n\n", "a", "a\n\nb", "--\nsignature", "\n--\nsignature", "x\n--\ny\n\n\n"),
    *(
        "x\n- - -\ny",
        "x\n  --  \ny",
        " \nx",
        "x\n\x0b\ny",
        "x\r\n\r\ny",
        "a\nb says: c\n|d",
        MESSAGE,
    ),
    *("In article <1> x\ny", " In article\n> q", "x\n---\n---\ny", "no blank line at all\nhere"),
]


@pytest.mark.parametrize("parts", SUBSETS, ids=lambda parts: "+".join(parts) or "none")
def test_stripping_equals_scikit_learn(parts: list[Any]) -> None:
    for text in ODD:
        assert stripped(text, parts) == by_scikit_learn(text, parts), repr(text)


def test_stripping_the_corpus_equals_scikit_learn(real: Callable[[str], Path]) -> None:
    whole = load(real("20newsgroups"))
    assert whole.test is not None
    for text in whole.train["text"] + whole.test["text"]:
        for parts in (["headers"], ["footers"], ["quotes"], PARTS):
            assert stripped(text, parts) == by_scikit_learn(text, parts), repr(text)


def test_a_stripped_corpus_has_the_same_rows(real: Callable[[str], Path]) -> None:
    folder = real("20newsgroups")
    whole, bare = load(folder), load(folder, strip=PARTS)
    for before, after in ((whole.train, bare.train), (whole.test, bare.test)):
        assert before is not None
        assert after is not None
        assert (before["id"], before["label"]) == (after["id"], after["label"])
        assert [stripped(text, PARTS) for text in before["text"]] == after["text"]


def test_the_corpus_is_as_described(real: Callable[[str], Path]) -> None:
    corpus = load(real("20newsgroups"))
    assert corpus.test is not None
    train, test = corpus.train, corpus.test
    assert {len(column) for column in train.values()} == {11314}
    assert {len(column) for column in test.values()} in ({7532}, {6032})
    assert corpus.labels == GROUPS
    sizes = Counter(train["label"]).values()
    assert (min(sizes), max(sizes)) == (377, 600)
    if len(test["id"]) == 6032:
        sizes = Counter(test["label"]).values()
        assert (min(sizes), max(sizes)) == (201, 320)
    ids = train["id"] + test["id"]
    assert len(set(ids)) == len(ids)
    assert len({name.rpartition("/")[2] for name in ids}) < len(ids)
    assert [name.rpartition("/")[0] for name in ids] == train["label"] + test["label"]
    texts = train["text"] + test["text"]
    assert all("\n\n" in text for text in texts)  # a header, an empty line, a body
    assert any("\r" in text for text in texts)
    assert any("\x1b" in text or "\x08" in text for text in texts)
    assert any("\t" in text for text in texts)
    assert max(map(ord, "".join(texts))) <= 0xFF
    if len(texts) == 11314 + 6032:
        assert sum(not text.partition("\n\n")[2].strip() for text in texts) == 34
    assert 90 < min(map(len, texts)) < 130
    assert 70_000 < max(map(len, texts)) < 80_000
    assert train["id"] != sorted(train["id"])  # the order of the file is kept


# What is refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "sci.space/1", "label": "sci.space"}', "no 'text'; allowed: id, label"),
        ('{"id": 1, "label": "sci.space", "text": "x"}', "'id' holds 1, where text is expected"),
        ('{"id": "a/1", "label": "sci.spce", "text": ""}', "no group 'sci.spce'; did you mean 'sc"),
        ('{"id": "sci.space/9", "label": "sci.space", "text": "x"}', "the id 'sci.space/9' came b"),
        ('{"id": "", "label": "sci.space", "text": "x"}', "the id is empty"),
        ('{"id": "sci.space/1", "label"', "no JSON (column 30"),
        ('["sci.space/1"]', "expected a JSON object"),
    ],
)
def test_a_wrong_line_is_refused(
    tmp_path: Path, refusal: Callable[..., str], line: str, message: str
) -> None:
    as_lines(tmp_path)
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(lines(TRAIN) + line.encode() + b"\n"))
    assert refusal(TwentyNewsgroups(folder=str(tmp_path))).startswith(
        f"{tmp_path}/train.jsonl.gz:4: {message}"
    )


def test_half_of_the_data_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    record = TwentyNewsgroups(folder=str(tmp_path))
    message = refusal(record)
    assert message.startswith(f"{tmp_path}: holds none of train.jsonl.gz, 20news-bydate-train, ")
    assert "http://qwone.com/~jason/20Newsgroups/20news-bydate.tar.gz" in message
    as_lines(tmp_path)
    (tmp_path / "test.jsonl").unlink()
    assert refusal(record) == f"{tmp_path}: no test.jsonl.gz (or test.jsonl)"
    (tmp_path / "train.jsonl.gz").unlink()
    (tmp_path / "20news-bydate-train").mkdir()
    (tmp_path / "20news-bydate-test").mkdir()
    assert refusal(record) == "data: 20newsgroups: the train part holds no messages"
    (tmp_path / "20news-bydate-test").rmdir()
    assert refusal(record).startswith(f"{tmp_path}/20news-bydate-test: cannot read (No such")


def test_a_wrong_tree_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    as_tree(tmp_path)
    record = TwentyNewsgroups(folder=str(tmp_path))
    odd = tmp_path / "20news-bydate-train" / "sci.space" / "11"
    odd.mkdir()
    assert refusal(record) == f"{odd}: cannot read (Is a directory)"
    odd.rmdir()
    odd = tmp_path / "20news-bydate-train" / "sci.spaces"
    odd.mkdir()
    (odd / "1").write_bytes(b"x")
    assert refusal(record) == f"{odd / '1'}: no group 'sci.spaces'; did you mean 'sci.space'?"
    (odd / "1").unlink()
    odd.rmdir()
    (tmp_path / "20news-bydate-train" / "note.txt").write_bytes(b"x")
    assert "note.txt: cannot read (Not a directory)" in refusal(record)


def test_a_damaged_archive_is_refused(tmp_path: Path, refusal: Callable[..., str]) -> None:
    as_archive(tmp_path)
    record, path = TwentyNewsgroups(folder=str(tmp_path)), tmp_path / "20news-bydate.tar.gz"
    whole = path.read_bytes()
    plain = gzip.decompress(whole)
    for damaged in (
        b"",
        b"no archive",
        whole[:-40],
        whole[: len(whole) // 2],
        gzip.compress(b"no archive"),
        gzip.compress(plain[:2100]),
    ):
        path.write_bytes(damaged)
        assert refusal(record).startswith(f"{path}: damaged or cut off (")
    path.unlink()
    path.mkdir()
    assert refusal(record) == f"{path}: cannot read (Is a directory)"


@pytest.mark.parametrize("content", [b"", b"no cache", codecs.encode(b"no pickle", "zlib_codec")])
def test_a_damaged_cache_is_refused(
    tmp_path: Path,
    refusal: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    content: bytes,
) -> None:
    (tmp_path / "20news-bydate_py3.pkz").write_bytes(content)
    message = refusal(TwentyNewsgroups(folder=str(tmp_path)))
    assert message.startswith(f"{tmp_path}: scikit-learn cannot read its cache (")
    assert capsys.readouterr().out == ""


def test_a_copy_that_is_stripped_is_not_stripped_again() -> None:
    assert TwentyNewsgroups(hub="SetFit/20_newsgroups").strip == []
    assert TwentyNewsgroups(hub="SetFit/20_newsgroups", strip=PARTS).strip == PARTS
    with pytest.raises(ConfigError, match=r"^data\.strip: SetFit/20_newsgroups is without headers"):
        TwentyNewsgroups(hub="SetFit/20_newsgroups", strip=["headers"])
