"""A site at work: what it answers to a greeting, to work, and to a state to be scored.

The site decides what it reads and how much it does (``site.yaml``); the server says which model,
task and method. What leaves is the answer of ``Participant.answer``, logged before it does.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from federa.deploy.records import SiteConfig
from federa.deploy.site_run import SiteRun
from federa.errors import ConfigError, DataError, FederaError
from federa.files import append_line, write_atomically
from federa.version import __version__
from federa.wire import tensor_kinds

STATE, MESSAGES = "state", "logs/messages.jsonl"
HELLO = "hello.json"
TOLD = {"run", "federa", "config", "labels", "base_sha256", "tokenizer_sha256", "layout", "client"}


class Participant:
    """One site; ``folder`` holds its ``site.yaml`` and what must outlive a power cut.

    Raises: ConfigError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, SiteConfig.load(folder)
        self._run: SiteRun | None = None

    def answer(
        self, kind: str, header: dict[str, Any], blob: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """The answer to one message, logged; what goes wrong is an answer too (``failure``)."""
        began = time.monotonic()
        try:
            answer, packed = self._answer(kind, header, blob)
        except Exception as error:
            answer, packed = {"failure": failure_line(error)}, b""
            if type(error) is DataError or not isinstance(error, FederaError):
                print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
        self._log(kind, header, answer, packed, time.monotonic() - began)
        return answer, packed

    def _answer(
        self, kind: str, header: dict[str, Any], blob: bytes
    ) -> tuple[dict[str, Any], bytes]:
        if kind == "hello":
            return self._hello(header), b""
        run = self._of(header)
        if kind == "train":
            return {}, run.train(header, blob)
        if kind == "evaluate":
            return run.evaluate(blob), b""
        raise ValueError(f"unknown message {kind!r}")

    def _hello(self, header: dict[str, Any]) -> dict[str, Any]:
        """Check everything that the server says of the run, and say what is here.

        Raises: FederaError for whatever does not agree.
        """
        if set(header) != TOLD:
            raise ConfigError("the server's greeting is not that of this version of federa")
        if header["federa"] != __version__:
            raise ConfigError(f"federa {__version__} is here, {header['federa']} at the server")
        place = self.folder / STATE / _plain(header["run"])
        if self._run is not None and self._run.asked == header:
            return self._run.greeting()  # a server that lost sight of the site, or was started anew
        for other in (self.folder / STATE).glob("*"):
            if other != place:  # a site works for one run at a time
                shutil.rmtree(other, ignore_errors=True)
        self._run = None
        self._run = SiteRun(self.config, header, place)
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / HELLO, json.dumps(header).encode())
        return self._run.greeting()

    def _of(self, header: dict[str, Any]) -> SiteRun:
        """The run of a message; after a restart, as it was greeted.

        Raises: ConfigError if it was not.
        """
        if self._run is None or self._run.name != header["run"]:
            place = self.folder / STATE / _plain(header["run"])
            if not (place / HELLO).is_file():
                raise ConfigError("this run has not been greeted here")
            greeting = json.loads((place / HELLO).read_text(encoding="utf-8"))
            self._run = SiteRun(self.config, greeting, place)
        return self._run

    def _log(
        self,
        kind: str,
        header: dict[str, Any],
        answer: dict[str, Any],
        blob: bytes,
        seconds: float,
    ) -> None:
        """One line for auditors: what is about to leave."""
        (self.folder / MESSAGES).parent.mkdir(parents=True, exist_ok=True)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "answer_to": kind,
            "run": header.get("run"),
            "round": header.get("round"),
            "seconds": round(seconds, 3),
            "says": answer,
            "bytes": len(json.dumps(answer)) + len(blob),
            "tensors": tensor_kinds(blob) if blob else {},
        }
        append_line(self.folder / MESSAGES, json.dumps(line))


def failure_line(error: Exception) -> str:
    """What the server is told of an error: nothing that may quote the site's rows."""
    if isinstance(error, DataError):
        return "the site's data cannot be used for this run; its own log says why"
    if isinstance(error, FederaError | FloatingPointError | TimeoutError | MemoryError):
        return " ".join(str(error).split())[:300] or type(error).__name__
    return f"{type(error).__name__} at the site; its own log says more"


def _plain(name: object) -> str:
    """A run's name, which becomes a folder's.

    Raises: ConfigError.
    """
    text = str(name)
    if not text.isalnum() or len(text) > 64:
        raise ConfigError("the server's greeting names no run")
    return text
