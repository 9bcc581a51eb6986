"""Generated damage: a mutant is accepted, or refused in one line with exit code 2."""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bad_input.command import LONGEST, federa, listing
from bad_input.tables import GOOD, columns, csv, jsonl
from bad_input.task_files import ASKED, SENTENCES, conll, lines, squad

pytestmark = pytest.mark.timeout(300)

BASES: list[dict[str, Any]] = [
    {"data": {"name": "files", "train": "own.csv"}},
    {
        "name": "full",
        "seed": 1,
        "model": "minilm",
        "task": "text_classification",
        "data": {"name": "files", "train": "own.csv", "test": "own.csv", "label": "label"},
        "partition": {"name": "dirichlet", "alpha": 0.5, "min_examples": 2},
        "method": {"name": "federa", "rank": 8, "alpha": 8, "targets": "auto", "layers": [0, -1]},
        "rule": {"name": "fedavg"},
        "federation": {"num_clients": 5, "clients_per_round": 2, "num_rounds": 3, "min_uploads": 2},
        "train": {
            "optimizer": "sgd",
            "learning_rate": 0.001,
            "momentum": 0.5,
            "weight_decay": 0.0,
            "max_grad_norm": 1.0,
            "schedule": "linear",
            "warmup_rounds": 1,
            "batch_size": 8,
            "epochs": 1,
            "max_steps": 20,
            "max_length": 128,
            "dropout": False,
            "precision": "auto",
            "gradient_checkpointing": False,
        },
        "evaluation": {
            "every": 1,
            "splits": ["validation", "test"],
            "subset": 10,
            "per_client": True,
            "validation_fraction": 0.1,
        },
        "engine": {"name": "sequential", "device": "cpu", "threads": 1},
    },
    {
        "name": "own-clients",
        "data": {"name": "files", "train": "d", "client": "site", "validation": "own.csv"},
        "method": {"name": "lora", "rank": 4},
        "federation": {"clients_per_round": 2, "num_rounds": 3},
        "evaluation": {"per_client": True},
    },
    {
        "task": {"name": "text_classification", "special_tokens": ["<a>", "<b>"], "scores": []},
        "data": {"name": "files", "train": "own.csv"},
        "partition": {"name": "pathological", "labels_per_client": 2, "min_examples": 2},
        "federation": {"num_clients": 4},
        "evaluation": {"final": "best"},
    },
    {
        "task": {"name": "token_classification", "stride": 16},
        "data": {
            "name": "files",
            "train": "words.jsonl",
            "test": "words.conll",
            "words": "words",
            "tags": "tags",
            "client": "site",
        },
        "partition": {"name": "natural", "column": "client", "min_examples": 2},
        "federation": {"num_clients": 2},
        "evaluation": {"splits": ["validation", "test"], "final": "best and latest"},
    },
    {
        "task": {
            "name": "question_answering",
            "stride": 32,
            "max_question_tokens": 64,
            "max_answer_tokens": 30,
            "num_best": 20,
            "unanswerable": True,
            "null_threshold": 0.5,
        },
        "data": {
            "name": "files",
            "train": "asked.jsonl",
            "test": "squad.json",
            "question": "question",
            "context": "context",
            "answers": "answers",
        },
        "partition": {"name": "quantity", "alpha": 0.5, "min_examples": 2},
        "federation": {"num_clients": 3},
    },
    {
        "task": "question_answering",
        "data": {"name": "files", "train": "asked.jsonl"},
        "partition": {"name": "saved", "file": "split.json"},
    },
]
TASK_FORMATS: dict[str, tuple[bytes, str]] = {
    "words.conll": (conll(), "token_classification"),
    "words.jsonl": (lines(SENTENCES), "token_classification"),
    "asked.jsonl": (lines(ASKED), "question_answering"),
    "squad.json": (json.dumps(squad()).encode(), "question_answering"),
}
"""A good file and its task, by name."""
SPLIT = json.dumps(
    {
        "format": 1,
        "num_train_examples": 40,
        "clients": [list(range(10, 25)), list(range(25, 40))],
        "validation": list(range(10)),
    }
).encode()
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 10**6, 2**31, 2**63, 10**40, -(2**63)),
    *(0.0, -0.0, 0.5, 1.5, 1e-300, 5e-324, 1e300, float("inf"), float("-inf"), float("nan")),
    *("", " ", "x", "auto", "all", "1", "1e3", "true", "null", "no", "~", ".", "..", "/", "a/b"),
    *(
        "own.csv",
        "words.jsonl",
        "qa",
        "ner",
        "saved",
        "label",
        "d",
        "*.csv",
        "**",
        "\x00",
        "\ud800",
        "\ufeff",
        "\n",
        "ü",
        "x" * 3000,
        "%s{}",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        ["validation"],
        {"name": "lora"},
        {"name": None},
        {"": 1},
        {"\ud800": 1},
    ),
]
"""Values that hardly any key may have."""


