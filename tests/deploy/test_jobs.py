"""Jobs on disk, written by several processes, and the queue that hands them to Flower."""

import json
import stat
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from federa.config import RunConfig
from federa.deploy import jobs
from federa.deploy.control import FlowerRun
from federa.deploy.job_queue import Queue, stop_job
from federa.errors import ConfigError, RunError


def config(**changes: Any) -> RunConfig:
    given = {
        "data": {"name": "sites", "labels": ["yes", "no"]},
        "engine": {"name": "flower", "mode": "deployment"},
        "federation": {"num_rounds": 3},
    }
    return RunConfig.parse(given | changes)


def test_jobs_are_numbered_and_keep_their_run(tmp_path: Path) -> None:
    first, second = jobs.create(tmp_path, config()), jobs.create(tmp_path, config(seed=2))
    assert (first.id, second.id) == ("0001", "0002")
    assert first.run != second.run
    assert first.status == "submitted"
    assert (first.round, first.num_rounds, first.folder, first.error) == (0, 3, None, None)
    assert jobs.load(tmp_path, "2") == second
    (tmp_path / "jobs" / f"{first.run}.sites.json").write_text("{}")  # of the run itself
    (tmp_path / "jobs" / "12ab.sites.json").write_text("{}")
    assert [job.id for job in jobs.all_jobs(tmp_path)] == ["0001", "0002"]
    assert jobs.config_of(tmp_path, "0002") == config(seed=2)
    changed = jobs.update(tmp_path, "0001", status="running", folder="runs/a", round=1)
    assert jobs.load(tmp_path, "0001") == changed
    assert changed.run == first.run
    content = json.loads((tmp_path / "jobs" / "0001.json").read_text())
    assert content["status"] == "running"
    assert not [path for path in (tmp_path / "jobs").iterdir() if path.suffix == ".tmp"]


def test_what_sites_cannot_run_is_refused(tmp_path: Path) -> None:
    own = RunConfig.parse({"data": "servicedesk"})
    with pytest.raises(ConfigError, match=r"data\.name: servicedesk; a submitted run has its rows"):
        jobs.create(tmp_path, own)
    assert not (tmp_path / "jobs").exists()


def test_a_job_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="job 7: not there; there is none"):
        jobs.load(tmp_path, "7")
    jobs.create(tmp_path, config())
    with pytest.raises(RunError, match="job 0007: not there; there is 0001"):
        jobs.update(tmp_path, "0007", round=1)
    (tmp_path / "jobs" / "0001.json").write_text('{"id": "0001"')
    with pytest.raises(RunError, match=r"0001\.json: damaged"):
        jobs.load(tmp_path, "1")
    with pytest.raises(RunError, match="nowhere: no such folder"):
        jobs.create(tmp_path / "nowhere", config())


def test_no_update_is_lost(tmp_path: Path) -> None:
    """The server writes Flower's number while the run writes how far it is."""
    jobs.create(tmp_path, config())

    def write(key: str) -> None:
        for number in range(30):
            jobs.update(tmp_path, "0001", **{key: str(number)})

    keys = ("folder", "error", "flower_run")
    threads = [threading.Thread(target=write, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job = jobs.load(tmp_path, "0001")
    assert (job.folder, job.error, job.flower_run) == ("29", "29", "29")


def test_a_stopped_job_stays_stopped_until_it_is_submitted(tmp_path: Path) -> None:
    jobs.create(tmp_path, config())
    jobs.update(tmp_path, "0001", status="running", round=2, flower_run="11")
    jobs.update(tmp_path, "0001", status="stopped")
    late = jobs.update(tmp_path, "0001", status="failed", error="the run is over", round=2)
    assert (late.status, late.error) == ("stopped", "the run is over")
    again = jobs.resume(tmp_path, "0001")
    assert (again.status, again.error, again.flower_run, again.round) == (
        "submitted",
        None,
        None,
        2,
    )


def test_a_job_can_go_on_for_more_rounds_but_not_otherwise(tmp_path: Path) -> None:
    job = jobs.create(tmp_path, config())
    with pytest.raises(RunError, match="job 0001: submitted; nothing to resume"):
        jobs.resume(tmp_path, "0001")
    jobs.update(tmp_path, "0001", status="finished", round=3)
    with pytest.raises(ConfigError, match="seed: 1 in the run, 2 now"):
        jobs.resume(tmp_path, "0001", config(seed=2))
    more = config(federation={"num_rounds": 5})
    again = jobs.resume(tmp_path, "1", more)
    assert (again.status, again.num_rounds, again.run) == ("submitted", 5, job.run)
    assert jobs.config_of(tmp_path, "0001") == more


FLWR = """
    import json, os, sys
    print({output!r})
    keys = [key for key in os.environ if key.startswith(("FLWR", "FEDERA_SERVER"))]
    told = {{"arguments": sys.argv[1:], "environment": {{key: os.environ[key] for key in keys}}}}
    open({place!r}, "w").write(json.dumps(told))
    raise SystemExit({code})
"""


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int = 0) -> Path:
    """A program in place of Flower's, which prints ``output``; where it says how it was called."""
    place, program = folder / "called.json", folder / "flwr"
    script = textwrap.dedent(FLWR).format(output=output, place=str(place), code=code)
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(jobs, "program", lambda name: str(program))
    return place


def test_a_job_is_handed_to_flower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 2**63 + 5
    place = stand_in(tmp_path, monkeypatch, json.dumps({"success": True, "run-id": str(number)}))
    job = jobs.submit(tmp_path, jobs.create(tmp_path, config()))
    assert job.flower_run == str(number)
    assert jobs.load(tmp_path, "0001").flower_run == str(number)
    called = json.loads(place.read_text())
    assert called["arguments"] == [
        *("run", str(tmp_path / "app"), "federa"),
        *("--run-config", 'job="0001"', "--format", "json"),
    ]
    environment = called["environment"]
    assert environment["FEDERA_SERVER"] == str(tmp_path)
    assert environment["FLWR_HOME"] == str(tmp_path / "flower")
    assert environment["FLWR_TELEMETRY_ENABLED"] == "0"
    assert environment["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ('{"success": false, "error-message": "no such app"}', "no such app"),
        ("not JSON", "not JSON"),
        ("", "exit code 1"),
    ],
)
def test_what_flower_refuses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    stand_in(tmp_path, monkeypatch, output, code=1)
    with pytest.raises(RunError, match=message):
        jobs.submit(tmp_path, jobs.create(tmp_path, config()))


