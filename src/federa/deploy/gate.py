"""The only door to the network: a TLS proxy that lets sites through to Flower, and nothing else.

Flower's SuperLink serves three interfaces on one port: the fleet's, where a site proves by its key
who it is; and those for control and for tasks, where whoever reaches them can start code. So the
SuperLink listens on the loopback interface alone, and this passes on ``POST /v1/fleet/<name>``. The
path that is asked upstream is put together from the matched name, never copied.

It runs as a process of its own: whatever the network does to it, memory and descriptors run out
here and not in the supervisor, which then sees it end and ends the rest in order.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.deploy.certificates import AUTHORITY, SERVER_CERTIFICATE, SERVER_KEY

if TYPE_CHECKING:
    import httpx

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

ALLOWED = re.compile(rb"/v1/fleet/([a-z]+(?:-[a-z]+)*)")
MOST_BODY_BYTES = 64_000_000
"""Flower's objects are pieces of 5 MB."""
IDLE_SECONDS = 60.0
"""How long a body may stand still, and an answer may be waited for."""
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade expect".split()
)
"""Of one connection, not of the message (RFC 9110, 7.6.1)."""
BAD_REQUEST, FORBIDDEN, TIMEOUT, TOO_LARGE = 400, 403, 408, 413
BAD_GATEWAY, GATEWAY_TIMEOUT = 502, 504
LINES, LINES_SECONDS = 10, 60.0
"""So many refusals are written down in so much time; the others are counted."""


class _RefusedError(Exception):
    """A request that is answered here."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _GoneError(Exception):
    """The client closed the connection while it sent."""


class Gate:
    """The proxy as an ASGI application.

    client: its base URL is the SuperLink's; say: takes a line for each of the first refusals.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        say: Callable[[str], None],
        most_body_bytes: int = MOST_BODY_BYTES,
    ) -> None:
        self.client, self.say, self.most_body_bytes = client, say, most_body_bytes
        self._since, self._refusals = time.monotonic(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def note_start(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._pass_on(self._name(scope), scope, receive, note_start)
        except _GoneError:
            return
        except _RefusedError as refused:
            if started:
                raise  # half an answer is out, so that the connection has to break
            self._note(refused.status, scope)
            await _answer(send, refused.status)

    def _name(self, scope: Scope) -> bytes:
        """The fleet's operation that is asked for.

        Raises: _RefusedError for everything else.
        """
        whole = ALLOWED.fullmatch(scope["raw_path"])
        if whole is None or scope["method"] != "POST" or scope["query_string"]:
            raise _RefusedError(FORBIDDEN)
        return whole[1]

    async def _pass_on(self, name: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        import httpx

        headers = _end_to_end(scope["headers"], drop=b"host")
        declared = dict(headers).get(b"content-length")
        if declared is not None and b"transfer-encoding" in dict(scope["headers"]):
            raise _RefusedError(BAD_REQUEST)  # two lengths, of which each side might take another
        if declared is not None and int(declared) > self.most_body_bytes:
            raise _RefusedError(TOO_LARGE)
        # made by itself, since the client would add headers of its own
        request = httpx.Request(
            "POST",
            self.client.base_url.join(f"/v1/fleet/{name.decode('ascii')}"),
            headers=headers,
            content=self._body(receive),
            extensions={"timeout": self.client.timeout.as_dict()},
        )
        try:
            response = await self.client.send(request, stream=True)
            try:
                await _relay(response, send)
            finally:
                await response.aclose()
        except httpx.TimeoutException:
            raise _RefusedError(GATEWAY_TIMEOUT) from None
        except httpx.HTTPError:
            raise _RefusedError(BAD_GATEWAY) from None

    async def _body(self, receive: Receive) -> AsyncIterator[bytes]:
        """The request's body as it comes, up to the limit."""
        total, more = 0, True
        while more:
            try:
                message = await asyncio.wait_for(receive(), IDLE_SECONDS)
            except TimeoutError:
                raise _RefusedError(TIMEOUT) from None
            if message["type"] == "http.disconnect":
                raise _GoneError
            part, more = message.get("body", b""), message.get("more_body", False)
            total += len(part)
            if total > self.most_body_bytes:
                raise _RefusedError(TOO_LARGE)
            if part:
                yield part

    def _note(self, status: int, scope: Scope) -> None:
        """Write a refusal down, unless there were many just now."""
        if time.monotonic() - self._since > LINES_SECONDS:
            if self._refusals > LINES:
                self.say(f"{self._refusals - LINES} more refusals")
            self._since, self._refusals = time.monotonic(), 0
        self._refusals += 1
        if self._refusals <= LINES:
            client = (scope.get("client") or ("unknown",))[0]
            self.say(f"{status} {client} {scope['method'][:20]} {scope['raw_path'][:100]!r}")


def _end_to_end(headers: Headers, drop: bytes) -> Headers:
    """The headers without those of one connection, which may name more of them."""
    listed = b",".join(value for name, value in headers if name.lower() == b"connection")
    of_connection = {drop, *HOP_BY_HOP, *(name.strip().lower() for name in listed.split(b","))}
    return [(name, value) for name, value in headers if name.lower() not in of_connection]


async def _relay(response: httpx.Response, send: Send) -> None:
    headers = _end_to_end(response.headers.raw, drop=b"server")
    headers = [(name.lower(), value) for name, value in headers]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    async for part in response.aiter_raw():
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _answer(send: Send, status: int) -> None:
    """Answer with nothing but the status, and close the connection: a body may still be coming."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def listen(port: int, host: str = "") -> socket.socket:
    """A listening socket; without a host on every interface, IPv6 too where there is any."""
    if host or not socket.has_dualstack_ipv6():
        return socket.create_server((host or "0.0.0.0", port), backlog=256)
    return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)


async def serve(folder: Path, port: int, internal_port: int, host: str = "") -> None:
    """Pass requests on until a signal.

    folder: with server.crt, server.key and ca.crt; internal_port: of the SuperLink.
    """
    import httpx
    import uvicorn

    # shorter than the time after which either server closes a connection that is not in use
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=2.0)
    async with httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{internal_port}",
        verify=_trusting(folder / AUTHORITY),
        timeout=httpx.Timeout(IDLE_SECONDS, connect=5.0, pool=None),
        limits=limits,
        trust_env=False,
    ) as client:
        config = uvicorn.Config(
            Gate(client, _print_line),
            http="h11",  # strict about what a request is
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
            ssl_certfile=folder / SERVER_CERTIFICATE,
            ssl_keyfile=folder / SERVER_KEY,
        )
        with listen(port, host) as door:
            await uvicorn.Server(config).serve(sockets=[door])


def _trusting(authority: Path) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(authority))


def _print_line(line: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), line, flush=True)


def main() -> None:
    """``python -m federa.deploy.gate FOLDER PORT INTERNAL_PORT [HOST]``."""
    folder, port, internal_port, *host = sys.argv[1:]
    asyncio.run(serve(Path(folder), int(port), int(internal_port), *host))


if __name__ == "__main__":
    main()
