"""Weights & Biases: files in the run folder to be sent later, or a run at the server."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.errors import ConfigError
from federa.registry import RECORD
from federa.tracking.interface import Sink, TrackedRun, recall, remember, require_packages

if TYPE_CHECKING:
    import wandb

ERROR_REPORTS = "WANDB_ERROR_REPORTING"
TIMEOUT_SECONDS = 30.0


class WeightsAndBiases(BaseModel):
    """A Weights & Biases run for each run.

    project, entity: where it belongs, entity null takes the default of the login; group: null takes
    the name of the configuration; mode: offline keeps everything in the run's folder ``wandb``
    until ``wandb sync`` is called, online sends it while the run goes on.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("weights_and_biases",)
    summary: ClassVar[str] = "Weights & Biases, offline unless mode is online"

    name: Literal["wandb"] = "wandb"
    project: str = Field("federa", min_length=1)
    entity: str | None = Field(None, min_length=1)
    group: str | None = Field(None, min_length=1)
    mode: Literal["offline", "online"] = "offline"

    def require(self) -> None:
        """Look for wandb and, where it is to send something, for a login.

        Raises: ConfigError.
        """
        require_packages(self.name, "wandb")
        if self.mode == "online" and not _logged_in():
            raise ConfigError(
                "tracking: wandb has no login for mode online; call `wandb login`, set "
                "WANDB_API_KEY, or use mode offline"
            )

    def open(self, run: TrackedRun) -> Sink:
        """Begin a run, or go on with the one of this run folder."""
        os.environ.setdefault(ERROR_REPORTS, "false")  # read when wandb's service starts
        return _WandbSink(self, run)


def _logged_in() -> bool:
    os.environ.setdefault(ERROR_REPORTS, "false")
    import wandb

    return wandb.login(prompt=False, verify=False)


class _WandbSink:
    """One wandb run. ``wandb sync`` replaces what it sent before under the same id, so that an
    offline run is always written whole; an online one goes on from the server's last step."""

    def __init__(self, tracker: WeightsAndBiases, run: TrackedRun) -> None:
        known = recall(run.folder, tracker.name)
        run_id = known.get("run_id") or uuid.uuid4().hex[:8]
        remember(run.folder, tracker.name, run_id=run_id)
        if tracker.mode == "offline":
            for earlier in (run.folder / "wandb").glob(f"offline-run-*-{run_id}"):
                shutil.rmtree(earlier)
        self._run: wandb.Run = _begin(tracker, run, run_id)
        self.last_round = max(0, self._run.step - 1) if self._run.resumed else 0
        self._over = False

    def round(self, number: int, values: Mapping[str, float]) -> None:
        """Log the values as one step."""
        self._run.log(dict(values), step=number, commit=True)

    def finish(self, number: int, values: Mapping[str, float]) -> None:
        """Put the final values into the summary, and wait a while until all is sent."""
        self._run.summary.update(dict(values))
        self._over = True
        self._run.finish(exit_code=0)

    def close(self) -> None:
        """End a run that did not reach its end as failed; it may be resumed."""
        if not self._over:
            self._over = True
            self._run.finish(exit_code=1)


def _begin(tracker: WeightsAndBiases, run: TrackedRun, run_id: str) -> wandb.Run:
    """A wandb run that sends what is logged, and nothing else about the machine or the code."""
    import wandb

    settings = wandb.Settings(
        console="off",
        silent=True,
        symlink=False,
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        init_timeout=TIMEOUT_SECONDS,
        finish_timeout=TIMEOUT_SECONDS,
    )
    return wandb.init(
        mode=tracker.mode,
        project=tracker.project,
        entity=tracker.entity,
        group=tracker.group or run.group,
        id=run_id,
        name=run.folder.name,
        dir=str(run.folder),
        config=dict(run.parameters),
        allow_val_change=True,
        resume="allow" if tracker.mode == "online" else None,
        reinit="create_new",
        settings=settings,
    )
