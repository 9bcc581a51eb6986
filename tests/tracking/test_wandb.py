"""Offline runs of Weights & Biases, read back from the file that ``wandb sync`` sends."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from federa.errors import ConfigError
from federa.tracking import Sink, TrackedRun, WeightsAndBiases
from federa.tracking.interface import recall

pytest.importorskip("wandb")

Runs = Callable[..., TrackedRun]
HEADER_BYTES, BLOCK_BYTES = 7, 32768


@pytest.fixture(autouse=True, scope="module")
def _no_service_left() -> Iterator[None]:
    yield
    import wandb

    wandb.teardown()


def records(path: Path) -> Iterator[Any]:
    """wandb has no public reader; its file is a LevelDB log of protocol buffers.

    Source: github.com/google/leveldb, doc/log_format.md: blocks of 32 kB; a record has a checksum
    of 4 bytes, its length in 2, its kind in 1: 1 whole, 2 first, 3 middle, 4 last part.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, parts = path.read_bytes(), HEADER_BYTES, b""
    while place + 7 <= len(content):
        left = BLOCK_BYTES - place % BLOCK_BYTES
        if left < 7:
            place += left
            continue
        size, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        part = content[place + 7 : place + 7 + size]
        place += 7 + size
        parts = parts + part if kind in (3, 4) else part
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(parts)
            yield record


def whole(path: Path) -> list[Any]:
    """The records of a finished run, whose file wandb's service closes a moment later."""
    for _ in range(100):
        found = list(records(path))
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path} has no end")


def read(run: TrackedRun) -> dict[str, Any]:
    """The values by step, the run's own record, the summary and how it ended."""
    (folder,) = (run.folder / "wandb").glob("offline-run-*")
    (path,) = folder.glob("*.wandb")
    found: dict[str, Any] = {"history": {}, "summary": {}}
    for record in whole(path):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            values = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            found["history"][record.history.step.num] = values
        elif kind == "summary":
            found["summary"] |= {
                item.key: json.loads(item.value_json) for item in record.summary.update if item.key
            }
        elif kind in ("run", "exit"):
            found[kind] = getattr(record, kind)
    return found


def log(sink: Sink, *rounds: int) -> None:
    for number in rounds:
        sink.round(number, {"validation/f1": number / 4})


def scores(run: TrackedRun) -> dict[int, float]:
    return {step: values["validation/f1"] for step, values in read(run)["history"].items()}


def test_a_run_is_read_back(
    tracked_run: Runs, connections: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    run, tracker = tracked_run(), WeightsAndBiases(project="edge")
    tracker.require()
    sink = tracker.open(run)
    assert sink.last_round == 0
    log(sink, 1, 2)
    sink.finish(2, {"final/best/test/f1": 0.75})
    sink.close()
    found = read(run)
    assert scores(run) == {1: 0.25, 2: 0.5}
    assert found["summary"]["final/best/test/f1"] == 0.75
    about = found["run"]
    assert (about.project, about.run_group, about.display_name) == ("edge", "group", "run")
    config = {item.key: json.loads(item.value_json) for item in about.config.update}
    assert (config["method.name"], config["train.learning_rate"]) == ("federa", 0.01)
    assert found["exit"].exit_code == 0
    assert connections == []
    assert capfd.readouterr() == ("", ""), "nothing stands between the lines of the run"


def test_an_offline_run_is_whole_after_it_was_resumed(tracked_run: Runs) -> None:
    run = tracked_run()
    first = WeightsAndBiases().open(run)
    log(first, 1, 2)
    first.close()
    assert read(run)["exit"].exit_code == 1
    run_id = recall(run.folder, "wandb")["run_id"]
    second = WeightsAndBiases().open(run)
    assert second.last_round == 0, "a sync replaces what was sent, so all rounds are needed"
    log(second, 1, 2, 3)
    second.finish(3, {})
    second.close()
    assert scores(run) == {1: 0.25, 2: 0.5, 3: 0.75}
    assert read(run)["run"].run_id == run_id
    assert read(run)["exit"].exit_code == 0


def test_runs_beside_each_other_do_not_mix(tracked_run: Runs) -> None:
    one, two = tracked_run("one"), tracked_run("two")
    sinks = [WeightsAndBiases(group="pair").open(run) for run in (one, two)]
    log(sinks[0], 1)
    log(sinks[1], 1, 2)
    for sink in sinks:
        sink.close()
    assert scores(one) == {1: 0.25}
    assert scores(two) == {1: 0.25, 2: 0.5}
    assert read(one)["run"].run_group == read(two)["run"].run_group == "pair"
    assert read(one)["run"].run_id != read(two)["run"].run_id


def test_online_without_a_login_is_refused_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(ConfigError, match="wandb has no login for mode online"):
        WeightsAndBiases(mode="online").require()
