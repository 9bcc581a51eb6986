"""Processes of one thread that share the parent's memory: forked, so that nothing is copied.

Linux only. A child computes and answers, and touches no file of the run: everything that it
inherits beyond its own pipe is closed at once, so that a parent that is killed leaves neither locks
nor children behind.
"""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.measure import PeakMemory

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

    from torch import Tensor


def can_fork() -> bool:
    """Whether worker processes can share this process's memory."""
    return sys.platform == "linux"


@dataclass(frozen=True)
class Lost:
    """A job whose process ended before it answered, or raised; reason: in one line."""

    reason: str


@dataclass
class _Worker:
    process: ForkProcess
    pipe: Connection
    job: int | None = None


class Pool:
    """``num_workers`` forked processes, each of which answers jobs with ``target``.

    Whatever ``target`` reads is what it was when the pool was made.
    """

    def __init__(self, num_workers: int, target: Callable[[Any], Any]) -> None:
        self._target = target
        self.peak_bytes = 0
        """The most that a worker held of its own since this was last set to zero."""
        self._workers = [self._fork() for _ in range(num_workers)]

    def run(self, jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """The place of each job with its answer, or ``Lost``, as they are ready."""
        waiting = list(range(len(jobs)))
        try:
            while waiting or any(worker.job is not None for worker in self._workers):
                for idle in range(len(self._workers)):
                    if self._workers[idle].job is None and waiting:
                        place = waiting.pop(0)
                        self._send(idle, jobs[place])
                        self._workers[idle].job = place
                busy = {worker.pipe: worker for worker in self._workers if worker.job is not None}
                for pipe in wait(list(busy)):
                    yield self._receive(busy[pipe])  # type: ignore[index]
        finally:
            for place, worker in enumerate(self._workers):
                if worker.job is not None:  # the caller left early: its answer is nobody's
                    _end(worker)
                    self._workers[place] = self._fork()

    def _send(self, number: int, job: Any) -> None:
        content = dump(job)
        try:
            self._workers[number].pipe.send_bytes(content)
        except OSError:  # it ended while it was idle
            _end(self._workers[number])
            self._workers[number] = self._fork()
            self._workers[number].pipe.send_bytes(content)

    def _receive(self, worker: _Worker) -> tuple[int, Any]:
        place = worker.job
        assert place is not None
        try:
            answer, peak = pickle.loads(worker.pipe.recv_bytes())
        except (EOFError, OSError):
            worker.process.join()
            self._workers[self._workers.index(worker)] = self._fork()
            return place, Lost(f"its process ended with {worker.process.exitcode}")
        worker.job = None
        self.peak_bytes = max(self.peak_bytes, peak)
        return place, answer

    def _fork(self) -> _Worker:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._target), daemon=True)
        with warnings.catch_warnings():
            # Python warns of forks beside threads; these idle, and a child starts none
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            _end(worker)
        self._workers = []


def _end(worker: _Worker) -> None:
    worker.process.terminate()
    worker.process.join()
    worker.pipe.close()


def _serve(pipe: Connection, target: Callable[[Any], Any]) -> None:
    """Answer jobs until the parent is gone."""
    gc.freeze()  # the parent's garbage would close files by numbers that are this process's own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its children
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    own = pipe.fileno()
    os.closerange(3, own)
    os.closerange(own + 1, os.sysconf("SC_OPEN_MAX"))
    import torch

    torch.set_num_threads(1)
    before = resident_bytes()
    while True:
        try:
            job = pickle.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
        memory = PeakMemory("cpu")
        try:
            answer = target(job)
        except Exception as error:
            answer = Lost(one_line(error))
        peak = memory.read() or before
        try:
            pipe.send_bytes(dump((answer, max(0, peak - before))))
        except OSError:
            os._exit(0)


def resident_bytes() -> int:
    """Memory that this process holds, shared or not, as Linux counts it."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def one_line(error: BaseException) -> str:
    """The type of an error and the first line of what it says."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def dump(content: Any) -> bytes:
    """``content`` pickled, its CPU tensors as arrays, which is faster than torch's way."""
    buffer = io.BytesIO()
    _Pickler(buffer, protocol=5).dump(content)
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        import torch

        if type(value) is torch.Tensor and value.dtype != torch.bfloat16:
            return _tensor, (value.detach().numpy(),)
        return NotImplemented


def _tensor(array: Any) -> Tensor:
    import torch

    return torch.from_numpy(array)
