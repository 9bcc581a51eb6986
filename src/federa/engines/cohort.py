"""Several clients in one forward and backward pass, in as many processes as there are cores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.engines.evaluation import evaluation_batches, score_split, windows_by_row
from federa.engines.workers import Lost, Pool, one_line
from federa.local import LocalSetup, RunSetup, with_data
from federa.registry import RECORD, Flag, Integer, Real
from federa.types import ClientFailure, ClientSize, Download, ServerState, Upload

if TYPE_CHECKING:
    import numpy

    from federa.engines.interface import Session
    from federa.engines.stacked_training import Work
    from federa.tasks import Encoded, Predictions


class Cohort(BaseModel):
    """Train several clients of a round at once: frozen weights are used once for all of them.

    device: auto takes the first CUDA device if there is one; threads: of the CPU, in all; auto
    takes all cores that this process may use; workers: processes of one thread that share the
    clients, auto is one a thread on a CPU; clients: at most so many in one stack, auto follows
    memory_gib and the length of the texts; memory_gib: for trained tensors, gradients and optimiser
    state of all clients that are trained at once, null takes a quarter of the machine's memory;
    cache_gib: on disk, for the output of layers below the first trained one, where there are such;
    0 computes it every time; compile: with torch.compile, which takes half a minute first and pays
    in long runs on a GPU alone.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("stacked",)
    summary: ClassVar[str] = "the clients of a round in common batches, frozen weights used once"

    name: Literal["cohort"] = "cohort"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)] = "auto"
    workers: Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)] = "auto"
    clients: Literal["auto"] | Annotated[Integer, Field(ge=1)] = "auto"
    memory_gib: Real | None = Field(None, gt=0)
    cache_gib: Real = Field(4.0, ge=0)
    compile: Flag = False

    def open(self, setup: RunSetup) -> Session:
        """Load the model, stack it, and start the workers."""
        return CohortSession(with_data(setup))


class CohortSession:
    """The stacked model, here or in forked processes."""

    def __init__(self, setup: LocalSetup) -> None:
        import torch

        from federa.engines.stacked_worker import StackedWorker

        self.setup = setup
        self.worker = StackedWorker(setup)
        self.threads = torch.get_num_threads()
        self.pool: Pool | None = None
        if setup.plan.workers > 1:
            torch.set_num_threads(1)  # its own threads would take turns with the workers
            self.pool = Pool(setup.plan.workers, self.worker.answer)

    def present(self, at_least: int) -> Sequence[int]:
        """All clients."""
        return range(len(self.setup.clients))

    def size(self, client: int) -> ClientSize:
        """What its rows come to."""
        return self.setup.size(client)

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        """Train the clients in groups; answers come group by group."""
        ready: list[Work] = []
        for client in sorted(work):
            try:
                ready.append(self._batches(round, client, work[client]))
            except Exception as error:  # whatever a client's data do, the round goes on
                yield ClientFailure(client, one_line(error))
        groups = self._groups(ready)
        jobs = [("train", round, group) for group in groups]
        if self.pool is not None:
            self.pool.peak_bytes = 0
        for place, answer in self._run(jobs):
            if isinstance(answer, Lost):
                yield from (ClientFailure(one.client, answer.reason) for one in groups[place])
            else:
                yield from answer

    def _batches(self, round: int, client: int, download: Download) -> Work:
        from federa import local
        from federa.engines.stacked_training import Work

        return Work(client, download, list(local.batches(self.setup, round, client)))

    def _groups(self, ready: Sequence[Work]) -> list[list[Work]]:
        """Clients of like shapes, of about equal work; see ``form_groups``."""
        from federa.engines.chunks import form_groups, padded_tokens

        lengths, plan = self.setup.examples.windows.lengths(), self.setup.plan
        kinds: dict[tuple[Any, ...], list[Work]] = {}
        for one in ready:  # clients of unequal ranks cannot share a stack
            shapes = tuple(tuple(value.shape) for value in one.download.params.values())
            kinds.setdefault(shapes, []).append(one)
        found = []
        for kind in kinds.values():
            by_client = {one.client: one for one in kind}
            costs = {one.client: padded_tokens(one.batches, lengths) for one in kind}
            steps = {one.client: len(one.batches) for one in kind}
            groups = form_groups(costs, steps, plan.clients, plan.workers)
            found += [[by_client[client] for client in group] for group in groups]
        return found

    def _run(self, jobs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        if self.pool is not None:
            yield from self.pool.run(jobs)
            return
        for place, job in enumerate(jobs):
            yield place, self.worker.answer(job)

    def evaluate(
        self, state: ServerState, splits: Sequence[str], *, whole: bool, per_client: bool
    ) -> dict[str, dict[str, Any]]:
        """Scores of ``state``; the windows of a split are shared among the workers."""

        def predict(split: str) -> Any:
            def of(encoded: Encoded, rows: numpy.ndarray) -> Predictions:
                batches = evaluation_batches(encoded, rows, self.setup.plan.device)
                shares = [
                    batches[i :: self.setup.plan.workers] for i in range(self.setup.plan.workers)
                ]
                found: dict[int, numpy.ndarray] = {}
                jobs = [("predict", state.params, split, share) for share in shares if share]
                for place, answer in self._run(jobs):
                    again = isinstance(answer, Lost)  # nothing is known of the state: do it here
                    found |= self.worker.answer(jobs[place]) if again else answer
                return windows_by_row(encoded, rows, found)

            return of

        return {
            split: score_split(
                self.setup.task,
                predict(split),
                self.setup.evaluation[split],
                whole=whole,
                per_client=per_client,
            )
            for split in splits
        }

    def other_peak_bytes(self) -> int:
        """What each worker held of its own at most since the last training, times workers."""
        return self.pool.peak_bytes * self.setup.plan.workers if self.pool is not None else 0

    def evaluation_bytes(self) -> tuple[int, int]:
        """Nothing travels."""
        return 0, 0

    def close(self) -> None:
        """End the workers."""
        import torch

        if self.pool is not None:
            self.pool.close()
            torch.set_num_threads(self.threads)
