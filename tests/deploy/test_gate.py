"""What the gate lets through to the SuperLink, and above all what it does not."""

import asyncio
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="needs the flower extra")
httpx = pytest.importorskip("httpx", reason="needs the flower extra")
uvicorn = pytest.importorskip("uvicorn", reason="needs the flower extra")

from federa.deploy.certificates import new_authority, new_server_certificate  # noqa: E402
from federa.deploy.gate import LINES, MOST_BODY_BYTES, Gate, listen  # noqa: E402
from federa.deploy.records import Federation  # noqa: E402

pytestmark = pytest.mark.flower
PIECE = os.urandom(1 << 16)


class Upstream:
    """In place of a SuperLink: writes down what reaches it, and answers with what was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.received = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append((scope["method"], scope["path"], headers))
        body, more = bytearray(), True
        self.received = 0
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            self.received = len(body)
            more = message.get("more_body", False)
        status = int(headers.get("x-status", "200"))
        answer = [(b"x-answer", b"yes"), (b"connection", b"x-private"), (b"x-private", b"no")]
        await send({"type": "http.response.start", "status": status, "headers": answer})
        for start in range(0, len(body), 1 << 16):
            part = bytes(body[start : start + (1 << 16)])
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's folder with its certificates."""
    made = tmp_path_factory.mktemp("server")
    federation = Federation.parse({"addresses": ["fl.example.org"], "sites": ["a"]})
    authority = new_authority("test")
    server = new_server_certificate(authority, federation)
    (made / "ca.crt").write_bytes(authority.public)
    (made / "server.crt").write_bytes(server.public)
    (made / "server.key").write_bytes(server.private)
    return made


@pytest.fixture(scope="module")
def upstream(folder: Path) -> Iterator[tuple[Upstream, int]]:
    app = Upstream()
    config = uvicorn.Config(
        app,
        log_level="critical",
        lifespan="off",
        ws="none",
        ssl_certfile=folder / "server.crt",
        ssl_keyfile=folder / "server.key",
    )
    server = uvicorn.Server(config)
    door = listen(0, "127.0.0.1")
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[door])))
    thread.start()
    yield app, door.getsockname()[1]
    server.should_exit = True
    thread.join()
    door.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def start_gate(folder: Path, internal_port: int) -> tuple[subprocess.Popen[str], int]:
    port = free_port()
    command = [sys.executable, "-m", "federa.deploy.gate", str(folder), str(port)]
    process = subprocess.Popen(
        [*command, str(internal_port), "127.0.0.1"],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return process, port


@pytest.fixture(scope="module")
def port(folder: Path, upstream: tuple[Upstream, int]) -> Iterator[int]:
    """Of a gate before the upstream."""
    process, number = start_gate(folder, upstream[1])
    yield number
    process.terminate()
    output, _ = process.communicate(timeout=20)
    assert "Traceback" not in output


@pytest.fixture
def app(upstream: tuple[Upstream, int]) -> Upstream:
    upstream[0].seen.clear()
    return upstream[0]


@pytest.fixture
def context(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "ca.crt"))


