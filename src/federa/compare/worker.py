"""The process in which the runs of a comparison are made, one after another."""

from __future__ import annotations

from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from federa.errors import FederaError

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts
    from federa.config import RunConfig
    from federa.measure import RoundRecord

Item = TypeVar("Item")


class Told:
    """A ``Progress`` that tells another process; rounds of a search count apart."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._searching = ""

    def started(self, config: RunConfig, facts: RunFacts, folder: Path, done: int) -> None:
        """Tell the folder."""
        self._pipe.send(("started", str(folder), done))

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        """Pass through."""
        return arrivals

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        """Tell the round and its score."""
        seconds = record.measured_seconds["total"]
        self._pipe.send(("round", record.round, score, seconds, self._searching))

    def searching(self, rate: float, number: int, total: int, num_rounds: int) -> None:
        """Remember that these rounds are of a short run."""
        self._searching = f"rate {number} of {total}"

    def chose(self, rate: float, done: int) -> None:
        """Back to the run itself."""
        self._searching = ""
        self._pipe.send(("chose", rate, done))

    def note(self, text: str) -> None:
        """Tell it."""
        self._pipe.send(("note", text))


def work(pipe: Connection) -> None:
    """Run what comes through ``pipe``, (configuration, parent folder, folder to resume or None),
    until it is closed; a run that fails is answered, and the next may come. Ctrl-C is not heard:
    whoever started the process ends it."""
    import warnings

    from federa.experiment import run

    warnings.filterwarnings("ignore")  # other libraries' warnings; ours come as notes
    while True:
        try:
            config, folder, resume = pipe.recv()
        except EOFError:
            return
        answer: tuple[Any, ...]
        try:
            result = run(config, folder=folder, resume=resume, progress=Told(pipe))
            answer = ("finished", str(result.folder))
        except FederaError as error:
            answer = ("failed", str(error))
        except Exception as error:
            answer = ("failed", f"{type(error).__name__}: {error}".splitlines()[0])
        try:
            pipe.send(answer)
        except OSError:  # whoever asked is gone
            return