@pytest.fixture(autouse=True, scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A current folder with good tables."""
    before, place = Path.cwd(), tmp_path_factory.mktemp("mutants")
    (place / "d").mkdir()
    (place / "d" / "a.csv").write_bytes(GOOD)
    (place / "d" / "b.csv").write_bytes(GOOD)
    (place / "own.csv").write_bytes(GOOD)
    for name, (content, *_) in TASK_FORMATS.items():
        (place / name).write_bytes(content)
    (place / "split.json").write_bytes(SPLIT)
    os.chdir(place)
    try:
        yield place
    finally:
        os.chdir(before)


def _ends_well(content: bytes) -> bool:
    """Check a configuration; whether it was accepted."""
    with tempfile.NamedTemporaryFile(suffix=".yaml", delete=False) as file:
        file.write(content)
    before = listing(Path.cwd())
    try:
        code, out, err = federa("check", "--data", file.name)
    finally:
        os.unlink(file.name)
    assert listing(Path.cwd()) == before
    assert "Traceback" not in out + err
    if code == 0:
        assert err == ""
        return True
    assert code == 2
    assert err.startswith("federa: error: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert err.rstrip("\n").isprintable()
    assert len(err) < LONGEST + 6000  # a path may be as long as its owner likes
    return False


# Configurations, as values


def _holders(value: Any) -> list[tuple[Any, Any]]:
    """Every (mapping or list, key) inside ``value``."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += _holders(value[key])
    return found


def _typo(draw: st.DrawFn, word: str) -> str:
    place = draw(st.integers(0, max(0, len(word) - 1)))
    letter = draw(st.sampled_from(["", "x", "_", "-", " ", "É"]))
    kind = draw(st.sampled_from(["replace", "insert", "swap", "case", "cut"]))
    if kind == "insert":
        return word[:place] + letter + word[place:]
    if kind == "swap":
        return word[:place] + word[place : place + 2][::-1] + word[place + 2 :]
    if kind == "case":
        return word.swapcase()
    if kind == "cut":
        return word[:place]
    return word[:place] + letter + word[place + 1 :]


@st.composite
def _configurations(draw: st.DrawFn) -> Any:
    content = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 2))):
        places = _holders(content)
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(["delete", "rename", "replace", "swap", "wrap", "unwrap"]))
        if kind == "delete":
            del holder[key]
        elif kind == "rename" and isinstance(holder, dict):
            holder[_typo(draw, str(key))] = holder.pop(key)
        elif kind == "swap":
            other, its_key = draw(st.sampled_from(places))
            holder[key], other[its_key] = copy.deepcopy((other[its_key], holder[key]))
        elif kind == "wrap":
            holder[key] = draw(st.sampled_from([[holder[key]], {"name": holder[key]}]))
        elif kind == "unwrap" and isinstance(holder[key], dict | list) and holder[key]:
            inner = holder[key]
            holder[key] = next(iter(inner.values())) if isinstance(inner, dict) else inner[0]
        else:
            holder[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return content


@given(_configurations())
@settings(max_examples=700, derandomize=True, deadline=None)
def test_a_damaged_configuration_ends_well(content: Any) -> None:
    text: str = yaml.safe_dump(content, sort_keys=False)
    _ends_well(text.encode())


# Files, as bytes

PIECES = [
    *(
        b"\x00",
        b"\xff",
        b"\xe9",
        b"\xef\xbb\xbf",
        b"\t",
        b"\n",
        b"\r",
        b"\n\n",
        b'"',
        b"'",
        b",",
        b":",
    ),
    *(b"[", b"]", b"{", b"}", b"- ", b"&a ", b"*a", b"!!", b"!x ", b"<<: ", b"|", b">", b"#", b"%"),
    *(
        b"---\n",
        b"...\n",
        b"? ",
        b"~",
        b"\\",
        b"\\ud800",
        b"9" * 20,
        b".inf",
        b"NaN",
        b"null",
        b"1e999",
    ),
]


@st.composite
def _edited(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    content = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["piece", "byte", "delete", "cut", "double", "flip"]))
        before, part, after = content[:begin], content[begin : begin + length], content[begin:]
        if kind == "piece":
            content = before + draw(st.sampled_from(PIECES)) + after
        elif kind == "byte":
            content = before + draw(st.binary(min_size=1, max_size=3)) + after[1:]
        elif kind == "delete":
            content = before + after[length:]
        elif kind == "cut":
            content = draw(st.sampled_from([before, after]))
        elif kind == "double":
            content = before + part * draw(st.integers(2, 4)) + after
        elif part:
            content = before + bytes([part[0] ^ (1 << draw(st.integers(0, 7)))]) + after[1:]
    return content


