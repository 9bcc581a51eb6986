"""Child processes with a log file each, of which none outlives the process that started them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from federa.deploy.guard import GRACE_SECONDS, MARK, end_marked
from federa.errors import ConfigError, RunError
from federa.files import explained

LOG_BYTES = 20_000_000
"""Beyond this a log begins anew; the one before is kept."""
TAIL_BYTES = 8192


def python(module: str) -> list[str]:
    """The command that runs an installed module; nothing is imported from the current folder."""
    return [sys.executable, "-P", "-m", module]


class EndedError(RunError):
    """A process that should run for ever has ended by itself."""

    exit_code = 1


@dataclass
class Child:
    """A process that was started, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process.poll() is not None

    def tail(self) -> str:
        """The end of its output since it was started."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return text.rpartition(f"--- {self.name} started")[2]

    def last_words(self) -> str:
        """How it ended, and the last line that it wrote."""
        code = self.process.poll()
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        lines = [line.strip() for line in self.tail().splitlines() if line.strip()]
        return f"{how}; {self.log}" + (f": {lines[-1][:200]}" if lines else "")


class Processes:
    """Children of this process, ended in order when the block ends, and by the guard if this
    process is killed.

    scratch: a private folder on a short path, for sockets; it goes when the processes do.
    """

    def __init__(self, logs: Path, grace_seconds: float = GRACE_SECONDS) -> None:
        self.logs, self.grace_seconds = logs, grace_seconds
        self.mark = secrets.token_hex(16)
        self.scratch = Path()
        self.children: list[Child] = []
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Raises: ConfigError where there is no /proc; RunError."""
        if not sys.platform.startswith("linux"):
            raise ConfigError(f"federa deploy runs a server or a site on Linux, not {sys.platform}")
        with explained(self.logs):
            self.logs.mkdir(parents=True, exist_ok=True)
        self.scratch = Path(tempfile.mkdtemp(prefix="federa-"))
        self._guard = subprocess.Popen(
            [*python("federa.deploy.guard"), self.mark, str(self.scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        with self._guard.stdout as said:
            said.readline()  # or a signal to all could end it before it ignores them
        return self

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start ``command`` with this process's environment and more; output to logs/<name>.log.

        Raises: RunError if it cannot be started.
        """
        log = self.logs / f"{name}.log"
        with explained(log), log.open("ab") as file:
            file.write(time.strftime(f"--- {name} started %Y-%m-%d %H:%M:%S %z\n").encode())
            file.flush()
            try:
                process = subprocess.Popen(
                    command,
                    env={**os.environ, **(environment or {}), MARK: self.mark},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a terminal's Ctrl-C is for this process alone
                )
            except OSError as error:
                raise RunError(f"{command[0]}: cannot start ({error.strerror})") from error
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def forget(self, child: Child) -> None:
        """Expect nothing more of a child that has ended."""
        self.children.remove(child)

    def check(self) -> None:
        """Raises: EndedError if a child has ended, or the guard."""
        for child in self.children:
            if child.ended:
                raise EndedError(f"{child.name} ended ({child.last_words()})")
        self.check_guard()

    def check_guard(self) -> None:
        """Raises: EndedError if the guard has ended."""
        if self._guard is not None and self._guard.poll() is not None:
            raise EndedError("the guard of the processes ended")

    def trim_logs(self, limit: int = LOG_BYTES) -> None:
        """Begin logs anew that have grown too long; their writers append, so they go on."""
        for child in self.children:
            with suppress(OSError):
                if child.log.stat().st_size > limit:
                    shutil.copyfile(child.log, child.log.with_suffix(".old.log"))
                    os.truncate(child.log, 0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end_marked(self.mark, self.grace_seconds)
        for child in self.children:
            if not child.ended:  # one that wrote over its environment
                with suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()


@contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that SIGTERM, Ctrl-C and a closing terminal set, inside the block."""
    stop = threading.Event()
    before = {}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            before[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
