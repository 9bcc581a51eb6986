"""One client after another in one resident model: the reference for every other engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.engines.evaluation import predict_rows, score_split
from federa.engines.workers import one_line
from federa.local import LocalSetup, RunSetup, load_params, train_client, with_data
from federa.registry import RECORD, Integer
from federa.types import ClientFailure, ClientSize, Download, ServerState, Upload

if TYPE_CHECKING:
    import numpy

    from federa.engines.interface import Session
    from federa.tasks import Encoded, Predictions


class Sequential(BaseModel):
    """Train clients in order of their ids in one process.

    device: auto takes the first CUDA device if there is one; threads: of the CPU, auto takes all
    cores that this process may use.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("reference",)
    summary: ClassVar[str] = "one client after another in one resident model"

    name: Literal["sequential"] = "sequential"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)] = "auto"

    def open(self, setup: RunSetup) -> Session:
        """Load the model and adapt it."""
        return SequentialSession(with_data(setup))


class SequentialSession:
    """The resident model."""

    def __init__(self, setup: LocalSetup) -> None:
        self.setup = setup
        self.model, _ = setup.build()

    def present(self, at_least: int) -> Sequence[int]:
        """All clients."""
        return range(len(self.setup.clients))

    def size(self, client: int) -> ClientSize:
        """What its rows come to."""
        return self.setup.size(client)

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        """Train each client in order; one that raises becomes a failure."""
        for client in sorted(work):
            try:
                yield train_client(self.setup, self.model, round, client, work[client])
            except Exception as error:  # whatever a client's data or numbers do, the round goes on
                yield ClientFailure(client, one_line(error))

    def evaluate(
        self, state: ServerState, splits: Sequence[str], *, whole: bool, per_client: bool
    ) -> dict[str, dict[str, Any]]:
        """Scores of ``state`` in the resident model."""
        load_params(self.model, state.params)
        self.model.eval()  # a client that failed may have left it training
        task, device = self.setup.task, self.setup.plan.device

        def predict(encoded: Encoded, rows: numpy.ndarray) -> Predictions:
            return predict_rows(task, self.model, encoded, rows, device)

        return {
            split: score_split(
                task,
                predict,
                self.setup.evaluation[split],
                whole=whole,
                per_client=per_client,
            )
            for split in splits
        }

    def other_peak_bytes(self) -> int:
        """There is no other process."""
        return 0

    def evaluation_bytes(self) -> tuple[int, int]:
        """Nothing travels."""
        return 0, 0

    def close(self) -> None:
        """Nothing is held beyond memory."""
