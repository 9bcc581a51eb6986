"""Comparisons of tiny models in real processes: what is made, kept, tried again and resumed."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from compare.watching import (
    NUM_ROUNDS,
    RATES,
    Kept,
    bytes_of,
    records,
    tiny_base,
    tiny_comparison,
)
from federa.checkpoint import BEST, LATEST, START, RunFolder
from federa.compare import Comparison, Outcome, compare
from federa.compare.plan import FILE
from federa.compare.runner import FAILURES, PLACE, RUNS, Worker
from federa.config import RunConfig
from federa.datasets import ServiceDesk
from federa.errors import ConfigError, RunError
from federa.measure import read_records
from federa.yaml_text import dump_yaml

SETTING = "files, dirichlet alpha 1.0 min_examples 4"
STEM = "files-dirichlet-alpha-1.0-min-examples-4"
SECONDS = 300

pytestmark = pytest.mark.slow


def key(method: str, seed: int = 3) -> str:
    return f"{SETTING}/{method}/seed-{seed}"


def run_of(folder: Path, method: str, seed: int = 3) -> Path:
    return folder / RUNS / f"{STEM}.{method}.seed-{seed}"


def failures_in(folder: Path) -> dict[str, str]:
    return dict(json.loads((folder / FAILURES).read_text()))


def require_same_run(first: Path, second: Path) -> None:
    for name in (START, LATEST, BEST):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert records(first) == records(second)
    chosen = [
        json.loads((folder / "search.json").read_text())["chosen"] for folder in (first, second)
    ]
    assert chosen[0] == chosen[1]


class Grid(NamedTuple):
    """A comparison that was made without any trouble."""

    comparison: Comparison
    folder: Path
    outcome: Outcome
    seen: Kept


@pytest.fixture(scope="module")
def base(tiny_model: Callable[[str], str], tiny_table: Path) -> dict[str, Any]:
    return tiny_base(tiny_model("bert"), tiny_table)


@pytest.fixture(scope="module")
def grid(base: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """Two methods, two seeds, and the pooled ceiling."""
    comparison = tiny_comparison(base, "lora", "bitfit", num_seeds=2, pooled=True)
    folder, seen = tmp_path_factory.mktemp("grids") / "grid", Kept()
    return Grid(comparison, folder, compare(comparison, folder, seen), seen)


def test_every_run_is_made_and_told(grid: Grid) -> None:
    keys = [key(method, seed) for seed in (3, 4) for method in ("lora", "bitfit", "pooled")]
    assert grid.outcome == Outcome(keys, {})
    assert failures_in(grid.folder) == {}
    assert Comparison.load(grid.folder) == grid.comparison
    assert grid.seen.of("begun") == [(keys, {})]
    assert grid.seen.of("running") == [(one, 0) for one in keys]
    assert grid.seen.of("failed") == []
    for cell, (told, score) in zip(grid.comparison.cells(), grid.seen.of("finished"), strict=True):
        assert told == cell.key
        home = RunFolder.open(grid.folder / RUNS / cell.folder)
        summary = home.summary()
        assert summary is not None
        assert score == summary["best"]["scores"]["validation"]["accuracy"]
        place = json.loads((home.path / PLACE).read_text())
        served = {"ceiling_of": [SETTING]} if cell.method == "pooled" else {}
        assert place == {"setting": cell.setting, "method": cell.method, **served}
        assert home.config().seed == cell.seed


def test_rounds_are_told_with_the_rate_that_is_tried(grid: Grid) -> None:
    told = [event[1:] for event in grid.seen.of("round") if event[0] == key("lora")]
    tries = [(1, "rate 1 of 2"), (1, "rate 2 of 2")]
    assert told == [*tries, (NUM_ROUNDS, "")], "round 1 is that of the chosen rate's short run"
    told = [event[1:] for event in grid.seen.of("round") if event[0] == key("lora", 4)]
    assert told == [(1, ""), (NUM_ROUNDS, "")]


@pytest.mark.parametrize("method", ["lora", "bitfit", "pooled"])
def test_the_first_seeds_rate_is_everyones(grid: Grid, method: str) -> None:
    first, second = (run_of(grid.folder, method, seed) for seed in (3, 4))
    outcome = json.loads((first / "search.json").read_text())
    assert [entry["learning_rate"] for entry in outcome["tries"]] == RATES
    assert RunFolder.open(second).config().train.learning_rate == outcome["chosen"]
    assert not (second / "search.json").exists()
    rates = {record.learning_rate for record in read_records(second / "rounds.jsonl")}
    assert rates == {outcome["chosen"]}


def test_pooled_makes_as_many_steps_as_the_first_methods_clients_together(grid: Grid) -> None:
    for seed in (3, 4):
        config = RunFolder.open(run_of(grid.folder, "pooled", seed)).config()
        assert config.train.max_steps == 4 * 2, "two steps of each of four clients"
        assert config.train.epochs is None
        for record in read_records(run_of(grid.folder, "pooled", seed) / "rounds.jsonl"):
            (client,) = record.clients
            assert client.metrics["num_steps"] == 8


def test_what_is_finished_is_left_alone(grid: Grid) -> None:
    before, seen = bytes_of(grid.folder / RUNS), Kept()
    again = compare(grid.comparison, grid.folder, seen)
    assert again == grid.outcome
    assert bytes_of(grid.folder / RUNS) == before
    ((_, done),) = seen.of("begun")
    assert done == dict(grid.seen.of("finished"))
    assert len(seen.events) == 1


def test_another_comparison_in_the_folder_is_refused(grid: Grid, base: dict[str, Any]) -> None:
    before = bytes_of(grid.folder)
    other = tiny_comparison({**base, "seed": 4}, "lora")
    with pytest.raises(ConfigError, match=r"holds another comparison \(its base differs\)"):
        compare(other, grid.folder, Kept())
    after = bytes_of(grid.folder)
    assert after.keys() == before.keys()
    assert all(after[name] == before[name] for name in before if name != ".lock")


def test_two_at_once(grid: Grid) -> None:
    def second(event: tuple[Any, ...]) -> None:
        with pytest.raises(RunError, match="another process is working on this comp") as caught:
            compare(grid.comparison, grid.folder, Kept())
        assert str(caught.value).startswith(f"{grid.folder}: ")
        assert "\n" not in str(caught.value)
        refused.append(event[0])

    refused: list[str] = []
    compare(grid.comparison, grid.folder, Kept(second))
    assert refused == ["begun"]
    compare(grid.comparison, grid.folder, Kept())  # the lock is free again


def test_a_folder_that_cannot_be_made_is_named(base: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/grid.*: cannot write"):
        compare(tiny_comparison(base, "lora"), tmp_path / "file" / "grid", Kept())


def test_a_failure_is_noted_and_the_rest_goes_on(base: dict[str, Any], tmp_path: Path) -> None:
    """One method is refused, one stops being listened to in the middle, and one is sound."""
    base = {**base, "method": {"name": "federa", "rank": 33}}
    methods = ("federa", "pfeiffer", "bitfit")
    comparison = tiny_comparison(base, *methods, rates=[0.01], pooled=True)

    def deaf(event: tuple[Any, ...]) -> None:
        if event[:2] == ("running", key("pfeiffer")):
            raise RunError("disk: full")

    seen = Kept(deaf)
    outcome = compare(comparison, tmp_path, seen)
    assert outcome.finished == [key("bitfit"), key("pooled")], "with the steps of bitfit"
    assert outcome.failures == failures_in(tmp_path)
    assert set(outcome.failures) == {key("federa"), key("pfeiffer")}
    assert outcome.failures[key("federa")].startswith("method.rank: 33 exceeds 32")
    assert outcome.failures[key("pfeiffer")] == "disk: full"
    assert seen.of("failed") == list(outcome.failures.items())
    assert not run_of(tmp_path, "federa").exists()
    told = [event for event in seen.events if event[0] == "round"]
    assert told == [
        ("round", key(method), number, "")
        for method in ("bitfit", "pooled")
        for number in (1, NUM_ROUNDS)
    ]
    assert (run_of(tmp_path, "bitfit") / "summary.json").is_file()


def test_without_any_run_beside_it_there_is_no_ceiling(
    base: dict[str, Any], tmp_path: Path
) -> None:
    base = {**base, "method": {"name": "federa", "rank": 33}}
    comparison = tiny_comparison(base, "federa", rates=[0.01], pooled=True)
    outcome = compare(comparison, tmp_path, Kept())
    assert outcome.finished == []
    assert outcome.failures[key("pooled")] == (
        f"no finished run to take the number of steps from; wanted {STEM}.federa.seed-3"
    )


@pytest.fixture
def copied(grid: Grid, tmp_path: Path) -> Path:
    """That comparison once more, to be changed."""
    return Path(shutil.copytree(grid.folder, tmp_path / "copied"))


def test_a_run_that_was_stopped_while_it_was_exported_is_exported(grid: Grid, copied: Path) -> None:
    run = run_of(copied, "lora")
    shutil.rmtree(run / "export")
    seen = Kept()
    assert compare(grid.comparison, copied, seen).failures == {}
    assert seen.of("running") == [(key("lora"), NUM_ROUNDS)]
    assert seen.of("round") == []
    name = "adapter_model.safetensors"
    export = Path("export", "peft", name)
    assert (run / export).read_bytes() == (run_of(grid.folder, "lora") / export).read_bytes()


def test_records_that_are_kept_without_states_are_of_finished_runs(
    grid: Grid, copied: Path
) -> None:
    for path in (copied / RUNS).iterdir():
        shutil.rmtree(path / "export")
        for name in (START, LATEST, BEST):
            (path / name).unlink()
    seen = Kept()
    assert compare(grid.comparison, copied, seen) == grid.outcome
    assert len(seen.events) == 1


def test_reasons_stay_until_they_are_gone(grid: Grid, copied: Path) -> None:
    """One of a run that is finished since, and one of a method that is not asked for now."""
    before = {key("lora"): "disk: full", key("houlsby"): "disk: full"}
    (copied / FAILURES).write_text(json.dumps(before))
    assert compare(grid.comparison, copied, Kept()) == grid.outcome
    assert failures_in(copied) == {key("houlsby"): "disk: full"}
    (copied / FAILURES).write_text("[1")
    with pytest.raises(RunError, match=r"failures\.json: damaged or unreadable"):
        compare(grid.comparison, copied, Kept())


def test_a_ceiling_goes_on_with_the_steps_that_it_began_with(grid: Grid, copied: Path) -> None:
    (run_of(copied, "pooled") / "summary.json").unlink()
    records = run_of(copied, "lora") / "rounds.jsonl"
    more = records.read_text().replace('"num_steps": 2.0', '"num_steps": 3.0')
    assert more != records.read_text()
    records.write_text(more)
    assert compare(grid.comparison, copied, Kept()).failures == {}
    assert RunFolder.open(run_of(copied, "pooled")).config().train.max_steps == 8


def test_a_killed_run_is_noted_resumed_and_ends_in_the_same_bits(
    grid: Grid, base: dict[str, Any], tmp_path: Path
) -> None:
    def kill(event: tuple[Any, ...]) -> None:
        if event[:3] == ("round", key("lora"), 1) and event[3] == "rate 2 of 2":
            (process,) = multiprocessing.active_children()
            assert process.pid is not None
            processes.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        if event[0] == "running" and event[1] == key("bitfit"):
            processes.extend(one.pid for one in multiprocessing.active_children() if one.pid)

    processes: list[int] = []
    comparison = tiny_comparison(base, "lora", "bitfit")
    outcome = compare(comparison, tmp_path, Kept(kill))
    assert outcome.finished == [key("bitfit")]
    assert "its process ended by itself (exit code -9" in outcome.failures[key("lora")]
    assert failures_in(tmp_path) == outcome.failures
    assert len(set(processes)) == 2, "the next run has a new process"
    assert not multiprocessing.active_children()
    assert not (run_of(tmp_path, "lora") / "summary.json").exists()
    other = bytes_of(run_of(tmp_path, "bitfit"))

    seen = Kept()
    grown = tiny_comparison(base, "pfeiffer", "lora", "bitfit")
    again = compare(grown, tmp_path, seen)
    assert again == Outcome([key("bitfit"), key("pfeiffer"), key("lora")], {})
    assert failures_in(tmp_path) == {}
    assert Comparison.load(tmp_path) == grown
    for method in ("lora", "bitfit"):
        require_same_run(run_of(tmp_path, method), run_of(grid.folder, method))
    assert bytes_of(run_of(tmp_path, "bitfit")) == other
    told = [event[1:] for event in seen.of("round") if event[0] == key("lora")]
    assert (1, "rate 1 of 2") not in told, "that short run was over"


def interrupted_at_will() -> None:
    """Undo what a shell does to jobs in the background, whose children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def command(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "federa", "compare", *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=interrupted_at_will,  # noqa: PLW1509 - no thread is alive here
    )


