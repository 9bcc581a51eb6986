"""Data that stays where it is: every site of a deployment has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel

from federa.datasets.interface import require_task
from federa.errors import ConfigError, DataError
from federa.registry import RECORD, once

if TYPE_CHECKING:
    from federa.types import Corpus

OUTSIDE = "O"


def _named(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(value.strip() for value in values):
        raise ValueError("must not hold an empty name")
    return values


class Sites(BaseModel):
    """The rows are at the sites of a deployment; the server knows their labels alone.

    labels: all that may occur, in the order that everybody uses; for token classification BIO tags,
    ``O`` first; none for question answering. A site whose rows have another one is refused.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "rows that stay at the sites of a deployment"
    tasks: ClassVar[tuple[str, ...]] = (
        "text_classification",
        "token_classification",
        "question_answering",
    )

    name: Literal["sites"] = "sites"
    labels: Annotated[tuple[str, ...], AfterValidator(once), AfterValidator(_named)] = ()

    def task_settings(self) -> dict[str, Any]:
        """Nothing is known of the rows."""
        return {}

    def labels_of(self, task: str) -> tuple[str, ...]:
        """The labels, if they suit ``task``.

        Raises: ConfigError.
        """
        if task == "question_answering":
            if self.labels:
                raise ConfigError("data.labels: question answering has none")
        elif len(self.labels) < 2:
            raise ConfigError(f"data.labels: {task} needs at least 2, not {len(self.labels)}")
        elif task == "token_classification" and self.labels[0] != OUTSIDE:
            raise ConfigError(
                f"data.labels: the first must be {OUTSIDE!r}, of words outside every entity, not "
                f"{self.labels[0]!r}"
            )
        return self.labels

    def load(self, task: str) -> Corpus:
        """Raises: DataError, always: nobody here has the rows."""
        require_task(self, task)
        raise DataError(
            "data: sites keep their rows; submit the run with `federa deploy submit`, or name the "
            "data to run it here"
        )
