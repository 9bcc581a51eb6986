"""Sites over a Flower grid: greeted and checked first, then trained and asked to score."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.engines.evaluation import spread
from federa.engines.flower_link import POLL_SECONDS, GridLink, Letter, Reply
from federa.engines.flower_training import train_over
from federa.errors import RunError
from federa.files import write_atomically
from federa.metrics.tallies import added_up
from federa.types import ClientFailure, ClientSize, Download, ServerState, Upload
from federa.version import __version__
from federa.wire import pack_download

if TYPE_CHECKING:
    from federa.engines.flower import Flower
    from federa.local import RunSetup
    from federa.types import Tensors

GREETING_SECONDS = 600.0
"""How long a site may take to load its model and data."""
FIRST_GREETING_SECONDS = 90.0
"""How long the first round waits for the others once there are sites enough."""
AGAIN_SECONDS = 60.0
"""After so long a refused site is asked again; somebody may have mended it."""
EVALUATION_SECONDS = 600.0
logger = logging.getLogger("federa")


@dataclass(frozen=True)
class Welcome:
    """What every site is told before it trains.

    run: of the letters; config: the run's model, seed, task, method, rule, train and num_rounds;
    tokenizer_hash: of the server's; names: the name of each client's site; counts: the file that
    keeps what each site said it holds, which it is held to.
    """

    run: str
    config: dict[str, Any]
    tokenizer_hash: str
    names: Mapping[int, str]
    counts: Path


class SitesSession:
    """The sites of one run. Nothing that they say is believed before it was checked."""

    def __init__(self, settings: Flower, setup: RunSetup, link: GridLink, welcome: Welcome) -> None:
        self.settings, self.setup, self.link, self.welcome = settings, setup, link, welcome
        self.of_base = {name: setup.start[name] for name in setup.layout.of_base}
        self._sizes = _read_counts(welcome.counts)
        self._ready: set[int] = set()
        self._holds_start: set[int] = set()
        self._greeted: dict[str, int] = {}
        self._refused: dict[int, float] = {}
        self._bytes = (0, 0)

    # greeting

    def present(self, at_least: int) -> Sequence[int]:
        """Sites that were accepted, are there and have nothing else to do."""
        began, first, said = time.monotonic(), not self._ready, False
        while True:
            self._greet()
            for reply in self.link.replies():
                self._hear(reply)
            here = [client for client in self.link.free() if client in self._ready]
            waited = time.monotonic() - began
            patient = first and bool(self._greeted) and waited < FIRST_GREETING_SECONDS
            if len(here) >= at_least and not patient:
                return here
            if waited > self.settings.wait_seconds:
                return here
            if not said and waited > 5:
                said = True
                logger.info("waiting for %d sites; ready are: %s", at_least, self._named(here))
            time.sleep(POLL_SECONDS)

    def _named(self, clients: Sequence[int]) -> str:
        return ", ".join(map(self.name, clients)) or "none"

    def name(self, client: int) -> str:
        """The name of a client's site."""
        return self.welcome.names.get(client, str(client))

    def _greet(self) -> None:
        """Say hello to sites that were not accepted yet."""
        now, waiting = time.monotonic(), set(self._greeted.values())
        new = [
            client
            for client in self.link.free()
            if client not in self._ready
            and client not in waiting
            and now - self._refused.get(client, -AGAIN_SECONDS) >= AGAIN_SECONDS
        ]
        header = {
            "run": self.welcome.run,
            "federa": __version__,
            "config": self.welcome.config,
            "labels": list(self.setup.labels),
            "base_sha256": self.setup.base_hash,
            "tokenizer_sha256": self.welcome.tokenizer_hash,
            "layout": asdict(self.setup.layout),
        }
        letters = {client: Letter(header | {"client": client}) for client in new}
        self._greeted |= self.link.send("hello", letters, 0, GREETING_SECONDS)

    def _hear(self, reply: Reply) -> None:
        """Take the answer to a greeting, or drop one to a letter that is over."""
        if self._greeted.pop(reply.letter, None) is None:
            logger.info("%s answered a letter that was over; dropped", self.name(reply.client))
            return
        fault = reply.error or self._fault(reply.client, reply.header)
        if fault:
            self._refused[reply.client] = time.monotonic()
            logger.info("site %s is refused: %s", self.name(reply.client), fault)
            return
        client, header = reply.client, reply.header
        if client not in self._sizes:
            self._sizes[client] = ClientSize(header["num_examples"], header["num_windows"])
            counts = {str(number): asdict(size) for number, size in self._sizes.items()}
            write_atomically(self.welcome.counts, json.dumps(counts).encode())
        self._ready.add(client)
        if header.get("holds_start") is True:
            self._holds_start.add(client)
        else:
            self._holds_start.discard(client)
        logger.info("site %s: %d examples", self.name(client), header["num_examples"])

    def _fault(self, client: int, header: Mapping[str, Any]) -> str | None:
        """Why a site cannot take part, in one line, or None."""
        expected = {
            "federa": __version__,
            "base_sha256": self.setup.base_hash,
            "tokenizer_sha256": self.welcome.tokenizer_hash,
            "labels": list(self.setup.labels),
        }
        for key, wanted in expected.items():
            if header.get(key) != wanted:
                return f"its {key} is {_short(header.get(key))}, the server's {_short(wanted)}"
        for key in ("num_examples", "num_windows"):
            number = header.get(key)
            if type(number) is not int or not 0 < number < 1 << 40:
                return f"its {key} is {_short(number)}; a number above 0 is expected"
            if client in self._sizes and number != getattr(self._sizes[client], key):
                before = getattr(self._sizes[client], key)
                return f"its {key} is {number}, it was {before} when the run began"
        return None

    def size(self, client: int) -> ClientSize:
        """What the site said when it was greeted first; it may not change in a run."""
        return self._sizes[client]

    # training

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        """Send the work to the sites; one that lost its start is sent it again."""
        whole = {client: self._with_start(client, download) for client, download in work.items()}
        link, run, lost = self.link, self.welcome.run, self._ready.discard
        answers = train_over(link, self.settings, round, whole, self._known, run, lost)
        for answer in answers:
            if isinstance(answer, Upload):
                self._holds_start.add(answer.client)
                yield answer
            else:
                yield replace(answer, reason=f"{self.name(answer.client)}: {answer.reason}")

    def _with_start(self, client: int, download: Download) -> Download:
        if client in self._holds_start or download.start:
            return download
        layout = self.setup.layout
        needed = dict.fromkeys((*layout.starts, *layout.fresh, *layout.head))
        return replace(download, start={name: self.setup.start[name] for name in needed})

    def _known(self, client: int) -> Tensors:
        return self.setup.start if client in self._holds_start else self.of_base

    # scoring

    def evaluate(
        self, state: ServerState, splits: Sequence[str], *, whole: bool, per_client: bool
    ) -> dict[str, dict[str, Any]]:
        """Scores from the sums of the sites that have the start; {} if none of them gives any."""
        task, labels = self.setup.task, self.setup.labels
        letters = {}
        for client in self.link.free():
            if client in self._ready and client in self._holds_start:
                blob = pack_download(
                    Download(state.params), self._known(client), self.settings.download
                )
                header = {"run": self.welcome.run, "round": state.round, "client": client}
                letters[client] = Letter(header, blob)
        down = sum(len(letter.blob) for letter in letters.values())
        up = 0
        found: dict[int, Any] = {}
        for reply in self.link.ask("evaluate", letters, state.round, EVALUATION_SECONDS):
            told = reply.header.get("sums")
            fault = reply.error or reply.header.get("withheld") or task.sound_sums(told, labels)
            if fault:
                name = self.name(reply.client)
                logger.info("%s has no scores in round %d: %s", name, state.round, fault)
                continue
            up += len(str(reply.header))
            found[reply.client] = told
        self._bytes = (down, up)
        if not found:
            return {}
        sums = added_up(list(found.values()))
        scores = task.scores_of(sums, labels)
        scores |= {"num_examples": int(sums["num_examples"]), "num_sites": len(found)}
        if per_client:
            each = {str(client): task.scores_of(sums, labels) for client, sums in found.items()}
            scores["per_client"] = spread({c: part[task.main_score] for c, part in each.items()})
        return dict.fromkeys(splits, scores)

    def other_peak_bytes(self) -> int:
        """What the sites hold is theirs to know."""
        return 0

    def evaluation_bytes(self) -> tuple[int, int]:
        """Of the last evaluation, to the sites and back."""
        return self._bytes

    def close(self) -> None:
        """The sites stay as they are."""


def _read_counts(path: Path) -> dict[int, ClientSize]:
    """What was kept of earlier greetings.

    Raises: RunError if the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {int(client): ClientSize(**size) for client, size in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: damaged or unreadable") from error


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
