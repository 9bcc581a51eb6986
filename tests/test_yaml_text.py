"""YAML is read strictly, changes set one key each, and whatever is wrong is told in one line."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from federa.errors import ConfigError
from federa.yaml_text import apply_changes, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\ndata: x\nseed: 2", "x.yaml:3: not valid YAML (the key 'seed' is given twice)"),
        ("data: {name: x, name: y}", "x.yaml:1: not valid YAML (the key 'name' is given twice)"),
        ("data: [", "x.yaml:1: not valid YAML ("),
        ("a: *nothing", "x.yaml:1: not valid YAML (found undefined alias 'nothing')"),
        ("? [a]\n: b", "x.yaml:1: not valid YAML (found unhashable key)"),
        ("a: !new b", "x.yaml:1: not valid YAML (could not determine a constructor"),
        ("a: !!python/name:os.system x", "x.yaml:1: not valid YAML (could not determine"),
        ("a: 1\n---\nb: 2", "x.yaml:2: not valid YAML (but found another document)"),
        ("a: \x00", "x.yaml: not valid YAML ("),
        ("seed: 2020-13-45", "x.yaml: not valid YAML (month must be in 1..12)"),
        ("[" * 3000, "x.yaml: not valid YAML ("),
        ("seed: " + "9" * 5000, "x.yaml: not valid YAML ("),
        ("!!map [a]", "x.yaml"),
        ("data: !!map [a]", "x.yaml"),
        ("seed: !!bool maybe", "x.yaml"),
        ("seed: !!timestamp soon", "x.yaml"),
        ('seed: !!int ""', "x.yaml"),
        ('train: {learning_rate: !!float ""}', "x.yaml"),
    ],
)
def test_text_that_is_not_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml("x.yaml", text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


def test_yaml_merge_keys_work() -> None:
    text = "data: &d {name: files, train: a}\nother: {<<: *d, train: b}"
    assert parse_yaml("x.yaml", text)["other"] == {"name": "files", "train": "b"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read (No such file or directory)"),
        (b"", "empty; a configuration is a mapping of keys"),
        (b"# nothing yet\n", "empty; a configuration is a mapping of keys"),
        (b"- a\n- b\n", "a list; a configuration is a mapping of keys"),
        (b"servicedesk", "a str; a configuration is a mapping of keys"),
        ("name: café".encode("latin-1"), "not UTF-8 at byte 9"),
    ],
)
def test_a_file_that_holds_no_mapping_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read \(Is a directory\)$"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("seed=2", "seed", 2),
        (" seed = 2 ", "seed", 2),
        ("name=x=y", "name", "x=y"),
        ("train.learning_rate=0.5", "train", {"epochs": 2, "learning_rate": 0.5}),
        ("train.epochs=null", "train", {"epochs": None}),
        ("train={batch_size: 4}", "train", {"batch_size": 4}),
        ("method.rank=4", "method", {"name": "lora", "rank": 4}),
        ("method.name=full", "method", {"name": "full"}),
        ("partition.alpha=0.1", "partition", {"alpha": 0.1}),
        ("evaluation.splits=[validation, test]", "evaluation", {"splits": ["validation", "test"]}),
    ],
)
def test_a_change_sets_one_key(change: str, key: str, value: object) -> None:
    before = {"data": "servicedesk", "method": "lora", "train": {"epochs": 2}}
    kept = copy.deepcopy(before)
    assert apply_changes(before, [change]) == kept | {key: value}
    assert before == kept


@pytest.mark.parametrize("change", ["seed", "=3", "a..b=1", ".a=1", "a.=1", "", "seed 3"])
def test_a_malformed_change_is_refused(change: str) -> None:
    with pytest.raises(ConfigError, match=r"expected key=value, such as seed=2$") as caught:
        apply_changes({"data": "servicedesk"}, [change])
    assert str(caught.value).startswith(f"--set {change}: ")


def test_a_change_that_is_not_yaml_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^--set seed:1: not valid YAML"):
        apply_changes({"data": "servicedesk"}, ["seed=[1"])