@given(_edited([yaml.safe_dump(base, sort_keys=False).encode() for base in BASES]))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_an_edited_configuration_ends_well(content: bytes) -> None:
    _ends_well(content)


PARQUET = columns(text=[f"text {row}" for row in range(40)], label=["a", "b"] * 20)
FORMATS = {
    "csv": [GOOD, csv(end="\r\n"), GOOD.replace(b"text 7", b'"a, ""b""\nc"')],
    "tsv": [csv(delimiter="\t")],
    "jsonl": [jsonl({"text": "é\u2028", "label": 1})],
    "parquet": [PARQUET],
}


def _check_file(suffix: str, content: bytes, split: str) -> None:
    name = f"edited.{suffix}"
    Path(name).write_bytes(content)
    data = {"name": "files", "train": "own.csv", split: name}
    try:
        _ends_well(yaml.safe_dump({"data": data}).encode())
    finally:
        Path(name).unlink()


@given(
    st.sampled_from(["csv", "tsv", "jsonl"]).flatmap(
        lambda suffix: st.tuples(st.just(suffix), _edited(FORMATS[suffix]))
    ),
    st.sampled_from(["train", "test"]),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_an_edited_table_ends_well(file: tuple[str, bytes], split: str) -> None:
    _check_file(*file, split)


@given(_edited(FORMATS["parquet"]), st.sampled_from(["train", "test"]))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_an_edited_parquet_file_ends_well(content: bytes, split: str) -> None:
    _check_file("parquet", content, split)


def _check_task_file(file: str, content: bytes, split: str) -> None:
    task = TASK_FORMATS[file][1]
    name = f"edited.{file.partition('.')[2]}"
    Path(name).write_bytes(content)
    data = {"name": "files", "train": file, split: name}
    try:
        _ends_well(yaml.safe_dump({"task": task, "data": data}).encode())
    finally:
        Path(name).unlink()


@given(
    st.sampled_from(sorted(TASK_FORMATS)).flatmap(
        lambda file: st.tuples(st.just(file), _edited([TASK_FORMATS[file][0]]))
    ),
    st.sampled_from(["train", "test"]),
)
@settings(max_examples=400, derandomize=True, deadline=None)
def test_an_edited_file_of_words_or_questions_ends_well(
    file: tuple[str, bytes], split: str
) -> None:
    _check_task_file(*file, split)


@given(_edited([SPLIT]))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_an_edited_split_ends_well(content: bytes) -> None:
    Path("edited-split.json").write_bytes(content)
    config = {"data": BASES[0]["data"], "partition": {"name": "saved", "file": "edited-split.json"}}
    try:
        _ends_well(yaml.safe_dump(config).encode())
    finally:
        Path("edited-split.json").unlink()


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_edited_is_accepted_as_it_is(suffix: str) -> None:
    for content in FORMATS[suffix]:
        _check_file(suffix, content, "train")
    for file, (content, _) in TASK_FORMATS.items():
        _check_task_file(file, content, "test")
    for base in BASES:
        assert _ends_well(yaml.safe_dump(base).encode())
