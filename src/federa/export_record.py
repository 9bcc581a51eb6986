"""What an export says of itself, so that ``federa.load`` can open it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from federa.checkpoint import RunFacts
from federa.config import PeftMethod, RunConfig, Task
from federa.registry import Integer
from federa.version import __version__

RECORD_FILE = "federa.json"


class ExportRecord(BaseModel):
    """What ``federa.json`` in an export says: all that ``federa.load`` needs beside the tensors.

    format: one of ``export.FORMATS``, or ``run`` for a run folder; model: as the user named it;
    source: the folder or hub id that it meant where this was made; base_sha256: of its encoder;
    columns: what a table calls each input of the task.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    federa: str
    format: str
    model: str
    source: str
    base_sha256: str
    task: Task
    method: PeftMethod
    labels: tuple[str, ...]
    max_length: Integer
    columns: dict[str, str]

    @classmethod
    def of(cls, config: RunConfig, facts: RunFacts, format: str) -> ExportRecord:
        """The record of a run's export."""
        return cls(
            federa=__version__,
            format=format,
            model=config.model,
            source=facts.source,
            base_sha256=facts.base_sha256,
            task=config.task,
            method=config.method,
            labels=facts.labels,
            max_length=config.train.max_length,
            columns=columns_of(config),
        )


def columns_of(config: RunConfig) -> dict[str, str]:
    """The column of a table for each input of the task, as the user's own data name them."""
    inputs = dict.fromkeys((*config.task.inputs, *config.task.raw_inputs))
    return {name: str(getattr(config.data, name, name)) for name in inputs}
