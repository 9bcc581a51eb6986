"""A real process, killed at random moments and resumed, against one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import tiny_config

NUM_ROUNDS = 60
NUM_KILLS = 4


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "federa", "run", *arguments]
    return subprocess.Popen(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ,
        preexec_fn=accept_interrupts,  # noqa: PLW1509 - no thread is alive here
    )


def accept_interrupts() -> None:
    """Undo what a shell does to jobs in the background, whose children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def rounds_done(folder: Path) -> int:
    path = folder / "rounds.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def without_seconds(folder: Path) -> list[dict[str, object]]:
    records = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    for record in records:
        del record["measured_seconds"], record["peak_memory_bytes"]
    return records


@pytest.fixture
def config_file(tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path) -> Path:
    federation = {"num_clients": 6, "clients_per_round": 3, "num_rounds": NUM_ROUNDS}
    train = {"max_steps": 6, "batch_size": 4, "max_length": 24, "learning_rate": 0.01}
    config = tiny_config(tiny_model("bert"), tiny_table, federation=federation, train=train)
    path = tmp_path / "run.yaml"
    path.write_text(config.to_yaml())
    return path


@pytest.mark.slow
def test_kill_and_resume_is_bit_identical(config_file: Path, tmp_path: Path) -> None:
    wait(start(str(config_file), "--folder", str(tmp_path / "whole")))
    whole, killed = tmp_path / "whole" / "tiny", tmp_path / "killed" / "tiny"
    rng = random.Random(time.time_ns())  # other moments every time, on purpose
    process = start(str(config_file), "--folder", str(tmp_path / "killed"))
    kills = []
    for _ in range(NUM_KILLS):
        before = rounds_done(killed)
        deadline = time.monotonic() + 120
        goal = before + rng.randint(1, NUM_ROUNDS // (2 * NUM_KILLS))
        while rounds_done(killed) < goal and process.poll() is None:
            assert time.monotonic() < deadline, "no round was finished in two minutes"
            time.sleep(0.001)
        time.sleep(rng.random() * 0.05)  # anywhere inside a round or a write
        assert process.poll() is None, process.communicate()[0]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills.append(rounds_done(killed))
        process = start("--resume", str(killed))
    output = wait(process)
    assert "resumed after round" in output
    assert kills == sorted(kills)
    assert kills[-1] < NUM_ROUNDS, "the last kill came in the middle"
    for name in ("latest.safetensors", "best.safetensors", "start.safetensors", "config.yaml"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), (name, kills)
    assert without_seconds(killed) == without_seconds(whole)
    adapter = "export/peft/adapter_model.safetensors"
    assert (killed / adapter).read_bytes() == (whole / adapter).read_bytes()
    assert not list(killed.rglob("*.tmp")), "nothing half written is left"


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_go_on(
    config_file: Path, tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    process = start(str(config_file), "--folder", str(tmp_path / "runs"))
    folder = tmp_path / "runs" / "tiny"
    while rounds_done(folder) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signum)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert output.splitlines()[-1] == f"stopped; go on with: federa run --resume {folder}"
    assert "Traceback" not in output
    wait(start("--resume", str(folder)))
    assert rounds_done(folder) == NUM_ROUNDS
