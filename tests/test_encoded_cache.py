"""Encoded tables on disk: what a fresh encoding is, under a key of all that it depends on."""

from __future__ import annotations

import io
import json
import mmap
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy
import pytest
import tokenizers
import torch
import transformers
from pydantic import BaseModel

from builders import tiny_config, tiny_task_config
from federa import encoded_cache, files
from federa.config import RunConfig
from federa.encoded_cache import SUFFIX, content_key, encode_cached
from federa.errors import ConfigError
from federa.models import load_tokenizer
from federa.preparation import data_hash, encode_all
from federa.splitting import split_data
from federa.tasks import QuestionAnswering, TextClassification, TokenClassification
from federa.tasks.text_classification import EncodedTexts
from federa.tasks.windows import Windows
from federa.types import Table, take_rows
from federa.version import __version__

LABELS = ("a", "b")
FILLER = "please restore the copy of the file again "
CASES: dict[str, tuple[Any, Table, tuple[str, ...], int]] = {
    "texts": (
        TextClassification(special_tokens=("<e1>", "</e1>")),
        {
            "text": ["the <e1>printer</e1> is slow", "", "reset my password", FILLER * 9],
            "label": ["a", "b", "b", "a"],
            "site": ["x", "x", "y", "y"],
        },
        LABELS,
        16,
    ),
    "unlabelled": (TextClassification(), {"text": ["the mail", "the room"]}, LABELS, 16),
    "sentences": (
        TokenClassification(stride=3),
        {
            "id": ["s1", "s2", "s3"],
            "words": [["the", "new", "printer"], (FILLER * 3).split(), ["\u200b", "wifi"]],
            "tags": [["O", "O", "B-X"], ["O"] * 24, ["O", "B-X"]],
        },
        ("O", "B-X", "I-X"),
        12,
    ),
    "plain sentences": (TokenClassification(stride=3), {"text": ["my badge, lost"]}, ("O",), 12),
    "questions": (
        QuestionAnswering(stride=4, max_question_tokens=6, unanswerable=True),
        {
            "id": ["q1", "q2", "q3"],
            "question": [" the printer ", "which room", FILLER * 3],
            "context": ["the printer is in room 7", FILLER * 4 + "in room 9", FILLER * 5],
            "answers": [[{"text": "room 7", "start": 18}], [{"text": "9", "start": 176}], []],
            "references": [["room 7", "7"], ["9"], []],
        },
        (),
        20,
    ),
    "new questions": (
        QuestionAnswering(stride=4, max_question_tokens=6),
        {"question": ["which room"], "context": [FILLER * 4]},
        (),
        20,
    ),
}
Loader = Callable[[str, str], tuple[Any, Table, tuple[str, ...], Any, int]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache of the test's own, for tables of any size."""
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(encoded_cache, "MIN_ROWS", 1)
    return tmp_path / "cache" / "encoded"


@pytest.fixture
def case(tiny_model: Callable[[str], str]) -> Loader:
    """The arguments of ``encode_cached`` for a case, with a tokenizer of an architecture."""

    def load(name: str, architecture: str) -> tuple[Any, Table, tuple[str, ...], Any, int]:
        task, table, labels, max_length = CASES[name]
        tokenizer = load_tokenizer(tiny_model(architecture), task.special_tokens)
        return task, table, labels, tokenizer, max_length

    return load


@pytest.fixture
def text_case(case: Loader) -> tuple[Any, Table, tuple[str, ...], Any, int]:
    return case("texts", "bert")


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, no task may tokenise."""

    def refuse(*arguments: Any) -> NoReturn:
        raise AssertionError("tokenised again")

    def freeze() -> None:
        for task in (TextClassification, TokenClassification, QuestionAnswering):
            monkeypatch.setattr(task, "encode", refuse)

    return freeze


def kept(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of nested dataclasses that are none themselves."""
    if not is_dataclass(value):
        yield name, value
        return
    for field in fields(value):
        yield from leaves(getattr(value, field.name), f"{name}.{field.name}")


def require_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    assert (found.digest(), len(found)) == (expected.digest(), len(expected))
    pairs = list(zip(leaves(found), leaves(expected), strict=True))
    for (name, value), (_, other) in pairs:
        assert type(value) is type(other), name
        if isinstance(value, numpy.ndarray):
            assert (value.dtype, value.shape) == (other.dtype, other.shape), name
            assert numpy.array_equal(value, other), name
        else:
            assert repr(value) == repr(other), name  # tuples stay tuples at every level


@pytest.mark.parametrize("architecture", ["bert", "roberta", "modernbert", "deberta-v2"])
@pytest.mark.parametrize("name", CASES)
def test_what_comes_back_is_a_fresh_encoding(
    case: Loader, name: str, architecture: str, frozen: Callable[[], None], folder: Path
) -> None:
    task, table, labels, tokenizer, max_length = case(name, architecture)
    expected = task.encode(table, labels, tokenizer, max_length)
    if name in ("sentences", "questions", "new questions"):
        assert len(expected.windows.lengths()) > len(expected)
    require_same(encode_cached(task, table, labels, tokenizer, max_length), expected)
    (file,) = kept(folder)
    assert file.suffix == SUFFIX
    frozen()
    again = case(name, architecture)  # another tokenizer object, of the same content
    found = encode_cached(*again)
    require_same(found, expected)
    windows = range(len(found.windows.lengths()))
    batch, other = task.collate(found, windows), task.collate(expected, windows)
    assert all((batch[part] == other[part]).all() for part in other)


def test_arrays_are_mapped_and_cannot_be_written(text_case: Any) -> None:
    encode_cached(*text_case)
    found = encode_cached(*text_case)
    arrays = [value for _, value in leaves(found) if isinstance(value, numpy.ndarray)]
    assert len(arrays) == 4
    for array in arrays:
        base = array
        while isinstance(base, numpy.ndarray):
            base = base.base
        assert isinstance(getattr(base, "obj", base), mmap.mmap)
        assert array.flags.aligned
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)


