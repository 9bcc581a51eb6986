"""A site of a federation: Flower's SuperNode, which talks to the server, and the worker."""

from __future__ import annotations

import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

from federa.deploy.certificates import AUTHORITY
from federa.deploy.commands import write_commands
from federa.deploy.flower import require_flower, settings
from federa.deploy.processes import Child, EndedError, Processes, python, stop_requested
from federa.deploy.records import SiteConfig
from federa.deploy.supernode import GAVE_UP
from federa.deploy.worker import KEY, SOCKET
from federa.errors import ConfigError

LOGS, HOME, COMMANDS, PRIVATE_KEY = "logs", "flower", "commands", "key"
SITE = "FEDERA_SITE"
TICK_SECONDS, LOGS_TICKS = 0.5, 120
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
RETRY_SECONDS = 5.0
ENTRY_SECONDS = 90.0
"""Longer than Flower takes a site that vanished for connected, and so does not let it in again."""
STEADY_SECONDS = 300.0
"""A worker that ran for so long is started again at once when it ends."""
EXIT_CODE = re.compile(r"Exit Code: (\d+)\n(.*?)\n\s*\n", re.DOTALL)
"""What Flower's programs write when they give up."""
KEY_INVALID, NO_CONNECTION = 302, 305
NOT_REGISTERED = "[code: 2004]"
Say = Callable[[str], None]


class NotLetInError(ConfigError):
    """The server does not accept the site, or not yet."""


def run_site(folder: Path, say: Say) -> None:
    """Run a site until a signal; everything that it started has ended when it returns.

    Raises: ConfigError, also if the server refuses the key or is not the one of ca.crt; RunError;
    EndedError if Flower's SuperNode ends by itself.
    """
    require_flower()
    config = SiteConfig.load(folder)
    folder = folder.resolve()
    for name in (AUTHORITY, PRIVATE_KEY):
        if not (folder / name).is_file():
            raise ConfigError(f"{folder / name}: not there")
    with stop_requested() as stop, Processes(folder / LOGS) as processes:
        if not reaches(config.server, folder / AUTHORITY):
            say(f"{config.server} cannot be reached yet; it is tried again and again")
        _Site(folder, config, processes, say).run(stop)


def reaches(server: str, authority: Path) -> bool:
    """Whether the server answers.

    Raises: ConfigError if something else than the server of ``authority`` does.
    """
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        context = ssl.create_default_context(cafile=str(authority))
    except OSError as error:
        raise ConfigError(f"{authority}: not a certificate ({error})") from error
    try:
        with (
            socket.create_connection((host, int(port)), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLCertVerificationError as error:
        raise ConfigError(
            f"server: {server} has another certificate than this site's {AUTHORITY} vouches for "
            f"({error.verify_message})"
        ) from error
    except OSError:
        return False


class _Site:
    """What runs while the site does."""

    def __init__(self, folder: Path, config: SiteConfig, processes: Processes, say: Say) -> None:
        self.folder, self.config, self.processes, self.say = folder, config, processes, say
        self.environment = settings(folder / HOME) | {
            "HF_HUB_OFFLINE": "1",
            SITE: str(folder),
        }
        if config.warm:
            self.environment |= {
                SOCKET: str(processes.scratch / "worker"),
                KEY: secrets.token_hex(32),
            }
        self._worker: Child | None = None
        self._pause, self._worker_again = 0.0, 0.0
        self._supernode: Child | None = None
        self._supernode_again, self._refused = 0.0, 0.0

    def run(self, stop: threading.Event) -> None:
        """Start everything, and look after it until ``stop`` is set."""
        self.say(f"site {self.config.site}: starts; the server is {self.config.server}")
        ticks = 0
        while True:
            self._look_after_worker()
            self._look_after_supernode()
            self.processes.check_guard()
            if ticks % LOGS_TICKS == 0:
                self.processes.trim_logs()
            ticks += 1
            if stop.wait(TICK_SECONDS):
                break
        self.say("stopping")

    def _look_after_worker(self) -> None:
        """Start the worker, and start it again when it has ended; each time later than the last."""
        if not self.config.warm:
            return
        now = time.monotonic()
        if self._worker is not None and self._worker.ended:
            if now - self._worker.started > STEADY_SECONDS:
                self._pause = 0.0
            self.say(
                f"the worker ended ({self._worker.last_words()}); "
                f"started again in {self._pause:g} s"
            )
            self.processes.forget(self._worker)
            self._worker, self._worker_again = None, now + self._pause
            self._pause = min(max(2 * self._pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        if self._worker is None and now >= self._worker_again:
            command = [*python("federa.deploy.worker"), str(self.folder)]
            self._worker = self.processes.start("worker", command, self.environment)

    def _look_after_supernode(self) -> None:
        """Start the SuperNode, and start it again when it has given up.

        Raises: ConfigError if that is no use; EndedError if it ended otherwise.
        """
        now = time.monotonic()
        if self._supernode is not None and self._supernode.ended:
            self._judge(self._supernode, now)
            self.processes.forget(self._supernode)
            self._supernode, self._supernode_again = None, now + RETRY_SECONDS
        if self._supernode is None and now >= self._supernode_again:
            self._supernode = self._start_supernode()

    def _judge(self, supernode: Child, now: float) -> None:
        if supernode.process.returncode == GAVE_UP:
            self.say(f"the connection broke ({supernode.log}); tried again in {RETRY_SECONDS:g} s")
            return
        error = why_ended(supernode, self.config.server)
        if not isinstance(error, NotLetInError):
            raise error
        if now - supernode.started > ENTRY_SECONDS or not self._refused:
            self._refused = now
            self.say(f"{error}; tried again for {ENTRY_SECONDS:g} s")
        elif now - self._refused > ENTRY_SECONDS:
            raise error

    def _start_supernode(self) -> Child:
        folder = self.folder
        commands = folder / HOME / COMMANDS
        write_commands(commands)
        command = [
            *(*python("federa.deploy.supernode"), "--superlink", self.config.server),
            *("--root-certificates", str(folder / AUTHORITY)),
            *("--auth-supernode-private-key", str(folder / PRIVATE_KEY)),
            *("--host", "127.0.0.1", "--port", str(_free_port())),
        ]
        return self.processes.start(
            "supernode", command, self.environment | {"PATH": str(commands)}
        )


def why_ended(supernode: Child, server: str) -> ConfigError | EndedError:
    """What a SuperNode that gave up means for the site's administrator."""
    told = EXIT_CODE.findall(supernode.tail() + "\n\n")
    code, text = (int(told[-1][0]), " ".join(told[-1][1].split())) if told else (0, "")
    if code == KEY_INVALID:
        return ConfigError(f"{PRIVATE_KEY}: not an elliptic-curve key as ssh-keygen writes it")
    if code == NO_CONNECTION and NOT_REGISTERED in text:
        return NotLetInError(
            f"{PRIVATE_KEY}: {server} does not let this site in: its operator has to put key.pub "
            "into the server's keys folder, or another process has connected with the same key"
        )
    if code == NO_CONNECTION:
        return ConfigError(f"server: {server}: {text}")
    if supernode.process.returncode == 0 and not told:  # it ends so when a request is refused
        return ConfigError(
            f"{PRIVATE_KEY}: {server} no longer accepts this site's key, or the clocks differ by "
            "more than five minutes"
        )
    return EndedError(f"supernode ended ({supernode.last_words()})")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
