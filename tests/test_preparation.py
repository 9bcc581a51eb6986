"""How the data is split before a run: validation held out label by label, no client lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from federa.config import RunConfig
from federa.errors import DataError
from federa.preparation import SplitData, split_data


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
