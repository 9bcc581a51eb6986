"""The server's jobs, one after the other: handed to Flower, watched, and taken up again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from federa.deploy import jobs
from federa.deploy.certificates import AUTHORITY
from federa.deploy.control import Control
from federa.deploy.records import Federation
from federa.deploy.server_lock import is_running
from federa.errors import RunError


class Queue:
    """What the server does about jobs. Only here are they handed to Flower, so that none is twice.

    They run one at a time, in their order, since each wants all of a site's machine.
    """

    def __init__(self, folder: Path, control: Control, say: Callable[[str], None]) -> None:
        self.folder, self.control, self.say = folder, control, say
        self._statuses: dict[str, str] = {}

    def start_again(self) -> None:
        """Make jobs that were going on when the server last ended wait for their turn again.

        Flower itself does not go on with a run; the job does, in its run folder.
        """
        for job in jobs.all_jobs(self.folder):
            if job.live and job.flower_run is not None:
                with suppress(RunError):
                    self.control.stop_run(job.flower_run)
                jobs.update(self.folder, job.id, status="submitted", flower_run=None)
                self.say(f"job {job.id}: taken up again after round {job.round}")

    def look(self) -> None:
        """Start the next job if none is with Flower.

        Raises: RunError.
        """
        everything = jobs.all_jobs(self.folder)
        self._announce(everything)
        live = [job for job in everything if job.live]
        if live and all(job.flower_run is None for job in live):
            self._start(live[0])

    def _announce(self, everything: list[jobs.Job]) -> None:
        """Say which jobs have another status than at the last look."""
        for job in everything:
            if self._statuses.get(job.id, job.status) != job.status:
                self.say(f"job {job.id}: {job.status}" + (f": {job.error}" if job.error else ""))
        self._statuses = {job.id: job.status for job in everything}

    def _start(self, job: jobs.Job) -> None:
        try:
            started = jobs.submit(self.folder, job)
        except RunError as error:
            jobs.update(self.folder, job.id, status="failed", error=str(error))
            return
        self.say(f"job {job.id}: started, {job.num_rounds} rounds")
        if started.status == "stopped" and started.flower_run is not None:  # in the meantime
            self.control.stop_run(started.flower_run)

    def watch(self) -> None:
        """Note the runs that Flower ended, and that did not say so themselves.

        Raises: RunError.
        """
        for job in jobs.all_jobs(self.folder):
            if not job.live or job.flower_run is None:
                continue
            run = self.control.run(job.flower_run)
            now = jobs.load(self.folder, job.id)  # it writes its status before it ends
            if run.over and now.live and now.flower_run == job.flower_run:
                why = run.details or run.outcome or "its process ended"
                jobs.update(self.folder, job.id, status="failed", error=f"Flower: {why}")


def stop_job(server: Path, id: str) -> jobs.Job:
    """Stop a job that waits or runs.

    Raises: RunError if it is over, or the server does not answer.
    """
    job = jobs.load(server, id)
    if not job.live:
        raise RunError(f"job {job.id}: {job.status} already")
    job = jobs.update(server, job.id, status="stopped")  # first, since its run will fail now
    if job.flower_run is not None and is_running(server):
        control = Control(Federation.load(server).internal_port, server / AUTHORITY)
        try:
            control.stop_run(job.flower_run)
        finally:
            control.close()
    return job
