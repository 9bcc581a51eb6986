"""The resident process of a site, which keeps the model in memory between rounds.

Flower starts a new process for every message, and that one asks here. Questions are three frames
(kind in UTF-8, header in JSON, tensors), answers two (header, tensors), over a Unix socket in a
private folder, with a secret that both find in their environment. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeAlias

from federa.errors import DataError, FederaError

SOCKET, KEY = "FEDERA_WORKER", "FEDERA_WORKER_KEY"
STARTING_SECONDS = 60.0
"""How long a question waits for a worker that is being started, perhaps again."""
Header: TypeAlias = dict[str, Any]


class Answers(Protocol):
    """What a worker has a ``Participant`` for."""

    def answer(self, kind: str, header: Header, blob: bytes) -> tuple[Header, bytes]:
        """Header and tensors of the answer."""


def ask(kind: str, header: Header, blob: bytes) -> tuple[Header, bytes]:
    """What the site's worker answers.

    Raises: ConnectionError if it is not there, or ends before it has answered.
    """
    with _connect(os.environ[SOCKET], bytes.fromhex(os.environ[KEY])) as connection:
        try:
            for frame in (kind.encode(), json.dumps(header).encode(), blob):
                connection.send_bytes(frame)
            answer = json.loads(connection.recv_bytes())
            return answer, connection.recv_bytes()
        except (EOFError, OSError):
            raise ConnectionError(f"the site's worker ended while it worked on {kind}") from None


def _connect(path: str, key: bytes) -> Connection[Any, Any]:
    until = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            return Client(path, "AF_UNIX", authkey=key)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > until:
                raise ConnectionError("the site's worker is not running") from None
            time.sleep(0.2)
        except (EOFError, OSError, AuthenticationError) as error:
            raise ConnectionError(
                f"the site's worker cannot be reached ({type(error).__name__})"
            ) from None


def serve(
    folder: Path,
    join: Callable[[Path], Answers],
    get_ready: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Answer questions, one at a time, until SIGTERM.

    get_ready: called once questions can come; they wait for it.
    """
    signal.signal(signal.SIGTERM, _end)
    path, key = os.environ[SOCKET], bytes.fromhex(os.environ[KEY])
    Path(path).unlink(missing_ok=True)
    with Listener(path, "AF_UNIX", backlog=8, authkey=key) as listener:
        get_ready()
        desk = _Desk(folder, join)
        while True:
            try:
                with listener.accept() as connection:
                    desk.answer(connection)
            except (EOFError, OSError, AuthenticationError, ValueError) as error:
                print(f"a question was dropped ({type(error).__name__})", flush=True)
                time.sleep(0.1)


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


class _Desk:
    """Answers questions with a site that the first one makes."""

    def __init__(self, folder: Path, join: Callable[[Path], Answers]) -> None:
        self.folder, self.join = folder, join
        self._site: Answers | None = None

    def answer(self, connection: Connection[Any, Any]) -> None:
        """Answer one question.

        Raises: EOFError, OSError or ValueError if the other side is gone or sends something else.
        """
        kind = connection.recv_bytes().decode()
        header, blob = json.loads(connection.recv_bytes()), connection.recv_bytes()
        began = time.monotonic()
        try:
            if self._site is None:
                self._site = self.join(self.folder)
            answer, packed = self._site.answer(kind, header, blob)
            told = json.dumps(answer).encode()
        except Exception as error:  # whatever it is, the server has to hear of it
            traceback.print_exc()
            answer, packed = {"failure": failure_of(error)}, b""
            told = json.dumps(answer).encode()
        outcome = f"failed: {answer['failure']}" if "failure" in answer else "answered"
        seconds = time.monotonic() - began
        print(time.strftime("%Y-%m-%d %H:%M:%S"), f"{kind} {outcome} ({seconds:.1f} s)", flush=True)
        connection.send_bytes(told)
        connection.send_bytes(packed)


def failure_of(error: Exception) -> str:
    """What the server is told of an error, in one line: no text that may quote the site's rows."""
    if isinstance(error, FederaError) and not isinstance(error, DataError):
        return str(error)
    return f"{type(error).__name__}; the site's log says more"


def _participant(folder: Path) -> Answers:
    from federa.deploy.participant import Participant

    return Participant(folder)


def _import_libraries() -> None:
    """Import what takes long, before the first question comes."""
    import torch  # noqa: F401
    import transformers  # noqa: F401


def main() -> NoReturn:
    """``python -m federa.deploy.worker SITE_FOLDER``."""
    serve(Path(sys.argv[1]), _participant, _import_libraries)


if __name__ == "__main__":
    main()
