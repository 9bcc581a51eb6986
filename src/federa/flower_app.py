"""What Flower starts: the server's half of a deployment, and the site's.

The ServerApp owns the run folder and runs ``experiment.run`` as ``federa run`` does, with sites for
clients. The ClientApp hands every message to the site's worker, which holds the model; it starts
anew for each message, so it imports neither torch nor transformers.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from federa.engines.flower_link import MESSAGE_TYPES, from_content, to_content

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts
    from federa.config import RunConfig
    from federa.deploy.jobs import Job
    from federa.measure import RoundRecord
    from federa.progress import Item

SITE = "FEDERA_SITE"
"""In the environment: the site's folder."""
KINDS = {flower: kind for kind, flower in MESSAGE_TYPES.items()}

logger = logging.getLogger("federa")
server_app = ServerApp()
client_app = ClientApp()


@server_app.main()
def serve(grid: Grid, context: Context) -> None:
    """Run the job that the run's configuration names, or go on with it.

    Raises: FederaError, after it was written down for ``federa deploy status``.
    """
    from federa.deploy import jobs
    from federa.errors import FederaError

    server = Path(os.environ[jobs.SERVER])
    job = jobs.load(server, str(context.run_config["job"]))
    _log_to(server / "logs" / f"job-{job.id}.log")
    jobs.update(server, job.id, status="running", flower_run=str(context.run_id), error=None)
    try:
        _run(server, job, grid)
    except Exception as error:
        expected = isinstance(error, FederaError)
        logger.error("%s", error, exc_info=not expected)
        line = str(error) if expected else f"{type(error).__name__}: {error}"
        jobs.update(server, job.id, status="failed", error=line)
        raise
    jobs.update(server, job.id, status="finished")


def _run(server: Path, job: Job, grid: Grid) -> None:
    from federa.deploy import jobs
    from federa.deploy.engine import Deployment
    from federa.experiment import run

    config = _for_all(jobs.config_of(server, job.id), server)
    folder = Path(job.folder) if job.folder else None
    if folder is not None and not folder.is_dir():
        folder = None  # it was stopped before anything was there
    run(
        None if folder else config,
        engine=Deployment(grid, server, config, job.run),
        folder=server / "runs",
        resume=folder,
        progress=_JobProgress(server, job),
    )


def _for_all(config: RunConfig, server: Path) -> RunConfig:
    """The configuration with the number of sites that there are now, where it gives none."""
    from federa.deploy.records import Federation

    if config.federation.num_clients is not None:
        return config
    number = {"num_clients": len(Federation.load(server).sites)}
    return config.model_copy(update={"federation": config.federation.model_copy(update=number)})


def _log_to(path: Path) -> None:
    """The job's own log: Flower throws away what a ServerApp prints."""
    path.parent.mkdir(exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _JobProgress:
    """Writes down where a job is, and says it in the job's log."""

    def __init__(self, server: Path, job: Job) -> None:
        self.server, self.job = server, job

    def _say(self, text: str, **changes: object) -> None:
        from federa.deploy import jobs

        logger.info(text)
        if changes:
            jobs.update(self.server, self.job.id, **changes)

    def started(self, config: RunConfig, facts: RunFacts, folder: Path, done: int) -> None:
        """The run has a folder."""
        rounds = config.federation.num_rounds
        self._say(
            f"{folder}, after round {done} of {rounds}",
            folder=str(folder),
            round=done,
            num_rounds=rounds,
        )

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        """Say that a round begins."""
        self._say(f"round {round}, {total} sites")
        return arrivals

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        """Say how a round ended."""
        failures = "".join(f"; {failure.reason}" for failure in record.failures)
        shown = "" if score is None else f", {score:.4f}"
        self._say(f"round {record.round} done{shown}{failures}", round=record.round)

    def searching(self, rate: float, number: int, total: int, num_rounds: int) -> None:
        """There is no search in a deployment."""

    def chose(self, rate: float, done: int) -> None:
        """There is no search in a deployment."""

    def note(self, text: str) -> None:
        """Say it."""
        self._say(text)


def hand_over(message: Message, context: Context) -> Message:  # noqa: ARG001 - Flower's
    """Let the site's worker answer; what goes wrong is an answer too."""
    try:
        header, blob = from_content(message.content)
        answer, packed = _answer(KINDS[message.metadata.message_type], header, blob)
    except Exception as error:
        answer, packed = {"failure": f"{error}" or type(error).__name__}, b""
        print(f"site: {json.dumps(answer)}", file=sys.stderr, flush=True)
    return Message(to_content(answer, packed), reply_to=message)


def _answer(kind: str, header: dict[str, object], blob: bytes) -> tuple[dict[str, object], bytes]:
    from federa.deploy.worker import SOCKET, ask

    if os.environ.get(SOCKET):
        return ask(kind, header, blob)
    from federa.deploy.participant import Participant

    return Participant(Path(os.environ[SITE])).answer(kind, header, blob)


client_app.query()(hand_over)
client_app.train()(hand_over)
client_app.evaluate()(hand_over)