def test_batches_of_read_only_arrays_are_made_without_a_warning(text_case: Any) -> None:
    task, *_ = text_case
    encode_cached(*text_case)
    found = encode_cached(*text_case)
    torch.set_warn_always(True)
    try:
        task.collate(found, [0, 1])  # the tests make errors of warnings
        with warnings.catch_warnings():
            warnings.resetwarnings()
            with pytest.warns(UserWarning, match="not writ"):
                torch.from_numpy(found.windows.ids)
    finally:
        torch.set_warn_always(False)


def test_the_texts_of_the_table_are_not_stored_again(text_case: Any, folder: Path) -> None:
    _, table, *_ = text_case
    encode_cached(*text_case)
    (file,) = kept(folder)
    assert b"password" not in file.read_bytes()
    found: Any = encode_cached(*text_case)
    assert all(text is own for text, own in zip(found.texts, table["text"], strict=True))


def test_small_tables_are_not_kept(
    text_case: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded_cache, "MIN_ROWS", 5)
    assert len(encode_cached(*text_case)) == 4
    assert kept(folder) == []
    monkeypatch.setattr(encoded_cache, "MIN_ROWS", 4)
    encode_cached(*text_case)
    assert len(kept(folder)) == 1


def require_distinct(keys: list[str]) -> None:
    assert [place for place, key in enumerate(keys) if key in keys[:place]] == []


def test_every_part_of_the_table_changes_the_key(text_case: Any) -> None:
    task, table, labels, tokenizer, max_length = text_case
    text, label = table["text"], table["label"]
    tables = [
        table,
        {**table, "text": [*text[:3], text[3] + "."]},
        {**table, "text": [text[0], text[2], text[1], text[3]]},  # the same letters, joined
        {**table, "text": ["the <e1>printer</e1> is ", "slow", *text[2:]]},
        {**table, "label": ["b", "b", "b", "a"]},
        {**table, "site": ["x", "x", "y", "z"]},
        {**table, "site": [1, 2, 3, 4]},
        {**table, "site": [1, 2, 3, 5]},
        {**table, "site": [[1], {"k": 2}, None, 4]},
        {**table, "site": [[1], {"k": 2}, None, "4"]},
        {**table, "site": ["\ud83d\ude00", "x", "y", "y"]},
        {**table, "site": ["\U0001f600", "x", "y", "y"]},
        {"text": text, "label": label},
        {"text": text, "tag": label, "site": table["site"]},
        take_rows(table, [0, 1, 3, 2]),
        take_rows(table, [0, 1, 2]),
    ]
    require_distinct([content_key(task, other, labels, tokenizer, max_length) for other in tables])


