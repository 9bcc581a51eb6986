"""What is malformed in tasks, their data, splits and commands ends as everything malformed does."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from bad_input.command import Outcome, assert_refused, federa, listing
from bad_input.configs import Case, whole
from bad_input.tables import TableCase, csv
from bad_input.task_commands import FINISHED, LENGTHS, LOOKING, PIPED
from bad_input.task_configs import NEWEST
from bad_input.task_files import ASKED, NER, QA, SENTENCES, TASK_FILES, conll, lines, squad

pytestmark = pytest.mark.timeout(120)

DATA = {
    "text": "data: {name: files, train: own.csv}\n",
    "ner": NER + "words.jsonl}\n",
    "qa": QA + "asked.jsonl}\n",
}
TRAIN = "train: {max_steps: 1, batch_size: 4, max_length: 24, precision: fp32}\n"
SMALL = "federation: {num_clients: 2, num_rounds: 1}\nengine: {threads: 1, device: cpu}\n"
QA_TASK = "task: {name: question_answering, max_question_tokens: 8, stride: 4}\n"


@pytest.fixture
def tasks(place: Path) -> Path:
    """``place`` with good data of each task, and folders that look like runs."""
    (place / "words.jsonl").write_bytes(lines(SENTENCES))
    (place / "asked.jsonl").write_bytes(lines(ASKED))
    (place / "good.yaml").write_text(whole("data: {name: files, train: own.csv}"))
    for name, task in (("done_ner", "token_classification"), ("done_qa", "question_answering")):
        shutil.copytree(place / "done", place / name)
        (place / name / "config.yaml").write_text(f"data: servicedesk\ntask: {task}\n...\n")
    return place


@pytest.mark.parametrize("case", [pytest.param(case, id=case[0]) for case in NEWEST])
def test_a_malformed_key_is_refused(place: Path, case: Case) -> None:
    _, text, *parts = case
    (place / "bad.yaml").write_bytes(whole(text).encode())
    before = listing(place)
    outcome = federa("run", "bad.yaml")
    assert_refused(outcome, *parts)
    checked = federa("check", "bad.yaml", "--data")
    assert checked.err == outcome.err
    assert checked.code == 2
    assert listing(place) == before


@pytest.mark.parametrize("case", TASK_FILES, ids=lambda case: case.id)
def test_a_malformed_file_is_refused(place: Path, case: TableCase) -> None:
    for name, content in case.files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    (place / "bad.yaml").write_bytes(whole(case.keys).encode())
    before = listing(place)
    outcome = federa("check", "bad.yaml", "--data")
    assert_refused(outcome, *case.parts)
    assert federa("run", "bad.yaml").err == outcome.err
    assert listing(place) == before


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("t.conll", conll(), NER),
        ("t.jsonl", lines(SENTENCES), NER),
        ("t.jsonl", lines(ASKED), QA),
        ("t.json", json.dumps(squad()).encode(), QA),
    ],
)
def test_what_the_cases_begin_from_is_accepted(
    place: Path, name: str, content: bytes, keys: str
) -> None:
    (place / name).write_bytes(content)
    (place / "good.yaml").write_bytes(whole(f"{keys}{name}}}").encode())
    code, _, err = federa("check", "good.yaml", "--data")
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("file", "content", "arguments", "parts"),
    [pytest.param(*case[1:], id=case[0]) for case in LOOKING],
)
def test_a_malformed_argument_is_refused(
    tasks: Path, file: str, content: bytes, arguments: list[str], parts: tuple[str, ...]
) -> None:
    (tasks / file).parent.mkdir(parents=True, exist_ok=True)
    (tasks / file).write_bytes(content)
    before = listing(tasks)
    outcome = federa(*arguments)
    assert_refused(outcome, *parts)
    if arguments[0] != "partition":  # which shows the split before it writes
        assert outcome.out == ""
    assert listing(tasks) == before


def _piped(folder: str, content: bytes) -> Outcome:
    with mock.patch("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content))):
        return federa("predict", folder, "-")


@pytest.mark.parametrize(
    ("folder", "content", "parts"), [pytest.param(*case[1:], id=case[0]) for case in PIPED]
)
def test_malformed_standard_input_is_refused(
    tasks: Path, folder: str, content: bytes, parts: tuple[str, ...]
) -> None:
    before = listing(tasks)
    outcome = _piped(folder, content)
    assert_refused(outcome, *parts)
    assert outcome.out == ""
    assert listing(tasks) == before


@pytest.mark.parametrize("before", ["", "\ufeff"])
def test_a_line_of_standard_input_ends_where_it_ends_in_files(tasks: Path, before: str) -> None:
    rows = [{"question": f"a{letter}b", "context": "c"} for letter in "\x85\u2028\x1c\x0c"]
    text = before + "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert_refused(_piped("done_qa", text.encode()), "facts.json: damaged")


@pytest.mark.parametrize(
    ("kind", "text", "parts"), [pytest.param(*case[1:], id=case[0]) for case in LENGTHS]
)
def test_what_the_model_cannot_do_is_refused(
    tasks: Path, tiny_model: Callable[[str], str], kind: str, text: str, parts: tuple[str, ...]
) -> None:
    usual = DATA[kind] if "task:" not in text else DATA[kind].rpartition("task: ")[2]
    usual = "\n".join(line for line in usual.splitlines() if line.startswith("data:"))
    task = DATA[kind].splitlines()[0] if "task:" not in text and kind != "text" else ""
    keys = "\n".join([f"model: {tiny_model('bert')}", usual, task, text, TRAIN, SMALL])
    (tasks / "bad.yaml").write_text(keys, encoding="utf-8")
    before = listing(tasks)
    assert_refused(federa("run", "bad.yaml"), *parts)
    assert listing(tasks) == before


@pytest.mark.parametrize("length", [128, 10**30])
def test_clusters_read_what_the_model_has_positions_for(
    tasks: Path, tiny_model: Callable[[str], str], length: int
) -> None:
    rows = [{"text": "paper " * (row + 50), "label": "ab"[row % 2]} for row in range(40)]
    (tasks / "own.csv").write_bytes(csv(rows))
    keys = f"{{name: embedding, num_clusters: 2, min_examples: 1, max_length: {length}}}"
    text = f"model: {tiny_model('bert')}\n{DATA['text']}{SMALL}partition: {keys}\n"
    (tasks / "long.yaml").write_text(text, encoding="utf-8")
    code, _, err = federa("check", "long.yaml", "--data")
    assert code == 0, err


@pytest.fixture
def finished(tasks: Path, tiny_model: Callable[[str], str]) -> Path:
    """A finished run of token classification; the folder is the current one."""
    text = f"name: run\nmodel: {tiny_model('bert')}\n{DATA['ner']}{TRAIN}{SMALL}"
    (tasks / "run.yaml").write_text(text.replace("jsonl}", "conll}"), encoding="utf-8")
    (tasks / "words.conll").write_bytes(conll())
    outcome = federa("run", "run.yaml")
    assert outcome.code == 0, outcome.err
    return tasks / "runs" / "run"


def test_arguments_on_a_finished_run_are_refused(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = listing(finished)
    (finished / "words.conll").symlink_to(finished.parents[1] / "words.conll")
    monkeypatch.chdir(finished)
    for id, arguments, parts in FINISHED:
        outcome = federa("evaluate", ".", *arguments)
        assert_refused(outcome, *parts)
        assert "f1" not in outcome.out, id
    (finished / "words.conll").unlink()
    assert listing(finished) == before


CHANGES = [
    ("changed_rows", conll("Ben B-PER"), "a split of 40 training examples; the data has 41"),
    ("changed_tag", conll().replace(b"met O", b"met I-PER", 1), "train_sha256 differs"),
    ("changed_word", conll().replace(b"met O", b"saw O", 1), "train_sha256 differs"),
    ("changed_to_prose", b"Anna met Ben.\n", "words.conll:1: no tag 'Ben.'"),
    ("changed_to_nothing", b"", "words.conll: the file is empty"),
]


def test_data_that_changed_after_the_run_are_refused(finished: Path) -> None:
    place = finished.parents[1]
    for _, content, part in CHANGES:
        (place / "words.conll").write_bytes(content)
        before = listing(place)
        assert_refused(federa("evaluate", "runs/run", "--split", "validation"), part)
        assert listing(place) == before


def test_evaluation_tags_that_came_after_the_run_are_refused(
    tasks: Path, tiny_model: Callable[[str], str]
) -> None:
    (tasks / "words.conll").write_bytes(conll())
    (tasks / "test.conll").write_bytes(b"Anna B-PER\n")
    keys = f"{NER}words.conll, test: test.conll}}\n"
    text = f"name: run\nmodel: {tiny_model('bert')}\n{keys}{TRAIN}{SMALL}"
    (tasks / "run.yaml").write_text(text, encoding="utf-8")
    assert federa("run", "run.yaml").code == 0
    (tasks / "test.conll").write_bytes(b"Anna I-PER\n")
    before = listing(tasks)
    assert_refused(federa("evaluate", "runs/run"), "I-PER")
    assert listing(tasks) == before
