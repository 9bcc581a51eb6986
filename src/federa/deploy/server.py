"""The server of a federation: Flower's SuperLink behind the gate, the sites' keys, and the jobs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from federa.deploy import jobs
from federa.deploy.certificates import AUTHORITY, SERVER_CERTIFICATE, SERVER_KEY, expires
from federa.deploy.control import Control
from federa.deploy.flower import path_with_programs, program, require_flower, settings
from federa.deploy.gate import listen
from federa.deploy.initialise import write_flower_config
from federa.deploy.job_queue import Queue
from federa.deploy.processes import Child, EndedError, Processes, python, stop_requested
from federa.deploy.records import Federation
from federa.deploy.roster import Roster
from federa.deploy.server_lock import held
from federa.errors import ConfigError, FederaError, RunError

LOGS, DATABASE = "logs", "state.db"
STARTING_SECONDS = 120.0
TICK_SECONDS, FLOWER_TICKS, LOGS_TICKS = 1.0, 10, 60
SOON = timedelta(days=45)
"""So long before the certificate ends it is time to renew it."""
Say = Callable[[str], None]


def announce(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)


def serve(folder: Path, say: Say = announce) -> None:
    """Run a server until a signal; everything that it started has ended when it returns.

    Raises: ConfigError; RunError if another server runs on the folder or a file cannot be written;
    EndedError if a part ends by itself.
    """
    require_flower()
    federation = Federation.load(folder)
    folder = folder.resolve()
    for name in (AUTHORITY, SERVER_CERTIFICATE, SERVER_KEY):
        if not (folder / name).is_file():
            raise ConfigError(f"{folder / name}: not there")
    with held(folder), stop_requested() as stop, Processes(folder / LOGS) as processes:
        _require_free(federation.port, "port")
        _require_free(federation.internal_port, "internal_port", "127.0.0.1")
        server = _Server(folder, federation, processes, say)
        try:
            server.run(stop)
        finally:
            server.control.close()


def _require_free(port: int, key: str, host: str = "") -> None:
    try:
        listen(port, host).close()
    except OSError as error:
        raise ConfigError(f"{key}: {port} cannot be used ({error.strerror})") from error


class _Server:
    """What runs while the server does."""

    def __init__(
        self, folder: Path, federation: Federation, processes: Processes, say: Say
    ) -> None:
        self.folder, self.federation, self.processes, self.say = folder, federation, processes, say
        self.control = Control(federation.internal_port, folder / AUTHORITY)
        self.roster = Roster(folder, self.control, say)
        self.queue = Queue(folder, self.control, say)
        self._trouble = ""

    def run(self, stop: threading.Event) -> None:
        """Start everything, and look after it until ``stop`` is set."""
        left = expires(self.folder / SERVER_CERTIFICATE) - datetime.now(UTC)
        if left < SOON:
            self.say(f"{SERVER_CERTIFICATE} ends in {left.days} days; federa deploy renew")
        self._start_superlink()
        if not self._wait(stop, self._superlink_answers, "superlink"):
            return
        self.roster.look()
        self.queue.start_again()
        self._start_gate()
        if not self._wait(stop, self._gate_answers, "gate"):
            return
        self.say(f"ready: sites connect to {self.federation.server}")
        ticks = 0
        while not stop.wait(TICK_SECONDS):
            self.processes.check()
            self._look_after(ticks)
            ticks += 1
        self.say("stopping")

    def _look_after(self, ticks: int) -> None:
        try:
            self.roster.look()
            self.queue.look()
            if ticks % FLOWER_TICKS == 0:  # each question is two lines in Flower's log
                self.roster.watch()
                self.queue.watch()
            self._trouble = ""
        except FederaError as error:  # such as a file that somebody is writing; the next look helps
            if str(error) != self._trouble:
                self._trouble = str(error)
                self.say(self._trouble)
        if ticks % LOGS_TICKS == 0:
            self.processes.trim_logs()

    def _start_superlink(self) -> Child:
        folder, port = self.folder, self.federation.internal_port
        write_flower_config(folder)
        command = [
            *(program("flower-superlink"), "--host", "127.0.0.1", "--port", str(port)),
            *("--ssl-ca-certfile", str(folder / AUTHORITY)),
            *("--ssl-certfile", str(folder / SERVER_CERTIFICATE)),
            *("--ssl-keyfile", str(folder / SERVER_KEY)),
            *("--enable-supernode-auth", "--database", str(folder / DATABASE)),
            "--disable-runtime-dependency-installation",
        ]
        environment = {"PATH": path_with_programs(), jobs.SERVER: str(folder)}
        environment |= settings(folder / jobs.HOME)
        return self.processes.start("superlink", command, environment)

    def _start_gate(self) -> Child:
        ports = (str(self.federation.port), str(self.federation.internal_port))
        command = [*python("federa.deploy.gate"), str(self.folder), *ports]
        return self.processes.start("gate", command)

    def _wait(self, stop: threading.Event, answers: Callable[[], bool], name: str) -> bool:
        """Wait for a part to answer; False if the server is to stop first.

        Raises: EndedError if a part ends, or does not answer.
        """
        until = time.monotonic() + STARTING_SECONDS
        while not stop.wait(0.2):
            self.processes.check()
            if answers():
                return True
            if time.monotonic() > until:
                raise EndedError(f"{name}: no answer after {STARTING_SECONDS:g} s")
        return False

    def _superlink_answers(self) -> bool:
        with suppress(RunError):
            self.control.nodes()
            return True
        return False

    def _gate_answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.federation.port), timeout=5).close()
            return True
        return False
