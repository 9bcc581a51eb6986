"""TensorBoard: event files in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from federa.registry import RECORD
from federa.tracking.interface import Sink, TrackedRun, recall, remember, require_packages

FOLDER = "tensorboard"


class TensorBoard(BaseModel):
    """Event files in the run's folder ``tensorboard``, for ``tensorboard --logdir``."""

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("tb",)
    summary: ClassVar[str] = "TensorBoard event files in the run folder"

    name: Literal["tensorboard"] = "tensorboard"

    def require(self) -> None:
        """Look for TensorBoard.

        Raises: ConfigError.
        """
        require_packages(self.name, "tensorboard")

    def open(self, run: TrackedRun) -> Sink:
        """Begin or go on in the run's folder."""
        return _TensorBoardSink(run, self.name)


class _TensorBoardSink:
    """A writer whose rounds are on disk before ``tracking.json`` says so."""

    def __init__(self, run: TrackedRun, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter, summary

        self._run, self._name = run, name
        folder = run.folder / FOLDER
        there = folder.is_dir() and any(folder.iterdir())
        known = recall(run.folder, name) if there else {}
        self.last_round = int(known.get("round", 0))
        self._finished = int(known.get("finished", 0))
        # a process that was killed may have written a round that nobody knows of
        purge = self.last_round + 1 if there else None
        make: Callable[..., Any] = SummaryWriter  # torch names few types
        hparams: Callable[..., tuple[Any, Any, Any]] = summary.hparams
        self._writer = make(str(folder), purge_step=purge)
        # SummaryWriter.add_hparams would write them as a second run
        *begin, self._end = hparams(dict(run.parameters), {run.main_score: 0.0})
        if not self.last_round:
            for part in begin:
                self._writer.file_writer.add_summary(part)

    def round(self, number: int, values: Mapping[str, float]) -> None:
        """Write, flush, and remember that the round is there."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, number)
        self._writer.flush()
        remember(self._run.folder, self._name, round=number)

    def finish(self, number: int, values: Mapping[str, float]) -> None:
        """Write the final values, once for each number of rounds."""
        if number == self._finished:
            return
        for name, value in values.items():
            self._writer.add_scalar(name, value, number)
        self._writer.file_writer.add_summary(self._end)
        self._writer.flush()
        remember(self._run.folder, self._name, finished=number)

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()