def test_every_other_part_of_the_key_changes_it(
    case: Loader, text_case: Any, tiny_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, table, labels, tokenizer, max_length = text_case
    found = [content_key(*text_case)]
    found.append(content_key(task, table, ("b", "a"), tokenizer, max_length))
    found.append(content_key(task, table, labels, tokenizer, max_length + 1))
    other_task = task.model_copy(update={"scores": ("relation_macro_f1",)})
    found.append(content_key(other_task, table, labels, tokenizer, max_length))
    found.append(content_key(TokenClassification(), table, labels, tokenizer, max_length))
    found.append(content_key(TokenClassification(stride=3), table, labels, tokenizer, max_length))
    found.append(content_key(*case("texts", "roberta")))
    found.append(content_key(*case("texts", "distilbert")))  # of the same content, another class
    for name, value in {
        "truncation_side": "left",
        "padding_side": "left",
        "model_input_names": ["input_ids"],
        "pad_token": "[UNK]",
        "split_special_tokens": True,
    }.items():
        changed = load_tokenizer(tiny_model("bert"), task.special_tokens)
        setattr(changed, name, value)
        found.append(content_key(task, table, labels, changed, max_length))
    for special in ((), ("<e1>",), ("</e1>", "<e1>")):
        changed = load_tokenizer(tiny_model("bert"), special)
        found.append(content_key(task, table, labels, changed, max_length))
    monkeypatch.setattr(encoded_cache, "VERSION", encoded_cache.VERSION + 1)
    found.append(content_key(*text_case))
    versions = [__version__, platform.python_version(), transformers.__version__]
    assert encoded_cache._code()[:4] == [*versions, tokenizers.__version__]
    for place in range(5):  # federa, Python, transformers, tokenizers, the code of the tasks
        code = list(encoded_cache._code())
        code[place] += "1"
        with monkeypatch.context() as patch:
            patch.setattr(encoded_cache, "_code", lambda code=code: code)
            found.append(content_key(*text_case))
    require_distinct(found)


def test_the_key_does_not_depend_on_what_the_tokenizer_did_before(text_case: Any) -> None:
    *_, tokenizer, _ = text_case
    first = content_key(*text_case)
    tokenizer("the printer", truncation=True, max_length=4)
    assert content_key(*text_case) == first
    tokenizer(["the printer"], padding="max_length", max_length=9)
    assert content_key(*text_case) == first


def test_a_hit_is_seen_by_what_is_used_last(text_case: Any, folder: Path) -> None:
    encode_cached(*text_case)
    (file,) = kept(folder)
    os.utime(file, (1, 1))
    encode_cached(*text_case)
    assert file.stat().st_mtime > 1e9


def _flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut in the prefix": lambda content: content[:20],
    "cut in the header": lambda content: content[:100],
    "cut in the arrays": lambda content: content[:-64],
    "longer": lambda content: content + bytes(64),
    "another kind": lambda content: _flip(content, 0),
    "length of the header": lambda content: _flip(content, 8),
    "checksum": lambda content: _flip(content, 20),
    "header": lambda content: _flip(content, 60),
    "arrays": lambda content: _flip(content, len(content) - 65),
    "a pickle": lambda content: b"\x80\x04cos\nsystem\n." * 40,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_made_anew(
    text_case: Any, folder: Path, frozen: Callable[[], None], name: str
) -> None:
    expected = encode_cached(*text_case)
    (file,) = kept(folder)
    whole = file.read_bytes()
    file.write_bytes(DAMAGE[name](whole))
    require_same(encode_cached(*text_case), expected)
    assert file.read_bytes() == whole
    frozen()
    require_same(encode_cached(*text_case), expected)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "0" * 64},
        {"content": {"class": "Path", "fields": {}}},
        {"content": {"class": "EncodedTexts", "fields": {}}},
        {"content": {"dtype": "O", "shape": [1], "begin": 0}},
        {"content": {"dtype": "<i4", "shape": [1 << 40], "begin": 0}},
        {"content": {"column": "absent"}},
        {"content": {}},
    ],
)
def test_a_header_that_is_another_is_passed_over(
    text_case: Any, folder: Path, change: dict[str, Any]
) -> None:
    expected = encode_cached(*text_case)
    (file,) = kept(folder)
    whole = file.read_bytes()
    size = 48 + int.from_bytes(whole[8:16], "big")
    header = encoded_cache._json({**json.loads(whole[48:size]), **change})
    digest = encoded_cache.hashlib.sha256(header).digest()
    file.write_bytes(whole[:8] + len(header).to_bytes(8, "big") + digest + header + whole[size:])
    require_same(encode_cached(*text_case), expected)
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_used_stops_nothing(
    text_case: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = encode_cached(*text_case)
    (file,) = kept(folder)
    file.unlink()
    file.mkdir()  # what should be the file can be neither read nor replaced
    (file / "inside").touch()
    require_same(encode_cached(*text_case), expected)
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "file"))
    require_same(encode_cached(*text_case), expected)
    monkeypatch.setattr(encoded_cache, "cache_folder", lambda: Path("~nobody-here").expanduser())
    require_same(encode_cached(*text_case), expected)


