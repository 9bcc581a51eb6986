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
    source: the folder or hub id that it meant where this was made; base_sha256: of its encoder.
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
    text_column: str

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
            text_column=text_column_of(config),
        )


def text_column_of(config: RunConfig) -> str:
    """The column of a table that holds the texts."""
    return str(getattr(config.data, "text", "text"))