class FakeControl:
    """In place of a SuperLink."""

    def __init__(self) -> None:
        self.over: dict[str, FlowerRun] = {}
        self.stopped: list[str] = []

    def run(self, number: str) -> FlowerRun:
        return self.over.get(number, FlowerRun(False, "", ""))

    def stop_run(self, number: str) -> None:
        self.stopped.append(number)


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control: Any, lines: list[str]) -> Queue:
    """A queue whose submissions succeed, with 100 + the job's number as Flower's."""

    def submit(server: Path, job: jobs.Job) -> jobs.Job:
        return jobs.update(server, job.id, flower_run=str(100 + int(job.id)))

    monkeypatch.setattr(jobs, "submit", submit)
    return Queue(tmp_path, control, lines.append)


def test_jobs_run_one_after_the_other(tmp_path: Path, queue: Queue, lines: list[str]) -> None:
    for _ in range(2):
        jobs.create(tmp_path, config())
    queue.look()
    queue.look()
    assert [job.flower_run for job in jobs.all_jobs(tmp_path)] == ["101", None]
    jobs.update(tmp_path, "0001", status="running")
    queue.look()
    jobs.update(tmp_path, "0001", status="finished")
    queue.look()
    assert [job.flower_run for job in jobs.all_jobs(tmp_path)] == ["101", "102"]
    assert lines == [
        "job 0001: started, 3 rounds",
        "job 0001: running",
        "job 0001: finished",
        "job 0002: started, 3 rounds",
    ]


def test_after_a_crash_jobs_wait_for_their_turn_again(
    tmp_path: Path, queue: Queue, control: FakeControl, lines: list[str]
) -> None:
    before = [jobs.create(tmp_path, config()) for _ in range(4)]
    jobs.update(tmp_path, "0001", status="finished", flower_run="1")
    jobs.update(tmp_path, "0002", status="running", flower_run="2", folder="runs/x", round=2)
    jobs.update(tmp_path, "0003", flower_run="3")
    queue.start_again()
    found = jobs.all_jobs(tmp_path)
    assert [job.status for job in found] == ["finished", *["submitted"] * 3]
    assert [job.flower_run for job in found] == ["1", None, None, None]
    assert [job.run for job in found] == [job.run for job in before]
    assert found[1].folder == "runs/x"
    assert control.stopped == ["2", "3"], "Flower may not start them a second time by itself"
    assert lines[0] == "job 0002: taken up again after round 2"
    queue.look()
    assert jobs.load(tmp_path, "0002").flower_run == "102"


def test_a_run_that_ended_without_a_word_is_failed(
    tmp_path: Path, queue: Queue, control: FakeControl, lines: list[str]
) -> None:
    jobs.create(tmp_path, config())
    queue.look()
    jobs.update(tmp_path, "0001", status="running")
    queue.watch()
    assert jobs.load(tmp_path, "0001").live
    control.over["101"] = FlowerRun(True, "failed", "No heartbeat")
    queue.watch()
    job = jobs.load(tmp_path, "0001")
    assert (job.status, job.error) == ("failed", "Flower: No heartbeat")
    queue.look()
    assert lines[-1] == "job 0001: failed: Flower: No heartbeat"


def test_a_job_that_flower_refuses_does_not_hold_up_the_next(
    tmp_path: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        jobs.create(tmp_path, config())
    accepts = jobs.submit

    def refuse_first(server: Path, job: jobs.Job) -> jobs.Job:
        if job.id == "0001":
            raise RunError("flwr run: no")
        return accepts(server, job)

    monkeypatch.setattr(jobs, "submit", refuse_first)
    queue.look()
    queue.look()
    first, second = jobs.all_jobs(tmp_path)
    assert (first.status, first.error) == ("failed", "flwr run: no")
    assert second.flower_run == "102"


def test_stopping_a_job(tmp_path: Path, queue: Queue, control: FakeControl) -> None:
    jobs.create(tmp_path, config())
    assert stop_job(tmp_path, "1").status == "stopped"
    queue.look()
    assert jobs.load(tmp_path, "0001").flower_run is None, "a stopped job is not started"
    with pytest.raises(RunError, match="job 0001: stopped already"):
        stop_job(tmp_path, "0001")


def test_a_job_stopped_while_it_is_handed_over(
    tmp_path: Path, queue: Queue, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.create(tmp_path, config())
    submit = jobs.submit

    def meanwhile(server: Path, job: jobs.Job) -> jobs.Job:
        stop_job(server, job.id)
        return submit(server, job)

    monkeypatch.setattr(jobs, "submit", meanwhile)
    queue.look()
    assert control.stopped == ["101"]
    assert jobs.load(tmp_path, "0001").status == "stopped"
