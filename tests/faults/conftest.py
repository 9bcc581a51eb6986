"""One worker and one undisturbed run for all faults."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builders import tiny_config
from faults.nursery import Nursery, contents

WORDS = ("printer", "password", "screen")


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to: its configuration file, its folder, what it holds."""

    file: Path
    folder: Path
    contents: dict[str, Any]


@pytest.fixture(scope="session")
def smallest_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a BERT of one tiny layer."""
    from tiny import save_tiny

    return save_tiny("bert", tmp_path_factory.mktemp("smallest"), num_layers=1)


def write_inputs(
    folder: Path, model: Path, num_rounds: int = 2, learning_rate: object = 0.01
) -> Path:
    """A table of 24 texts and a configuration file for it in ``folder``."""
    rows = [f"the {WORDS[row % 3]} {row},{WORDS[row % 3]}\n" for row in range(24)]
    (folder / "train.csv").write_text("text,label\n" + "".join(rows))
    config = tiny_config(
        str(model),
        folder / "train.csv",
        partition="iid",
        method={"name": "federa", "rank": 2},
        federation={"num_clients": 2, "num_rounds": num_rounds},
        train={"max_steps": 1, "batch_size": 2, "max_length": 8, "learning_rate": learning_rate},
    )
    (folder / "run.yaml").write_text(config.to_yaml())
    return folder / "run.yaml"


@pytest.fixture(scope="session")
def run_file(smallest_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration file for two clients and two rounds of one step."""
    return write_inputs(tmp_path_factory.mktemp("inputs"), smallest_model)


@pytest.fixture(scope="session")
def nursery(run_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """A worker that has done one run already."""
    if sys.platform != "linux":
        pytest.skip("the worker forks, and finds paths in /proc")
    worker = Nursery(tmp_path_factory.mktemp("worker"))
    warm = tmp_path_factory.mktemp("warm")
    try:
        answer = worker.ask(do="warm", arguments=["run", str(run_file), "--folder", str(warm)])
        assert answer["code"] == 0, (worker.folder / "worker.err").read_text()
        yield worker
    finally:
        worker.close()


@pytest.fixture(scope="session")
def undisturbed(
    nursery: Nursery, run_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    """The run that all disturbed ones must end like."""
    return _run_undisturbed(nursery, run_file, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="session")
def undisturbed_search(
    nursery: Nursery, smallest_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    """A run that searches its learning rate."""
    grid = {"grid": [0.01, 0.02], "num_rounds": 1}
    inputs = tmp_path_factory.mktemp("inputs")
    file = write_inputs(inputs, smallest_model, learning_rate=grid)
    return _run_undisturbed(nursery, file, tmp_path_factory.mktemp("searched"))


def _run_undisturbed(nursery: Nursery, file: Path, folder: Path) -> Undisturbed:
    outcome = nursery.run("run", file, "--folder", folder)
    assert outcome.code == 0, outcome
    assert outcome.err == ""
    return Undisturbed(file, folder / "tiny", contents(folder / "tiny"))