class Wire:
    """A TLS connection, for requests that no client library would send."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def status(self) -> int:
        """Of the next answer."""
        received = b""
        while not (found := re.search(rb"HTTP/1\.1 (\d+) .*\r\n\r\n", received, re.DOTALL)):
            part = self.socket.recv(65536)
            assert part, received
            received += part
        return int(found[1])

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def wire(port: int, context: ssl.SSLContext) -> Iterator[Wire]:
    made = Wire(port, context)
    yield made
    made.close()


def test_a_site_gets_through(port: int, app: Upstream, context: ssl.SSLContext) -> None:
    headers = {
        "flwr-public-key": "a2V5",
        "flwr-timestamp": "2026-11-26T12:00:00+00:00",
        "flwr-signature": "c2ln",
        "content-type": "application/x-protobuf",
        "connection": "keep-alive, x-secret",
        "x-secret": "for the gate alone",
        "te": "trailers",
    }
    url = f"https://127.0.0.1:{port}/v1/fleet/send-node-heartbeat"
    with httpx.Client(verify=context, trust_env=False) as client:
        for _ in range(3):
            answer = client.post(url, content=b"hello", headers=headers)
            assert answer.status_code == 200
            assert answer.content == b"hello"
    assert answer.headers["x-answer"] == "yes"
    assert "x-private" not in answer.headers
    assert len(app.seen) == 3
    method, path, seen = app.seen[0]
    assert (method, path) == ("POST", "/v1/fleet/send-node-heartbeat")
    for name in ("flwr-public-key", "flwr-timestamp", "flwr-signature", "content-type"):
        assert seen[name] == headers[name]
    assert "x-secret" not in seen
    assert "te" not in seen
    assert seen["content-length"] == "5"


@pytest.mark.parametrize("status", [401, 403, 412, 503])
def test_answers_of_the_superlink_come_back_as_they_are(
    port: int, app: Upstream, context: ssl.SSLContext, status: int
) -> None:
    with httpx.Client(verify=context, trust_env=False) as client:
        answer = client.post(
            f"https://127.0.0.1:{port}/v1/fleet/get-run",
            content=b'{"code": 1}',
            headers={"x-status": str(status)},
        )
    assert (answer.status_code, answer.content) == (status, b'{"code": 1}')


TARGETS = [
    b"/",
    b"/docs",
    b"/openapi.json",
    b"/health",
    b"*",
    b"/v1/control/start-run",
    b"/v1/runtime/acquire-task",
    b"/v1/responses",
    b"/v1/fleet",
    b"/v1/fleet/",
    b"/v1/fleet/get-run/",
    b"/v1/fleet/get-run/x",
    b"/v1/fleet//get-run",
    b"/v1/fleet/-",
    b"/v1/fleet/GET-RUN",
    b"/V1/FLEET/get-run",
    b"/v1/fleet/../control/start-run",
    b"/v1/fleet/./get-run",
    b"/v1/fleet/%2e%2e/control/start-run",
    b"/v1/fleet/%2E%2E/control/start-run",
    b"/v1/fleet/..%2fcontrol%2fstart-run",
    b"/v1/fleet/%252e%252e/control/start-run",
    b"/v1/fleet/..\\control\\start-run",
    b"/v1/fleet/..;/control/start-run",
    b"/v1/%66leet/get-run",
    b"/v1/fleet/get%2drun",
    b"/v1/fleet/get-run%00",
    b"/v1/fleet/get-run%20",
    b"/v1/fleet/get-run%0d%0ax:y",
    b"/v1/fleet/get-run;x",
    b"/v1/fleet/get-run?x=1",
    b"/v1/fleet/get-run#x",
    b"//v1/control/start-run",
    b"//v1/fleet/get-run",
    b"/v1//fleet/get-run",
    b"/x/../v1/fleet/get-run",
    b"https://127.0.0.1/v1/control/start-run",
    b"https://127.0.0.1/v1/fleet/get-run",
    b"http://127.0.0.1:1/v1/fleet/get-run",
    b"v1/fleet/get-run",
    b"@127.0.0.1/v1/fleet/get-run",
]


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_everything_else_is_forbidden(wire: Wire, app: Upstream, target: bytes) -> None:
    wire.send(b"POST " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    assert wire.status() == 403
    assert app.seen == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post", "POSTS"])
def test_only_post_is_allowed(wire: Wire, app: Upstream, method: str) -> None:
    wire.send(f"{method} /v1/fleet/get-run HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert wire.status() == 403
    assert app.seen == []


def test_a_websocket_is_forbidden(wire: Wire, app: Upstream) -> None:
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    wire.send(b"GET /v1/fleet/get-run HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")
    assert wire.status() == 403
    assert app.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: +5\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Content-Length : 5\r\n",
    ],
)
def test_a_request_of_doubtful_length_goes_nowhere(
    wire: Wire, app: Upstream, headers: bytes
) -> None:
    """Gate and SuperLink might else disagree on where the next request begins."""
    hidden = b"0\r\n\r\nPOST /v1/control/start-run HTTP/1.1\r\nHost: x\r\n\r\n"
    wire.send(b"POST /v1/fleet/get-run HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + hidden)
    assert wire.status() in (400, 501)
    assert app.seen == []


def test_a_second_request_on_the_connection_is_judged_too(wire: Wire, app: Upstream) -> None:
    allowed = b"POST /v1/fleet/get-run HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    wire.send(allowed)
    assert wire.status() == 200
    wire.send(b"POST /v1/control/start-run HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert wire.status() == 403
    assert [path for _, path, _ in app.seen] == ["/v1/fleet/get-run"]


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


CHUNKED = b"POST /v1/fleet/push-object HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_bodies_flow_through_while_they_come(wire: Wire, app: Upstream) -> None:
    app.received = 0
    wire.send(CHUNKED + chunk(PIECE))
    wait_for(lambda: app.received > 0)
    wire.send(chunk(PIECE) + b"0\r\n\r\n")
    assert wire.status() == 200
    assert app.received == 2 * len(PIECE)


def test_large_bodies_both_ways(port: int, app: Upstream, context: ssl.SSLContext) -> None:
    whole = PIECE * 320  # 21 MB
    with httpx.Client(verify=context, trust_env=False, timeout=60) as client:
        answer = client.post(f"https://127.0.0.1:{port}/v1/fleet/push-object", content=whole)
    assert answer.content == whole


def test_a_body_that_says_it_is_too_large(wire: Wire, app: Upstream) -> None:
    size = MOST_BODY_BYTES + 1
    wire.send(
        f"POST /v1/fleet/push-object HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    )
    assert wire.status() == 413
    assert app.seen == []


def test_a_body_that_becomes_too_large(wire: Wire, app: Upstream) -> None:
    wire.send(CHUNKED)
    try:
        for _ in range(MOST_BODY_BYTES // len(PIECE) + 2):
            wire.send(chunk(PIECE))
    except OSError:
        pass  # it need not listen to the end
    assert wire.status() == 413
    assert app.received <= MOST_BODY_BYTES


def test_a_client_that_goes_away_harms_nobody(
    port: int, app: Upstream, context: ssl.SSLContext
) -> None:
    gone = Wire(port, context)
    gone.send(CHUNKED + chunk(PIECE))
    wait_for(lambda: bool(app.seen))
    gone.close()
    with httpx.Client(verify=context, trust_env=False) as client:
        answer = client.post(f"https://127.0.0.1:{port}/v1/fleet/get-run", content=b"x")
    assert answer.status_code == 200


def test_without_a_superlink(folder: Path, context: ssl.SSLContext) -> None:
    process, port = start_gate(folder, free_port())
    try:
        with httpx.Client(verify=context, trust_env=False) as client:
            answer = client.post(f"https://127.0.0.1:{port}/v1/fleet/get-run", content=b"x" * 9000)
            assert (answer.status_code, answer.content) == (502, b"")
            refused = client.post(f"https://127.0.0.1:{port}/v1/control/start-run")
            assert (refused.status_code, refused.content) == (403, b"")
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert re.search(r" 502 127\.0\.0\.1 POST b'/v1/fleet/get-run'", output)
    assert re.search(r" 403 127\.0\.0\.1 POST b'/v1/control/start-run'", output)
    assert "Traceback" not in output


def test_a_superlink_of_another_authority_is_not_trusted(
    folder: Path, upstream: tuple[Upstream, int], app: Upstream, tmp_path: Path
) -> None:
    for name in ("server.crt", "server.key"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "ca.crt").write_bytes(new_authority("other").public)
    process, port = start_gate(tmp_path, upstream[1])
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        with httpx.Client(verify=context, trust_env=False) as client:
            answer = client.post(f"https://127.0.0.1:{port}/v1/fleet/get-run", content=b"x")
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert answer.status_code == 502
    assert app.seen == []


def test_plain_http_gets_no_answer(port: int, app: Upstream) -> None:
    with pytest.raises(httpx.TransportError), httpx.Client(trust_env=False) as client:
        client.post(f"http://127.0.0.1:{port}/v1/fleet/get-run", content=b"x")
    assert app.seen == []


def test_a_flood_of_refusals_is_a_few_lines() -> None:
    lines: list[str] = []

    async def flood() -> None:
        async def send(message: Any) -> None:
            pass

        async with httpx.AsyncClient() as client:
            gate = Gate(client, lines.append)
            scope = {
                "method": "GET" * 50,
                "raw_path": b"/" + b"x" * 9000,
                "query_string": b"",
                "client": ("192.0.2.1", 1),
                "headers": [],
            }
            for _ in range(1000):
                await gate(scope, None, send)  # type: ignore[arg-type]
            gate._since -= 61
            await gate(scope, None, send)  # type: ignore[arg-type]

    asyncio.run(flood())
    assert len(lines) == LINES + 2
    assert lines[LINES] == f"{1000 - LINES} more refusals"
    assert max(map(len, lines)) < 200