def interrupt_once(process: subprocess.Popen[str], ready: Callable[[], bool]) -> str:
    """Ctrl-C in a terminal reaches every process of the command."""
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS)
    return output


def test_after_ctrl_c_the_folder_goes_on(grid: Grid, base: dict[str, Any], tmp_path: Path) -> None:
    """While the run's process is still starting, and again in the middle of a run."""
    file, folder = tmp_path / "run.yaml", tmp_path / "grid"
    file.write_text(dump_yaml(base))
    options = ("--methods", "lora", "--seeds", 1, "--search-rounds", 1, "--out", folder)
    rates = f"train.learning_rate={','.join(map(str, RATES))}"
    lora = run_of(folder, "lora")
    for ready in ((folder / FILE).is_file, (lora / "rounds.jsonl").is_file):
        process = command(file, *options, "--grid", rates)
        output = interrupt_once(process, ready)
        assert process.returncode == 130, output
        assert output.splitlines()[-1] == "stopped; the same command goes on"
        assert "Traceback" not in output
        assert "Process Spawn" not in output
    assert not (lora / "summary.json").exists()
    outcome = compare(tiny_comparison(base, "lora"), folder, Kept())
    assert outcome == Outcome([key("lora")], {})
    require_same_run(lora, run_of(grid.folder, "lora"))


def test_ctrl_c_waits_for_a_process_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another thread, as those of displays and of torch, can take the signal."""
    events: list[str] = []
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()

    class Starting:
        def start(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            events.append("started")

        def terminate(self) -> None:
            events.append("ended")

        def join(self) -> None:
            events.append("joined")

    worker = Worker()
    monkeypatch.setattr(worker._context, "Process", lambda **_: Starting())
    try:
        with pytest.raises(KeyboardInterrupt), worker:
            list(worker.run(RunConfig(data=ServiceDesk()), Path(), None))
    finally:
        over.set()
        other.join()
    assert events == ["started", "ended", "joined"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
