"""What a site makes of its server, and of a SuperNode that gives up."""

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="needs the flower extra")

from federa.deploy.certificates import new_authority, new_server_certificate
from federa.deploy.processes import Child, EndedError
from federa.deploy.records import Federation
from federa.deploy.site import reaches, why_ended
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
    log.write_text(output)
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    process.wait()
    return Child("supernode", process, log)


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
            ConfigError,
            "key: fl.example.org:8443 does not know this site's key",
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
