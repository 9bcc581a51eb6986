"""Clients in Flower's simulation runtime: the same numbers as ``sequential``."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flwr", reason="needs the flower extra")
pytest.importorskip("ray", reason="needs the flower-simulation extra")

from conformance.combinations import difference
from federa.checkpoint import RunFolder
from federa.config import RunConfig
from federa.errors import ClientError, ConfigError
from federa.experiment import RunResult, run

pytestmark = [
    pytest.mark.flower,
    pytest.mark.slow,
    # of Ray and Flower themselves
    pytest.mark.filterwarnings("default"),
]
FLOWER = {"name": "flower", "device": "cpu", "threads": 1, "client_cpus": 1}


def both(make: Callable[..., RunConfig], tmp_path: Path, **engine: Any) -> list[RunResult]:
    found = []
    for name, chosen in (("flower", {**FLOWER, **engine}), ("sequential", {"name": "sequential"})):
        config = make(
            chosen, federation={"num_clients": 6, "clients_per_round": 3, "num_rounds": 2}
        )
        found.append(run(config, folder=tmp_path / name))
    return found


def test_same_as_sequential(make: Callable[..., RunConfig], tmp_path: Path) -> None:
    ours, theirs = both(make, tmp_path)
    states = [RunFolder(result.folder).load_state() for result in (ours, theirs)]
    assert difference(states[0].params, states[1].params, states[1].start) < 1e-5
    for mine, other in zip(ours.records, theirs.records, strict=True):
        assert not mine.failures
        assert [client.client for client in mine.clients] == [c.client for c in other.clients]
        assert (mine.down, mine.up) == (other.down, other.up)
        wanted = other.scores["validation"]["accuracy"]
        assert mine.scores["validation"]["accuracy"] == pytest.approx(wanted)


def test_shorter_numbers_take_fewer_bytes_and_lose_little(
    make: Callable[..., RunConfig], tmp_path: Path
) -> None:
    ours, theirs = both(make, tmp_path, upload="int8", download="bf16")
    assert ours.records[1].up.tensor_bytes < theirs.records[1].up.tensor_bytes / 2.5
    states = [RunFolder(result.folder).load_state() for result in (ours, theirs)]
    assert 0 < difference(states[0].params, states[1].params, states[1].start) < 0.1


def test_a_client_that_fails_says_why(make: Callable[..., RunConfig], tmp_path: Path) -> None:
    train = {"batch_size": 4, "max_steps": 3, "max_length": 24, "learning_rate": 1e30}
    config = make(FLOWER, train={**train, "optimizer": "sgd"}, federation={"num_clients": 2})
    with pytest.raises(ClientError, match="not finite"):
        run(config, folder=tmp_path)


@pytest.mark.parametrize("package", ["flwr", "ray"])
def test_what_is_missing_is_named(
    package: str,
    make: Callable[..., RunConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name)
    )
    with pytest.raises(ConfigError, match=rf"package {package}; pip install 'federa\[flower"):
        run(make(FLOWER), folder=tmp_path)
