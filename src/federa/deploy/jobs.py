"""Runs that were submitted to a server: what is to run, and how far it is.

``jobs/<id>.yaml`` is the configuration and ``jobs/<id>.json`` the status. Both the server and the
run itself write the status, one after the other.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ValidationError

from federa.deploy.flower import CONNECTION, program, settings
from federa.errors import ConfigError, RunError
from federa.files import explained, explained_reading, write_atomically
from federa.registry import RECORD

if TYPE_CHECKING:
    from federa.config import RunConfig

JOBS, APP, HOME = "jobs", "app", "flower"
SERVER = "FEDERA_SERVER"
SUBMIT_SECONDS = 120.0


class Job(BaseModel):
    """One submitted run.

    run: which run it is for the sites, the same when it goes on; folder: its run folder, once there
    is one; flower_run: Flower's number of the run that works on it.
    """

    model_config = RECORD

    id: str
    run: str
    status: Literal["submitted", "running", "finished", "failed", "stopped"] = "submitted"
    folder: str | None = None
    flower_run: str | None = None
    round: int = 0
    num_rounds: int
    error: str | None = None
    updated: str

    @property
    def live(self) -> bool:
        """Whether it is running or will be."""
        return self.status in ("submitted", "running")


def require_submittable(config: RunConfig) -> None:
    """Refuse a configuration that sites cannot run.

    Raises: ConfigError.
    """
    if config.data.name != "sites":  # which the schema couples to engine flower, mode deployment
        raise ConfigError(
            f"data.name: {config.data.name}; a submitted run has its rows at the sites: "
            "data: {name: sites, labels: [...]}, engine: {name: flower, mode: deployment}"
        )


def create(server: Path, config: RunConfig) -> Job:
    """A new job, which the server starts when none runs before it.

    Raises: ConfigError for a configuration that sites cannot run; RunError.
    """
    require_submittable(config)
    with _locked(server):
        number = max((int(id) for id in _ids(server)), default=0) + 1
        job = Job(
            id=f"{number:04}",
            run=uuid.uuid4().hex,
            num_rounds=config.federation.num_rounds,
            updated=_now(),
        )
        write_atomically(_place(server, job.id, "yaml"), config.to_yaml().encode())
        _write(server, job)
    return job


def load(server: Path, id: str) -> Job:
    """One job.

    Raises: RunError if there is none, or its file is damaged.
    """
    ids = _ids(server)
    full = id.zfill(4)
    if full not in ids:
        raise RunError(f"job {id}: not there; there is {', '.join(ids[-10:]) or 'none'}")
    path = _place(server, full, "json")
    with explained_reading(path):
        text = path.read_text(encoding="utf-8")
    try:
        return Job.model_validate_json(text)
    except ValidationError as error:
        raise RunError(f"{path}: damaged") from error


def all_jobs(server: Path) -> list[Job]:
    """Every job, oldest first."""
    return [load(server, id) for id in _ids(server)]


def config_of(server: Path, id: str) -> RunConfig:
    """What a job is to run.

    Raises: ConfigError.
    """
    from federa.config import RunConfig

    return RunConfig.load(_place(server, load(server, id).id, "yaml"))


def update(server: Path, id: str, **changes: Any) -> Job:
    """Write changes down. A stopped job stays so, whatever its run still says, until it is
    submitted again.

    Raises: RunError.
    """
    with _locked(server):
        job = load(server, id)
        if job.status == "stopped" and changes.get("status") != "submitted":
            changes = {key: value for key, value in changes.items() if key != "status"}
        content = job.model_dump() | changes | {"updated": _now()}
        job = Job.model_validate(content)
        _write(server, job)
    return job


def resume(server: Path, id: str, config: RunConfig | None = None) -> Job:
    """Submit a failed, stopped or finished job again, which goes on after its last round.

    config: with more rounds, if there are to be more. Raises: ConfigError for other changes;
    RunError if the job is not over.
    """
    from federa.resumption import require_only_more_rounds

    job = load(server, id)
    if job.live:
        raise RunError(f"job {job.id}: {job.status}; nothing to resume")
    changes: dict[str, Any] = {"status": "submitted", "flower_run": None, "error": None}
    if config is not None:
        require_submittable(config)
        require_only_more_rounds(config_of(server, job.id), config)
        write_atomically(_place(server, job.id, "yaml"), config.to_yaml().encode())
        changes["num_rounds"] = config.federation.num_rounds
    return update(server, job.id, **changes)


def submit(server: Path, job: Job) -> Job:
    """Hand a job to Flower: ``flwr run``, which packs the app. Its number is written down.

    Raises: RunError if Flower refuses.
    """
    command = [
        *(program("flwr"), "run", str(server / APP), CONNECTION),
        *("--run-config", f'job="{job.id}"', "--format", "json"),
    ]
    environment = {**os.environ, **settings(server / HOME), SERVER: str(server)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SUBMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"flwr run: {error}") from error
    told = _told(done.stdout)
    number = str(told.get("run-id", ""))
    if not told.get("success") or not number.isdecimal():  # it exits with 0 then too
        reason = " ".join(str(told.get("error-message") or done.stdout + done.stderr).split())
        raise RunError(f"flwr run: {reason[-300:] or f'exit code {done.returncode}'}")
    return update(server, job.id, flower_run=number)


def _told(output: str) -> dict[str, Any]:
    """The JSON object that Flower printed, {} if it did not."""
    try:
        told = json.loads(output)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _place(server: Path, id: str, kind: str) -> Path:
    return server / JOBS / f"{id}.{kind}"


def _ids(server: Path) -> list[str]:
    names = (path.stem for path in (server / JOBS).glob("*.json"))
    return sorted(name for name in names if name.isdecimal())  # a run keeps files there too


def _write(server: Path, job: Job) -> None:
    write_atomically(_place(server, job.id, "json"), job.model_dump_json(indent=1).encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _locked(server: Path) -> Iterator[None]:
    """Keep other processes from writing inside the block."""
    folder = server / JOBS
    if not server.is_dir():
        raise RunError(f"{server}: no such folder")
    with explained(folder):
        folder.mkdir(exist_ok=True)
        file = (folder / ".lock").open("w")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
