"""What an operator sees: the sites, the jobs, and a job that is followed."""

import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from federa.cli.deploy import app
from federa.config import RunConfig
from federa.deploy import jobs, server_lock
from federa.deploy.records import Federation
from federa.deploy.server_lock import held, is_running
from federa.deploy.status import follow, gather, show
from federa.errors import ConfigError, RunError
from federa.measure import Bytes, ClientRecord, RoundRecord
from federa.types import ClientFailure

CONFIG = {
    "data": {"name": "sites", "labels": ["yes", "no"]},
    "engine": {"name": "flower", "mode": "deployment"},
    "federation": {"num_rounds": 3},
}


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A server's folder with sites a and b."""
    federation = Federation.parse({"addresses": ["fl.example.org"], "sites": ["a", "b"]})
    (tmp_path / "federation.yaml").write_text(federation.to_yaml())
    return tmp_path


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(CONFIG))
    return path


def write_round(server: Path, number: int, failures: tuple[ClientFailure, ...] = ()) -> None:
    """What a run leaves behind after a round."""
    record = RoundRecord(
        round=number,
        clients=[
            ClientRecord(client, False, Bytes(1, 1, 1), num_examples=5, metrics={"loss": 0.25})
            for client in (0, 1)
        ],
        failures=list(failures),
        scores={"validation": {"accuracy": 0.5 + number / 10}},
        measured_seconds={"total": 2.0},
    )
    folder = server / "runs" / "x"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "rounds.jsonl").open("a") as file:
        file.write(record.to_json() + "\n")
    jobs.update(server, "0001", status="running", folder=str(folder), round=number)


def test_a_server_that_does_not_run(server: Path) -> None:
    jobs.create(server, RunConfig.parse(CONFIG))
    write_round(server, 1)
    write_round(server, 2, (ClientFailure(1, "no answer within 9 s"),))
    facts = json.loads(json.dumps(gather(server)))
    assert facts["running"] is False
    assert facts["sites"] == [
        {"site": name, "registered": None, "online": None} for name in ("a", "b")
    ]
    (job,) = facts["jobs"]
    assert (job["id"], job["status"], job["round"]) == ("0001", "running", 2)
    assert job["last_round"] == {
        "round": 2,
        "score": 0.7,
        "train_loss": 0.25,
        "sites": 1,
        "seconds": 2.0,
        "failures": [{"site": "b", "reason": "no answer within 9 s"}],
    }
    out = io.StringIO()
    show(Console(file=out, width=120), facts)
    text = out.getvalue()
    assert "not running" in text
    assert "2/3" in text
    assert "0.7000" in text
    assert "job 0001: b set aside: no answer within 9 s" in text


def test_a_job_is_followed_to_its_end(server: Path) -> None:
    jobs.create(server, RunConfig.parse(CONFIG))
    lines: list[str] = []

    def work() -> None:
        for number in (1, 2, 3):
            time.sleep(0.3)
            write_round(server, number)
        jobs.update(server, "0001", status="finished")

    thread = threading.Thread(target=work)
    thread.start()
    with held(server):
        assert follow(server, "0001", lines.append) == 0
    thread.join()
    assert [line[: len("round    1/3")] for line in lines[:3]] == [
        f"round    {number}/3" for number in (1, 2, 3)
    ]
    assert lines[1] == "round    2/3  score 0.7000  loss 0.2500  2 sites  2.0 s"
    assert lines[3:] == ["job 0001: finished", f"job 0001: {server / 'runs' / 'x'}"]


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_a_job_that_does_not_finish(server: Path, status: str) -> None:
    jobs.create(server, RunConfig.parse(CONFIG))
    jobs.update(server, "0001", status=status, error="too few")
    lines: list[str] = []
    assert follow(server, "0001", lines.append) == 1
    assert lines == [f"job 0001: {status}: too few"]


def test_whether_a_server_runs(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_lock, "LOOKED_AT_SECONDS", 0.1)
    assert not is_running(server)
    assert not (server / ".lock").exists(), "looking changes nothing"
    with held(server):
        assert is_running(server)
        with pytest.raises(RunError, match="another server is running on it"), held(server):
            pass
    assert not is_running(server)


def command(*arguments: Any) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_submit_stop_and_go_on(server: Path, run_file: Path) -> None:
    assert command("submit", server, run_file, "--set", "federation.num_rounds=2").splitlines() == [
        "job 0001: submitted, 2 rounds",
        f"it starts with the server: federa deploy server {server}",
        f"follow it with: federa deploy status {server}",
    ]
    assert command("stop", server, "1") == "job 0001: stopped after round 0\n"
    output = command("submit", server, "--resume", "1", "--set", "federation.num_rounds=4")
    assert output.startswith("job 0001: submitted, 4 rounds\n")
    assert jobs.config_of(server, "1").federation.num_rounds == 4
    assert json.loads(command("status", server, "--json"))["jobs"][0]["status"] == "submitted"
    assert "0/4" in command("status", server)


def test_submit_needs_something_to_run(server: Path, run_file: Path) -> None:
    with pytest.raises(ConfigError, match="name a configuration, or a job to go on with"):
        command("submit", server)
    with pytest.raises(ConfigError, match=r"data\.name: servicedesk"):
        command("submit", server, run_file, "--set", "engine=auto", "--set", "data=servicedesk")
