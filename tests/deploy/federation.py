"""A federation on this machine: its folders, the processes that run on them, what they wrote.

Also for ``benchmarks/deployment.py``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from federa.measure import RoundRecord, read_records

SITES = ("alpha", "beta", "gamma")
LOOPBACK = "127.0.0.1"


class Launch(Protocol):
    """Starts a process at the server or at a site; ``rig.run_in`` is one."""

    def __call__(
        self, place: str, argv: Sequence[str], **options: Any
    ) -> subprocess.Popen[Any]: ...


def here(place: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    return subprocess.Popen(argv, **options)


def free_ports(number: int) -> list[int]:
    probes = [socket.create_server((LOOPBACK, 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that name ``folder``, here or in their environment."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (place / "environ").read_bytes().decode(errors="replace")
            state = (place / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            continue
        mine = int(place.name) == os.getpid() or state == "Z"
        if str(folder) in command + environment and not mine:
            found.append(command)
    return found


class Federation:
    """Folders of a federation, and the commands that run on them.

    Sites' data and the run are the caller's: ``write_site``, ``write_run``.
    """

    def __init__(self, folder: Path, address: str = LOOPBACK, launch: Launch = here) -> None:
        self.folder, self.launch = folder, launch
        self.server, self.run_file = folder / "server", folder / "run.yaml"
        self.port, inner = free_ports(2)
        self.address = f"{address}:{self.port}"
        words = ("init", str(folder), "--sites", ",".join(SITES))
        self.say(*words, "--address", address, "--port", str(self.port))
        settings = self.server / "federation.yaml"
        text = settings.read_text(encoding="utf-8")
        text = re.sub(r"internal_port: \d+", f"internal_port: {inner}", text)
        settings.write_text(text, encoding="utf-8")

    def site(self, name: str) -> Path:
        return self.folder / "sites" / name

    def write_site(self, name: str, **content: Any) -> None:
        """A site's settings; JSON is YAML."""
        settings = {"site": name, "server": self.address, "device": "cpu", "threads": 1}
        (self.site(name) / "site.yaml").write_text(json.dumps(settings | content), encoding="utf-8")

    def write_run(self, **content: Any) -> None:
        self.run_file.write_text(json.dumps(content), encoding="utf-8")

    def say(self, *words: str) -> str:
        """What a command of ``federa deploy`` at the server prints."""
        process = self.launch(
            "server",
            [sys.executable, "-m", "federa", "deploy", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output, _ = process.communicate(timeout=180)
        assert process.returncode == 0, output
        return str(output)

    @contextmanager
    def running(self, kind: str, folder: Path) -> Iterator[subprocess.Popen[Any]]:
        """The server or a site, until it is ended here; its output goes to a file."""
        with (self.folder / f"{kind}-{folder.name}.out").open("ab") as file:
            process = self.launch(
                "server" if kind == "server" else folder.name,
                [sys.executable, "-m", "federa", "deploy", kind, str(folder)],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def outputs(self) -> str:
        logs = [*self.folder.glob("*.out"), *self.server.glob("logs/job-*.log")]
        return "\n".join(f"== {path.name}\n{path.read_text('utf-8')}" for path in logs)

    def wait_until_ready(self) -> None:
        until = time.monotonic() + 120
        while "ready" not in self.outputs():
            assert time.monotonic() < until, self.outputs()
            time.sleep(0.5)

    def submit(self) -> None:
        self.say("submit", str(self.server), str(self.run_file))

    def job(self) -> dict[str, Any]:
        path = self.server / "jobs" / "0001.json"
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def records(self) -> list[RoundRecord]:
        folder = self.job()["folder"]
        return read_records(Path(folder) / "rounds.jsonl") if folder else []

    def heard(self) -> set[int]:
        """The clients whose update has come in some round."""
        return {one.client for record in self.records() for one in record.clients if one.up}

    def messages(self, name: str) -> list[dict[str, Any]]:
        """What a site has logged of the messages that it sent."""
        text = (self.site(name) / "logs" / "messages.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def wait(
        self, done: Callable[[], bool], seconds: float = 240.0, pause_seconds: float = 0.5
    ) -> None:
        until = time.monotonic() + seconds
        while not done():  # a job's files are written anew as a whole
            seen = f"{self.job()}\n{self.outputs()}"
            assert time.monotonic() < until, seen
            assert self.job()["status"] != "failed", seen
            time.sleep(pause_seconds)

    def wait_for_round(self, number: int, pause_seconds: float = 0.5) -> None:
        self.wait(lambda: self.job()["round"] >= number, pause_seconds=pause_seconds)

    def wait_for_end(self) -> None:
        self.wait(lambda: self.job()["status"] == "finished")