def test_a_full_disk_stops_nothing_and_leaves_nothing(
    text_case: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    assert len(encode_cached(*text_case)) == 4
    assert kept(folder) == []


def test_an_error_of_the_task_is_its_own(case: Loader, folder: Path) -> None:
    task, table, labels, tokenizer, _ = case("sentences", "bert")
    with pytest.raises(ConfigError, match=r"must be more than task\.stride"):
        encode_cached(task, table, labels, tokenizer, 5)
    assert kept(folder) == []


def test_what_has_no_canonical_form_is_not_kept(
    text_case: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, table, labels, tokenizer, max_length = text_case
    expected = task.encode(table, labels, tokenizer, max_length)
    odd = {**table, "site": [io.BytesIO()] * 4}
    require_same(encode_cached(task, odd, labels, tokenizer, max_length), expected)

    class Slow:
        def __getattr__(self, name: str) -> Any:
            if name == "backend_tokenizer":
                raise AttributeError(name)
            return getattr(tokenizer, name)

        def __call__(self, *arguments: Any, **options: Any) -> Any:
            return tokenizer(*arguments, **options)

    require_same(encode_cached(task, table, labels, Slow(), max_length), expected)
    assert kept(folder) == []


class OtherTexts(EncodedTexts):
    """A class that the cache does not know."""


@pytest.mark.parametrize(
    "change",
    [
        {"label_names": (numpy.int64(1),)},
        {"label_names": ("a", ("b",))},
        {"label_names": {1: "a"}},
        {"label_names": {"a"}},
        {"label_names": Path()},
        {"labels": numpy.array(["a", None], dtype=object)},
        {"labels": numpy.array(["a"])},
    ],
)
def test_values_that_would_not_come_back_are_not_kept(
    text_case: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    found = replace(encode_cached(*text_case), **change)  # type: ignore[type-var]
    (file,) = kept(folder)
    file.unlink()
    monkeypatch.setattr(TextClassification, "encode", lambda *arguments: found)
    assert encode_cached(*text_case) is found
    assert encode_cached(*text_case) is found
    other = OtherTexts(*(getattr(found, field.name) for field in fields(found)))
    monkeypatch.setattr(TextClassification, "encode", lambda *arguments: other)
    assert encode_cached(*text_case) is other
    assert kept(folder) == []


@dataclass(frozen=True)
class Everything:
    """All that a file can hold."""

    windows: Windows
    bare: Any
    nested: Any
    mixed: Any
    empty: Any
    arrays: Any
    flags: Any


class AnyTask(BaseModel):
    """A task whose encoding is given."""

    name: Literal["any"] = "any"


def test_all_that_json_and_arrays_can_hold_comes_back(
    text_case: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, table, labels, tokenizer, max_length = text_case
    monkeypatch.setitem(encoded_cache.CLASSES, "Everything", Everything)
    numbers = numpy.arange(12, dtype=">i2").reshape(3, 4)
    given = Everything(
        Windows(numbers, numbers[:, 1:3], numpy.zeros((0, 2), numpy.int32), 7),
        "\ud800 \ud83d\ude00 \U0001f600 \u2028 \x00 \"'\\ud83d",
        ((("a", "b"), ()), ((),), (([], {"k": 1}),)),
        [{"k": [1, 2.5, None, True, "x"]}, 10**30, -0.0],
        ((), [], {}, 1e-320)[:1],
        numpy.array(2.5),
        numpy.array([True, False]),
    )
    monkeypatch.setattr(AnyTask, "encode", lambda *arguments: given, raising=False)
    arguments: Any = (AnyTask(), table, labels, tokenizer, max_length)
    assert encode_cached(*arguments) is given
    assert len(kept(folder)) == 1
    found = encode_cached(*arguments)
    assert found is not given
    for (name, value), (_, other) in zip(leaves(found), leaves(given), strict=True):
        assert type(value) is type(other), name
        assert repr(value) == repr(other), name
        if isinstance(value, numpy.ndarray):
            assert (value.dtype, value.shape) == (other.dtype, other.shape), name


def test_lone_surrogates_in_names_survive(case: Loader, frozen: Callable[[], None]) -> None:
    task, table, labels, tokenizer, max_length = case("questions", "bert")
    names = ["\ud800", "\ud83d\ude00", "\U0001f600"]
    references = [["\udfff"], ["\ud83d\ude00", "\U0001f600"], []]
    table = {**table, "id": names, "references": references}
    expected = task.encode(table, labels, tokenizer, max_length)
    encode_cached(task, table, labels, tokenizer, max_length)
    frozen()
    require_same(encode_cached(task, table, labels, tokenizer, max_length), expected)


def test_the_folder_is_bounded(
    text_case: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, table, labels, tokenizer, _ = text_case

    def encode(length: int) -> None:
        before = set(kept(folder))
        encode_cached(task, table, labels, tokenizer, length)
        for new in set(kept(folder)) - before:
            os.utime(new, (length, length))  # seconds since 1970: the longer, the later
            made[length] = new

    made: dict[int, Path] = {}
    encode(10)
    size = made[10].stat().st_size
    killed = folder / f".{'0' * 64}{SUFFIX}.123.tmp"
    killed.write_bytes(bytes(size))
    os.utime(killed, (5, 5))
    (folder / "notes.txt").write_bytes(bytes(4 * size))
    monkeypatch.setattr(encoded_cache, "MAX_BYTES", int(3.7 * size))
    encode(11)
    assert killed.exists()
    encode(12)
    assert [killed.exists(), *(made[n].exists() for n in (10, 11, 12))] == [False, True, True, True]
    encode(10)  # used, so that 11 is the oldest
    encode(13)
    assert [made[n].exists() for n in (10, 11, 12, 13)] == [True, False, True, True]
    monkeypatch.setattr(encoded_cache, "MAX_BYTES", size // 2)
    assert len(encode_cached(task, table, labels, tokenizer, 15)) == 4
    assert [made[n].exists() for n in (10, 12, 13)] == [True] * 3  # in vain, so nothing goes
    assert (folder / "notes.txt").exists()


WRITER = """
import sys
from federa import encoded_cache
from federa.models import load_tokenizer
from federa.tasks import TextClassification
encoded_cache.MIN_ROWS = 1
encoded_cache._read = lambda *arguments: 1 / 0  # so that each call writes
tokenizer = load_tokenizer(sys.argv[1])
table = {"text": ["the printer is slow"] * 2000, "label": ["a", "b"] * 1000}
print("ready", flush=True)
sys.stdin.readline()
for _ in range(8):
    encoded_cache.encode_cached(TextClassification(), table, ("a", "b"), tokenizer, 16)
"""


def test_two_processes_may_write_at_once(tiny_model: Callable[[str], str], folder: Path) -> None:
    command = [sys.executable, "-c", WRITER, tiny_model("bert")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    task, tokenizer = TextClassification(), load_tokenizer(tiny_model("bert"))
    table = {"text": ["the printer is slow"] * 2000, "label": ["a", "b"] * 1000}
    expected = task.encode(table, LABELS, tokenizer, 16)
    key = content_key(task, table, LABELS, tokenizer, 16)
    num_read = 0
    while any(writer.poll() is None for writer in writers):
        if (folder / f"{key}{SUFFIX}").exists():  # always whole
            require_same(encoded_cache._read(folder / f"{key}{SUFFIX}", table), expected)
            num_read += 1
    assert [writer.communicate()[0] or writer.returncode for writer in writers] == [0, 0]
    assert num_read
    assert [path.name for path in kept(folder)] == [f"{key}{SUFFIX}"]


def _config(task: str, model: str, table: Path, folder: Path) -> RunConfig:
    if task == "text_classification":
        return tiny_config(model, table)
    return tiny_task_config(task, model, folder)


@pytest.mark.parametrize(
    "task", ["text_classification", "token_classification", "question_answering"]
)
def test_a_run_that_is_prepared_again_does_not_tokenise(
    tiny_model: Callable[[str], str],
    tiny_table: Path,
    tmp_path: Path,
    folder: Path,
    frozen: Callable[[], None],
    task: str,
) -> None:
    source = tiny_model("bert")
    config = _config(task, source, tiny_table, tmp_path)
    data = split_data(config)
    examples, sets = encode_all(config, data, source)
    assert len(kept(folder)) == 1 + len(sets)
    frozen()
    again, sets_again = encode_all(config, split_data(config), source)
    require_same(again, examples)
    assert data_hash(again, data.clients, sets_again) == data_hash(examples, data.clients, sets)
