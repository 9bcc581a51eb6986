"""The site's worker: frames in and out, failures as answers, and what askers see when it ends."""

import os
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from federa.deploy import worker
from federa.deploy.worker import KEY, SOCKET, ask, failure_of
from federa.errors import ConfigError, DataError

SCRIPT = """
    import os, sys, time
    from pathlib import Path
    from federa.deploy.worker import serve
    from federa.errors import ConfigError

    class Site:
        def __init__(self, folder):
            print("made in", folder, flush=True)
            self.asked = 0

        def answer(self, kind, header, blob):
            self.asked += 1
            if kind == "wait":
                print("working", flush=True)
                time.sleep(600)
            if kind == "die":
                os._exit(9)
            if kind == "raise":
                raise ValueError("could not read 'Mrs Miller'\\nsecond line")
            if kind == "refuse":
                raise ConfigError("limits.tasks: no")
            if kind == "odd":
                return {"cannot": object()}, b""
            return {"kind": kind, "asked": self.asked, **header}, blob[::-1]

    serve(Path("folder"), Site, lambda: time.sleep(float(sys.argv[1])))
"""


class Worker:
    """A worker in a process of its own, and where this one finds it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.log = folder / "worker", folder / "log"
        self._processes: list[subprocess.Popen[bytes]] = []
        monkeypatch.setenv(SOCKET, str(self.path))
        monkeypatch.setenv(KEY, secrets.token_hex(32))

    def start(self, get_ready_seconds: float = 0.0) -> subprocess.Popen[bytes]:
        script = textwrap.dedent(SCRIPT)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", script, str(get_ready_seconds)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process

    def said(self, text: str) -> None:
        """Wait until its log holds ``text``."""
        until = time.monotonic() + 20
        while text not in self.log.read_text():
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    made = Worker(tmp_path, monkeypatch)
    yield made
    made.close()


def test_questions_are_answered_by_one_site(place: Worker) -> None:
    place.start()
    assert ask("train", {"round": 3}, b"abc") == (
        {"kind": "train", "asked": 1, "round": 3},
        b"cba",
    )
    big = os.urandom(3_000_000)
    answer, blob = ask("evaluate", {}, big)
    assert answer["asked"] == 2
    assert blob == big[::-1]
    assert ask("hello", {"text": "ä"}, b"") == ({"kind": "hello", "asked": 3, "text": "ä"}, b"")
    assert place.log.read_text().count("made in folder") == 1


def test_the_first_question_waits_until_the_worker_is_ready(place: Worker) -> None:
    place.start(get_ready_seconds=1.5)
    began = time.monotonic()
    assert ask("hello", {}, b"")[0]["kind"] == "hello"
    assert time.monotonic() - began > 1.0


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("raise", "ValueError; the site's log says more"),
        ("refuse", "limits.tasks: no"),
    ],
)
def test_an_error_is_an_answer(place: Worker, kind: str, failure: str) -> None:
    place.start()
    assert ask(kind, {}, b"x") == ({"failure": failure}, b"")
    assert ask("hello", {}, b"")[0]["asked"] == 2, "it goes on with the same site"
    if kind == "raise":
        assert "Mrs Miller" in place.log.read_text(), "the site's own log has it all"


def test_what_may_quote_rows_stays_at_the_site() -> None:
    assert "Miller" not in failure_of(DataError("notes.csv:3: label 'Miller' is unknown"))
    assert "Miller" not in failure_of(KeyError("Miller"))
    assert failure_of(ConfigError("model: not there")) == "model: not there"


@pytest.mark.parametrize("how", ["die", "killed", "terminated"])
def test_a_worker_that_ends_while_it_works(place: Worker, how: str) -> None:
    process = place.start()
    numbers = {"killed": signal.SIGKILL, "terminated": signal.SIGTERM}
    if how in numbers:

        def end() -> None:
            place.said("working")
            process.send_signal(numbers[how])

        threading.Thread(target=end).start()
    kind = "die" if how == "die" else "wait"
    with pytest.raises(ConnectionError) as caught:
        ask(kind, {}, b"")
    assert str(caught.value) == f"the site's worker ended while it worked on {kind}"
    assert process.wait(timeout=20) == {"die": 9, "killed": -9, "terminated": 0}[how]


def test_a_question_waits_for_the_worker_that_follows(place: Worker) -> None:
    process = place.start()
    ask("hello", {}, b"")
    process.kill()
    process.wait()
    assert place.path.exists(), "a killed worker leaves its socket behind"
    threading.Timer(0.5, place.start).start()
    assert ask("train", {}, b"")[0]["kind"] == "train"


def test_no_worker(place: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "STARTING_SECONDS", 0.3)
    with pytest.raises(ConnectionError, match="the site's worker is not running"):
        ask("train", {}, b"")


def test_only_who_has_the_key_is_answered(place: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    place.start()
    ask("hello", {}, b"")
    with monkeypatch.context() as changed:
        changed.setenv(KEY, "00")
        with pytest.raises(ConnectionError, match="cannot be reached"):
            ask("hello", {}, b"")
    assert ask("hello", {}, b"")[0]["asked"] == 2


@pytest.mark.parametrize("frames", [[], [b"train"], [b"train", b"not JSON", b""], [b"\xff"] * 3])
def test_half_a_question_does_no_harm(place: Worker, frames: list[bytes]) -> None:
    place.start()
    ask("hello", {}, b"")
    with Client(str(place.path), "AF_UNIX", authkey=bytes.fromhex(os.environ[KEY])) as connection:
        for frame in frames:
            connection.send_bytes(frame)
    assert ask("hello", {}, b"")[0]["asked"] == 2


def test_an_asker_that_does_not_wait_costs_nothing(place: Worker) -> None:
    place.start()
    with worker._connect(str(place.path), bytes.fromhex(os.environ[KEY])) as connection:
        for frame in (b"train", b"{}", b"x" * 1_000_000):
            connection.send_bytes(frame)
    answer, _ = ask("hello", {}, b"")
    assert answer["asked"] == 2
    assert place.log.read_text().count("made in folder") == 1


def test_an_answer_that_is_no_json_is_a_failure(place: Worker) -> None:
    place.start()
    assert ask("odd", {}, b"") == ({"failure": "TypeError; the site's log says more"}, b"")
