"""Runs of the cohort engine that are stopped, interrupted or killed, against one left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import tiny_config
from federa import run
from federa.checkpoint import RunFolder
from federa.config import RunConfig
from federa.engines.workers import can_fork
from test_kill import rounds_done, start, wait, without_seconds

pytestmark = pytest.mark.skipif(not can_fork(), reason="workers are forked")
METHODS = [
    {"name": "federa", "rank": 4},
    {"name": "lora", "rank": 4, "layers": "last 1"},
]
STATES = ("latest.safetensors", "best.safetensors", "start.safetensors", "config.yaml")
NUM_ROUNDS = 20


@pytest.fixture(autouse=True)
def _one_thread_after() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.fixture
def make(tiny_model: Callable[[str], str], tiny_table: Path) -> Callable[..., RunConfig]:
    def configure(num_rounds: int, max_steps: int = 4, **changes: Any) -> RunConfig:
        federation = {"num_clients": 6, "clients_per_round": 4, "num_rounds": num_rounds}
        train = {
            "max_steps": max_steps,
            "epochs": None,
            "batch_size": 4,
            "max_length": 24,
            "learning_rate": 0.01,
        }
        engine = {"name": "cohort", "threads": 2, "device": "cpu"}
        changes = {"federation": federation, "train": train, "engine": engine, **changes}
        return tiny_config(tiny_model("bert"), tiny_table, **changes)

    return configure


def require_same(found: Path, wanted: Path) -> None:
    for name in STATES:
        assert (found / name).read_bytes() == (wanted / name).read_bytes(), name
    assert without_seconds(found) == without_seconds(wanted)
    assert not list(found.rglob("*.tmp")), "nothing half written is left"


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_four_rounds_are_two_and_two(
    make: Callable[..., RunConfig], tmp_path: Path, method: dict[str, Any]
) -> None:
    whole = run(make(4, method=method), folder=tmp_path / "whole")
    plan = RunFolder.open(whole.folder).facts().plan
    assert (plan.engine, plan.workers, plan.clients) == ("cohort", 2, 2)
    part = run(make(2, method=method), folder=tmp_path / "part")
    more = run(make(4, method=method), resume=part.folder)
    assert len(more.records) == 4
    assert more.summary["latest"] == whole.summary["latest"]
    require_same(more.folder, whole.folder)
    assert all(record.peak_memory_bytes for record in more.records)


def children_of(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in two minutes"
        time.sleep(0.001)


def require_ended(pids: set[int]) -> None:
    until(lambda: all(map(ended, pids)))


def kill_after(process: subprocess.Popen[str], folder: Path, goal: int) -> set[int]:
    """Kill a run somewhere after round ``goal``; its workers, which may be at work yet."""
    until(lambda: rounds_done(folder) >= goal or process.poll() is not None)
    time.sleep(random.Random(time.time_ns()).random() * 0.05)  # another moment every time
    assert process.poll() is None, process.communicate()[0]
    workers = children_of(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert rounds_done(folder) < NUM_ROUNDS, "it came in the middle"
    return workers


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_run_that_is_killed_resumes_to_the_same_bits(
    make: Callable[..., RunConfig], tmp_path: Path, method: dict[str, Any]
) -> None:
    config = make(NUM_ROUNDS, 12, method=method)
    path = tmp_path / "run.yaml"
    path.write_text(config.to_yaml())
    whole = run(config, folder=tmp_path / "whole").folder
    killed = tmp_path / "killed" / "tiny"
    process = start(str(path), "--folder", str(tmp_path / "killed"))
    for goal in (2, NUM_ROUNDS // 2):
        workers = kill_after(process, killed, goal)
        after = start("--resume", str(killed))  # at once, while workers still may be at work
        process.communicate()
        require_ended(workers)
        process = after
    assert "resumed after round" in wait(process)
    require_same(killed, whole)


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_whole_group_stops_the_run_cleanly(
    make: Callable[..., RunConfig], tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    """As a terminal sends Ctrl-C, and a batch system SIGTERM: workers included."""
    path = tmp_path / "run.yaml"
    path.write_text(make(NUM_ROUNDS, 12).to_yaml())
    command = [sys.executable, "-m", "federa", "run", str(path), "--folder", str(tmp_path)]
    folder = tmp_path / "tiny"
    with subprocess.Popen(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        until(lambda: rounds_done(folder) >= 2 or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        workers = children_of(process.pid)
        os.killpg(process.pid, signum)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert output.splitlines()[-1] == f"stopped; go on with: federa run --resume {folder}"
    assert "Traceback" not in output
    require_ended(workers)
