"""One client after another in one resident model: the reference for every other engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.engines.evaluation import score_split
from federa.local import LocalSetup, load_params, train_client
from federa.registry import RECORD, Integer
from federa.types import ClientFailure, Download, ServerState, Upload

if TYPE_CHECKING:
    from federa.engines.interface import Session


class Sequential(BaseModel):
    """Train clients in order of their ids in one process.

    device: auto takes the first CUDA device if there is one; threads: of the CPU, auto takes all
    cores that this process may use.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("auto",)
    summary: ClassVar[str] = "one client after another in one resident model"

    name: Literal["sequential"] = "sequential"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)] = "auto"

    def open(self, setup: LocalSetup) -> Session:
        """Load the model and adapt it."""
        return SequentialSession(setup)


class SequentialSession:
    """The resident model."""

    def __init__(self, setup: LocalSetup) -> None:
        self.setup = setup
        self.model, _ = setup.build()

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        """Train each client in order; one that raises becomes a failure."""
        for client in sorted(work):
            try:
                yield train_client(self.setup, self.model, round, client, work[client])
            except Exception as error:  # whatever a client's data or numbers do, the round goes on
                lines = str(error).splitlines()
                yield ClientFailure(client, f"{type(error).__name__}: {lines[0] if lines else ''}")

    def evaluate(
        self, state: ServerState, splits: Sequence[str], *, whole: bool, per_client: bool
    ) -> dict[str, dict[str, Any]]:
        """Scores of ``state`` in the resident model."""
        load_params(self.model, state.params)
        self.model.eval()  # a client that failed may have left it training
        return {
            split: score_split(
                self.setup.task,
                self.model,
                self.setup.evaluation[split],
                self.setup.plan.device,
                whole=whole,
                per_client=per_client,
            )
            for split in splits
        }

    def close(self) -> None:
        """Nothing is held beyond memory."""
