"""What an operator sees of a server: its sites, its jobs and their last rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.deploy import jobs
from federa.deploy.certificates import AUTHORITY
from federa.deploy.records import Federation
from federa.deploy.roster import KEYS
from federa.deploy.server_lock import is_running
from federa.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from federa.measure import RoundRecord

FOLLOW_SECONDS = 0.5
ENDED_CODES = {"finished": 0, "failed": 1, "stopped": 1}


def gather(server: Path) -> dict[str, Any]:
    """Everything that is shown, as JSON could hold it.

    Raises: ConfigError, RunError.
    """
    federation = Federation.load(server)
    running = is_running(server)
    return {
        "name": federation.name,
        "server": federation.server,
        "running": running,
        "sites": _sites(server, federation, running),
        "jobs": [_job(server, job, federation.sites) for job in jobs.all_jobs(server)],
    }


def _sites(server: Path, federation: Federation, running: bool) -> list[dict[str, Any]]:
    from federa.deploy.control import Control, public_key_pem

    nodes = {}
    if running:
        control = Control(federation.internal_port, server / AUTHORITY)
        try:
            nodes = {node.key: node for node in control.nodes()}
        finally:
            control.close()
    sites = []
    for name in federation.sites:
        path = server / KEYS / f"{name}.pub"
        node = nodes.get(public_key_pem(path)) if path.is_file() else None
        registered = node is not None and not node.gone if running else None
        online = node is not None and node.online if running else None
        sites.append({"site": name, "registered": registered, "online": online})
    return sites


def _job(server: Path, job: jobs.Job, sites: list[str]) -> dict[str, Any]:
    content = job.model_dump()
    record = _records(job)[-1:]
    if record:
        main_score = jobs.config_of(server, job.id).task.main_score
        content["last_round"] = _round(record[0], main_score, sites)
    return content


def _records(job: jobs.Job) -> list[RoundRecord]:
    from federa.checkpoint import RECORDS
    from federa.measure import read_records

    return read_records(Path(job.folder) / RECORDS) if job.folder else []


def _round(record: RoundRecord, main_score: str, sites: list[str]) -> dict[str, Any]:
    from federa.measure import validation_score

    return {
        "round": record.round,
        "score": validation_score(record, main_score),
        "train_loss": record.train_loss,
        "sites": len(record.clients) - len(record.failures),
        "seconds": record.measured_seconds.get("total"),
        "failures": [
            {"site": _site(sites, failure.client), "reason": failure.reason}
            for failure in record.failures
        ],
    }


def _site(sites: list[str], client: int) -> str:
    return sites[client] if 0 <= client < len(sites) else str(client)


def show(console: Console, facts: dict[str, Any]) -> None:
    """Two tables, and what went wrong in the last round of the last job."""
    from rich.table import Table

    state = "running" if facts["running"] else "not running"
    console.print(f"{facts['name']}: {state}, for sites at {facts['server']}")
    table = Table()
    for column in ("site", "key", "connection"):
        table.add_column(column)
    words = {True: ("registered", "online"), False: ("not registered", "offline")}
    for site in facts["sites"]:
        known = site["registered"] is not None
        key = words[site["registered"]][0] if known else "?"
        table.add_row(site["site"], key, words[site["online"]][1] if known else "?")
    console.print(table)
    if not facts["jobs"]:
        console.print("no jobs")
        return
    table = Table()
    for column in ("job", "status", "round", "score", "loss", "sites", "updated"):
        table.add_column(column)
    for job in facts["jobs"]:
        last = job.get("last_round", {})
        rounds = f"{job['round']}/{job['num_rounds']}"
        numbers = (_number(last.get("score")), _number(last.get("train_loss")))
        sites = str(last.get("sites", "-"))
        table.add_row(job["id"], job["status"], rounds, *numbers, sites, job["updated"])
    console.print(table)
    job = facts["jobs"][-1]
    if job["error"]:
        console.print(f"job {job['id']}: {job['error']}")
    for failure in job.get("last_round", {}).get("failures", ()):
        console.print(f"job {job['id']}: {failure['site']} set aside: {failure['reason']}")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def follow(server: Path, id: str, say: Callable[[str], None]) -> int:
    """Print the rounds of a job as they end; 0 once it has finished, 1 if it failed or was stopped.

    Raises: RunError.
    """
    main_score = jobs.config_of(server, id).task.main_score
    sites = Federation.load(server).sites
    job = jobs.load(server, id)
    shown, waiting = job.round, False
    while True:
        over = not job.live  # before the records are read, so that none is missed
        for record in _rounds_after(job, shown):
            shown = record.round
            say(_line(_round(record, main_score, sites), job))
        if over:
            break
        if not waiting and not is_running(server):
            waiting = True
            say(f"no server is running; start it with: federa deploy server {server}")
        time.sleep(FOLLOW_SECONDS)
        job = jobs.load(server, id)
    say(f"job {job.id}: {job.status}" + (f": {job.error}" if job.error else ""))
    if job.folder:
        say(f"job {job.id}: {job.folder}")
    return ENDED_CODES[job.status]


def _rounds_after(job: jobs.Job, round: int) -> list[RoundRecord]:
    try:
        return [record for record in _records(job) if record.round > round]
    except RunError:  # while a run goes on, it writes its records anew
        return []


def _line(round: dict[str, Any], job: jobs.Job) -> str:
    seconds = round["seconds"]
    text = (
        f"round {round['round']:>4}/{job.num_rounds}  score {_number(round['score'])}  "
        f"loss {_number(round['train_loss'])}  {round['sites']} sites"
        + ("" if seconds is None else f"  {seconds:.1f} s")
    )
    failures = [f"{failure['site']}: {failure['reason']}" for failure in round["failures"]]
    return "; ".join([text, *failures])
