"""How the data is split before a run: validation held out label by label, no client lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import tiny_config, tiny_task_config, write_tiny_table
from federa.config import RunConfig
from federa.errors import ConfigError, DataError
from federa.splitting import SplitData, split_data


def split(path: Path, rows: list[tuple[str, str]], **keys: Any) -> SplitData:
    """Split a table of (label, site) rows; the texts are their numbers."""
    lines = [f"{number},{label},{site}" for number, (label, site) in enumerate(rows)]
    path.write_text("text,label,site\n" + "\n".join(lines) + "\n", encoding="utf-8")
    data = {"name": "files", "train": str(path), **keys.pop("data", {})}
    return split_data(RunConfig.parse({"data": data, **keys}))


@pytest.mark.parametrize("seed", range(3))
def test_a_share_of_every_label_is_held_out(tmp_path: Path, seed: int) -> None:
    rows = [("a", "x")] * 50 + [("b", "x")] * 30 + [("c", "x")] * 2
    found = split(tmp_path / "a.csv", rows, seed=seed, evaluation={"validation_fraction": 0.2})
    assert Counter(found.evaluation["validation"]["label"]) == {"a": 10, "b": 6}
    assert Counter(found.train["label"]) == {"a": 40, "b": 24, "c": 2}
    held, kept = found.evaluation["validation"]["text"], found.train["text"]
    assert sorted(held + kept, key=int) == [str(number) for number in range(82)]
    assert sorted(row for client in found.clients for row in client) == list(range(66))


def test_the_split_depends_on_the_seed_alone(tmp_path: Path) -> None:
    rows = [("a", "x"), ("b", "x")] * 50
    found = [split(tmp_path / "a.csv", rows, seed=seed) for seed in (1, 1, 2)]
    held = [part.evaluation["validation"]["text"] for part in found]
    clients = [[rows.tolist() for rows in part.clients] for part in found]
    assert held[0] == held[1] != held[2]
    assert clients[0] == clients[1] != clients[2]


def test_a_given_validation_split_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "dev.csv"
    path.write_text("text,label\nx,b\n", encoding="utf-8")
    rows = [("a", "x"), ("b", "x")] * 10
    found = split(tmp_path / "a.csv", rows, data={"validation": str(path), "test": str(path)})
    assert len(found.train["text"]) == 20
    assert found.evaluation == {
        split: {"text": ["x"], "label": ["b"]} for split in ("validation", "test")
    }


@pytest.mark.parametrize("seed", range(12))
def test_holding_out_leaves_every_client_an_example(tmp_path: Path, seed: int) -> None:
    rows = [("ab"[row % 2], "large" if row < 30 else f"small{row}") for row in range(40)]
    data = {"client": "site"}
    found = split(tmp_path / "a.csv", rows, seed=seed, data=data, federation={"num_clients": 11})
    assert min(len(client) for client in found.clients) >= 1
    assert len(found.clients) == 11
    assert len(found.evaluation["validation"]["text"]) >= 1


def test_evaluation_rows_are_dealt_to_clients(tmp_path: Path) -> None:
    rows = [("ab"[row % 2], f"site{row % 2}") for row in range(40)]
    found = split(
        tmp_path / "a.csv", rows, data={"client": "site"}, evaluation={"per_client": True}
    )
    labels = found.evaluation["validation"]["label"]
    dealt = found.evaluation_clients["validation"]
    assert [{labels[row] for row in part} for part in dealt] == [{"a"}, {"b"}]
    assert sorted(row for part in dealt for row in part) == list(range(4))


def test_too_few_rows_to_hold_out_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data: 4 training examples are too few to hold out 10%"):
        split(tmp_path / "a.csv", [("a", "x"), ("b", "x")] * 2)


def test_a_saved_split_is_the_same_split_again(tmp_path: Path) -> None:
    rows = [("ab"[row % 2], f"site{row % 4}") for row in range(80)]
    keys: dict[str, Any] = {"partition": {"name": "dirichlet", "alpha": 0.3, "min_examples": 2}}
    federation = {"num_clients": 5}
    first = split(tmp_path / "a.csv", rows, **keys, federation=federation)
    config = RunConfig.parse(
        {"data": {"name": "files", "train": str(tmp_path / "a.csv")}, **keys, "seed": 1}
    )
    first.save(config, tmp_path / "split.json")
    saved = {"name": "saved", "file": str(tmp_path / "split.json")}
    again = split(tmp_path / "a.csv", rows, partition=saved, seed=99)  # the seed plays no part
    assert [part.tolist() for part in again.clients] == [part.tolist() for part in first.clients]
    assert again.train == first.train
    assert again.evaluation == first.evaluation
    content = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    everyone = [row for part in (*content["clients"], content["validation"]) for row in part]
    assert sorted(everyone) == list(range(80))
    for client, rows_of in enumerate(content["clients"]):
        assert [first.train["text"][row] for row in first.clients[client]] == list(
            map(str, rows_of)
        )


def test_a_saved_split_of_other_data_is_refused(tmp_path: Path) -> None:
    rows = [("ab"[row % 2], "x") for row in range(40)]
    first = split(tmp_path / "a.csv", rows)
    config = RunConfig.parse({"data": {"name": "files", "train": str(tmp_path / "a.csv")}})
    first.save(config, tmp_path / "split.json")
    saved = {"name": "saved", "file": str(tmp_path / "split.json")}
    with pytest.raises(DataError, match="a split of 40 training examples; the data has 38"):
        split(tmp_path / "b.csv", rows[:-2], partition=saved)
    with pytest.raises(DataError, match="train_sha256 differs"):
        split(tmp_path / "c.csv", [("ba"[row % 2], "x") for row in range(40)], partition=saved)
    dev = tmp_path / "dev.csv"
    dev.write_text("text,label\nx,b\n", encoding="utf-8")
    with pytest.raises(DataError, match="does not fit data that has a validation split"):
        split(tmp_path / "a.csv", rows, partition=saved, data={"validation": str(dev)})
    with pytest.raises(ConfigError, match="5 given, the saved split has 10 clients"):
        split(tmp_path / "a.csv", rows, partition=saved, federation={"num_clients": 5})


def test_natural_clients_of_any_column(tmp_path: Path) -> None:
    data = {"name": "servicedesk"}
    config = RunConfig.parse(
        {
            "data": data,
            "task": "token_classification",
            "partition": {"name": "natural", "column": "label"},
        }
    )
    found = split_data(config)
    for rows in found.clients:
        assert len({found.train["label"][row] for row in rows}) == 1
    assert len(found.clients) == 14
    wrong = RunConfig.parse({"data": data, "partition": {"name": "natural", "column": "lable"}})
    with pytest.raises(ConfigError, match=r"no column 'lable'; did you mean 'label'\?"):
        split_data(wrong)


@pytest.mark.parametrize("seed", range(3))
def test_questions_on_one_passage_are_held_out_together(seed: int) -> None:
    config = RunConfig.parse(
        {"data": "servicedesk", "task": "question_answering", "partition": "iid", "seed": seed}
    )
    found = split_data(config)
    held = found.evaluation["validation"]
    assert not set(held["context"]) & set(found.train["context"])
    total = len(held["id"]) + len(found.train["id"])
    assert abs(len(held["id"]) - total / 10) <= 3  # passages have three to five questions


def test_a_label_split_of_a_task_without_labels_is_refused() -> None:
    with pytest.raises(ConfigError, match="question_answering has no label for a whole example"):
        RunConfig.parse(
            {"data": "servicedesk", "task": "question_answering", "partition": "dirichlet"}
        )


def test_clusters_of_meaning_are_spread(
    tmp_path: Path, tiny_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "cache"))
    table = write_tiny_table(tmp_path / "t.csv")
    config = tiny_config(
        tiny_model("bert"),
        table,
        partition={"name": "embedding", "num_clusters": 3, "alpha": 0.01, "min_examples": 1},
        federation={"num_clients": 3},
    )
    found = split_data(config)
    assert found.keys is not None
    purest = [
        Counter(found.keys[row] for row in rows).most_common(1)[0][1] / len(rows)
        for rows in found.clients
    ]
    assert max(purest) == 1.0  # alpha this small gives some client one cluster alone
    again = split_data(config)
    assert [part.tolist() for part in again.clients] == [part.tolist() for part in found.clients]


def questions(path: Path, passages: list[tuple[int, str]]) -> RunConfig:
    """Questions on passages: how many each has, and its client."""
    rows = []
    for number, (size, client) in enumerate(passages):
        context = f"The answer is {number}."
        answer = {"text": str(number), "start": 14}
        row = {"question": "What?", "context": context, "answers": [answer], "site": client}
        rows += [row] * size
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = {"name": "files", "train": str(path), "client": "site"}
    return RunConfig.parse({"data": data, "task": "question_answering", "federation": {}})


@pytest.mark.parametrize("seed", range(5))
def test_a_large_passage_is_not_held_out(tmp_path: Path, seed: int) -> None:
    sizes = [400, 5, 5, 5, 5]
    config = questions(tmp_path / "q.jsonl", [(size, "a") for size in sizes])
    found = split_data(config.model_copy(update={"seed": seed}))
    assert len(found.evaluation["validation"]["id"]) == 20
    assert len(found.train["id"]) == 400


def test_a_clients_only_passage_goes_back_whole(tmp_path: Path) -> None:
    passages = [(4, "a"), (4, "a"), (4, "a"), (4, "a"), (4, "a"), (4, "b")]
    refused = 0
    for seed in range(20):
        config = questions(tmp_path / "q.jsonl", passages).model_copy(update={"seed": seed})
        try:
            found = split_data(config)
        except DataError:  # b's passage was drawn, and went back: nothing is left to hold out
            refused += 1
            continue
        held = found.evaluation["validation"]["context"]
        assert not set(held) & set(found.train["context"])
        assert set(found.train["client"]) == {"a", "b"}
    assert 0 < refused < 20


def test_evaluation_rows_follow_the_clusters_of_a_client(
    tmp_path: Path, tiny_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "cache"))
    config = tiny_task_config(
        "token_classification",
        tiny_model("bert"),
        tmp_path,
        partition={"name": "embedding", "num_clusters": 2, "alpha": 0.01, "min_examples": 1},
        federation={"num_clients": 2},
        evaluation={"per_client": True},
    )
    found = split_data(config)
    assert found.keys is not None
    words = found.train["words"]
    # clusters here are words that differ; clients that hold one kind are scored on that kind
    kinds = [{(words[row][2], words[row][7]) for row in rows} for rows in found.clients]
    table = found.evaluation["validation"]["words"]
    for rows, own in zip(found.evaluation_clients["validation"], kinds, strict=True):
        assert {(table[row][2], table[row][7]) for row in rows} <= own
