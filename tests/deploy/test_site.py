"""What a site makes of its server, and of a SuperNode that gives up."""

import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="needs the flower extra")

from federa.deploy import site
from federa.deploy.certificates import new_authority, new_server_certificate
from federa.deploy.processes import Child, EndedError, Processes
from federa.deploy.records import Federation, SiteConfig
from federa.deploy.site import NotLetInError, reaches, why_ended
from federa.deploy.supernode import GAVE_UP
from federa.errors import ConfigError

pytestmark = pytest.mark.flower


@contextmanager
def tls_server(folder: Path) -> Iterator[int]:
    """A server that shakes hands, with the certificate in ``folder``; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as door:

        def shake_hands() -> None:
            with suppress(OSError):
                connection, _ = door.accept()
                with connection, context.wrap_socket(connection, server_side=True) as inside:
                    inside.recv(1)

        thread = threading.Thread(target=shake_hands)
        thread.start()
        yield door.getsockname()[1]
        thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("server")
    authority = new_authority("test")
    federation = Federation.parse({"addresses": ["fl.example.org"], "sites": ["a"]})
    server = new_server_certificate(authority, federation)
    (made / "ca.crt").write_bytes(authority.public)
    (made / "server.crt").write_bytes(server.public)
    (made / "server.key").write_bytes(server.private)
    (made / "other.crt").write_bytes(new_authority("other").public)
    return made


def test_the_server_of_the_authority(folder: Path) -> None:
    with tls_server(folder) as port:
        assert reaches(f"127.0.0.1:{port}", folder / "ca.crt")
    assert not reaches(f"127.0.0.1:{port}", folder / "ca.crt"), "it is gone now"


def test_another_server(folder: Path) -> None:
    with (
        tls_server(folder) as port,
        pytest.raises(ConfigError, match=r"another certificate than this site's ca\.crt"),
    ):
        reaches(f"127.0.0.1:{port}", folder / "other.crt")
    with pytest.raises(ConfigError, match="not a certificate"):
        reaches(f"127.0.0.1:{port}", folder / "server.key")


def ended(folder: Path, output: str, code: int) -> Child:
    log = folder / "supernode.log"
    log.write_text(f"{OLD}--- supernode started\n{output}")
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    process.wait()
    return Child("supernode", process, log)


OLD = "ERROR :     Exit Code: 302\nof an earlier start\n\n"
CONNECTION = """WARNING :   Connection attempt failed
ERROR :     Exit Code: 305
Failed to initialize the connection to the SuperLink.
{reason}
The SuperNode could not establish a connection to the SuperLink.

For more information, visit: <https://flower.ai/docs/framework/1.41/en/ref-exit-codes/305.html>
"""


@pytest.mark.parametrize(
    ("output", "code", "kind", "message"),
    [
        (
            CONNECTION.format(reason="[code: 2004] Failed to activate SuperNode."),
            1,
            NotLetInError,
            "key: fl.example.org:8443 does not let this site in: its operator",
        ),
        (
            CONNECTION.format(reason="[SSL: CERTIFICATE_VERIFY_FAILED] expired"),
            1,
            ConfigError,
            "server: fl.example.org:8443: Failed .* CERTIFICATE_VERIFY_FAILED",
        ),
        (
            "ERROR :     Exit Code: 302\nUnable to parse the private key file.\n\nFor more",
            1,
            ConfigError,
            "key: not an elliptic-curve key",
        ),
        (
            "INFO :      SuperNode terminated gracefully.\n",
            0,
            ConfigError,
            "no longer accepts this site's key, or the clocks differ",
        ),
        (
            "Traceback ...\nMemoryError\n",
            1,
            EndedError,
            r"supernode ended \(exit code 1; .*supernode.log: MemoryError\)",
        ),
    ],
)
def test_why_a_supernode_ended(
    tmp_path: Path, output: str, code: int, kind: type[ConfigError], message: str
) -> None:
    error = why_ended(ended(tmp_path, output, code), "fl.example.org:8443")
    assert type(error) is kind
    assert error.exit_code == (1 if kind is EndedError else 2)
    with pytest.raises(kind, match=message):
        raise error


class Place:
    """A site whose worker and SuperNode are scripts, and what it says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.lines = folder, []
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(site, "TICK_SECONDS", 0.02)
        monkeypatch.setattr(site, "RETRY_SECONDS", 0.05)
        monkeypatch.setattr(site, "write_commands", lambda folder: None)
        self.scripts = {"worker": "import time; time.sleep(600)"}
        self.scripts["supernode"] = self.scripts["worker"]

    def run(self, seconds: float = 60.0, enough: str | None = None) -> list[str]:
        """Run it until it ends, for so long, or until it has said ``enough``."""
        config = SiteConfig.parse(
            {"site": "a", "server": "fl.example.org:8443", "data": {"name": "servicedesk"}}
        )
        stop = threading.Event()
        timer = threading.Timer(seconds, stop.set)
        timer.start()

        def say(line: str) -> None:
            self.lines.append(line)
            if enough is not None and enough in line:
                stop.set()

        def command(module: str) -> list[str]:
            return [sys.executable, "-c", self.scripts[module.rpartition(".")[2]]]

        self.monkeypatch.setattr(site, "python", command)
        try:
            with Processes(self.folder / "logs", grace_seconds=2.0) as processes:
                site._Site(self.folder, config, processes, say).run(stop)
        finally:
            timer.cancel()
        return self.lines


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_a_worker_that_ends_is_started_again_later_and_later(place: Place) -> None:
    place.scripts["worker"] = "print('no memory'); raise SystemExit(3)"
    lines = place.run(enough="started again in 2 s")
    said = [line for line in lines if line.startswith("the worker ended")]
    assert [line.rpartition("; ")[2] for line in said] == [
        f"started again in {pause} s" for pause in (0, 1, 2)
    ]
    assert "exit code 3" in said[0]
    assert "no memory" in said[0]


def test_a_supernode_that_gave_up_is_started_again(place: Place) -> None:
    place.scripts["supernode"] = f"raise SystemExit({GAVE_UP})"
    lines = place.run(seconds=2.0)
    assert sum(line.startswith("the connection broke") for line in lines) > 1
    assert lines[-1] == "stopping"


def test_a_site_that_is_not_let_in_goes_on_trying_for_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash the server takes the site for connected for a minute."""
    monkeypatch.setattr(site, "ENTRY_SECONDS", 1.0)
    reason = "[code: 2004] Failed to activate SuperNode."
    text = CONNECTION.format(reason=reason)
    place.scripts["supernode"] = f"print({text!r}); raise SystemExit(1)"
    with pytest.raises(ConfigError, match="does not let this site in"):
        place.run()
    assert place.lines[-1].endswith("; tried again for 1 s")
    log = (place.folder / "logs" / "supernode.log").read_text()
    assert log.count("--- supernode started") > 3


def test_a_supernode_that_dies_ends_the_site(place: Place) -> None:
    place.scripts["supernode"] = "import os; os.kill(os.getpid(), 9)"
    with pytest.raises(EndedError, match=r"supernode ended \(signal 9; "):
        place.run()


def test_our_supernode_ends_when_its_loop_does() -> None:
    """Flower's own would go on for ever, since a thread of it does."""
    script = """
        import threading, time
        import flwr.supernode.cli
        from federa.deploy import supernode

        def give_up():
            threading.Thread(target=time.sleep, args=(600,)).start()

        flwr.supernode.cli.flower_supernode = give_up
        supernode.main()
    """
    pytest.importorskip("flwr", reason="needs the flower extra")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=60, check=False)
    assert done.returncode == GAVE_UP
