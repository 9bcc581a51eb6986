"""Letters to clients over a Flower grid, and their answers, as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flwr.app import Message, RecordDict
    from flwr.serverapp import Grid

MESSAGE_TYPES = {"hello": "query", "train": "train", "evaluate": "evaluate"}
POLL_SECONDS = 0.25
GRACE_SECONDS = 5.0
"""A letter lives so much longer than it is waited for, or Flower would call it lost first."""
LONGEST_SECONDS = 7 * 24 * 3600.0
"""How long a letter lives that nobody set a time for."""


@dataclass(frozen=True)
class Letter:
    """What is said, in JSON, and tensors as ``federa.wire`` packs them."""

    header: dict[str, Any]
    blob: bytes = b""


@dataclass(frozen=True)
class Reply:
    """A client's answer to the letter ``letter``; ``error`` if Flower had none to give."""

    letter: str
    client: int
    header: dict[str, Any]
    blob: bytes = b""
    error: str | None = None


@dataclass(frozen=True)
class _Sent:
    client: int
    until: float


class GridLink:
    """What is on its way over ``grid``.

    nodes: the node of each client that is there now. One letter at a time may be with a client;
    Flower would queue a second, and a slow client would then work through rounds that are over.
    """

    def __init__(self, grid: Grid, nodes: Callable[[], Mapping[int, int]]) -> None:
        self.grid = grid
        self.nodes = nodes
        self._sent: dict[str, _Sent] = {}
        self._kept: list[Reply] = []

    def free(self) -> list[int]:
        """Clients that are there and have no letter to answer, in order."""
        self._forget()
        busy = {sent.client for sent in self._sent.values()}
        return sorted(client for client in self.nodes() if client not in busy)

    def send(
        self, kind: str, letters: Mapping[int, Letter], round: int, seconds: float | None
    ) -> dict[str, int]:
        """Send each client its letter; the client of each letter that is on its way.

        seconds: soon after so long a letter is void, wherever it is.
        """
        from flwr.app import Message

        lives = LONGEST_SECONDS if seconds is None else seconds + GRACE_SECONDS
        nodes = self.nodes()
        gone: dict[str, int] = {}
        for client, letter in letters.items():
            if client not in nodes:
                continue
            message = Message(
                to_content(letter.header, letter.blob),
                dst_node_id=nodes[client],
                message_type=MESSAGE_TYPES[kind],
                ttl=lives,
                group_id=str(round),
            )
            for number in self.grid.push_messages([message]):
                if number:
                    self._sent[number] = _Sent(client, time.monotonic() + lives)
                    gone[number] = client
        return gone

    def replies(self) -> list[Reply]:
        """What has come since the last call, and what ``ask`` had not asked for."""
        self._forget()
        found, self._kept = self._kept, []
        if not self._sent:
            return found
        for message in self.grid.pull_messages(list(self._sent)):
            number = message.metadata.reply_to_message_id
            sent = self._sent.pop(number, None)
            if sent is not None:
                found.append(_read(message, number, sent.client))
        return found

    def ask(
        self, kind: str, letters: Mapping[int, Letter], round: int, seconds: float | None
    ) -> Iterator[Reply]:
        """The reply of each client, as they come; late ones become errors."""
        waiting = self.send(kind, letters, round, seconds)
        for client in sorted(set(letters) - set(waiting.values())):
            yield Reply("", client, {}, error="could not be reached")
        until = time.monotonic() + (LONGEST_SECONDS if seconds is None else seconds)
        others: list[Reply] = []
        while waiting and time.monotonic() < until:
            for reply in self.replies():
                if waiting.pop(reply.letter, None) is None:
                    others.append(reply)
                else:
                    yield reply
            if waiting:
                time.sleep(POLL_SECONDS)
        self._kept += others
        for number, client in waiting.items():
            yield Reply(number, client, {}, error=f"no answer within {seconds:g} s")

    def _forget(self) -> None:
        now = time.monotonic()
        self._sent = {number: sent for number, sent in self._sent.items() if now < sent.until}


def to_content(header: Mapping[str, Any], blob: bytes) -> RecordDict:
    """A letter or an answer as Flower carries it: the tensors as one array, whatever their number.

    Flower sends every array as an object of its own, with 0.3 to 0.6 kB beside each.
    """
    from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

    content = RecordDict({"federa": ConfigRecord({"header": json.dumps(header)})})
    if blob:
        array = Array("uint8", (len(blob),), "federa.wire", blob)
        content["tensors"] = ArrayRecord({"blob": array})
    return content


def from_content(content: RecordDict) -> tuple[dict[str, Any], bytes]:
    """What ``to_content`` wrote.

    Raises: ValueError for anything else.
    """
    try:
        header = json.loads(str(content["federa"]["header"]))
        tensors = content.array_records.get("tensors")
        blob = bytes(tensors["blob"].data) if tensors is not None else b""
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a message of federa ({type(error).__name__})") from error
    if not isinstance(header, dict):
        raise ValueError("not a message of federa (its header is no object)")
    return header, blob


def _read(message: Message, number: str, client: int) -> Reply:
    if message.has_error():
        reason = " ".join((message.error.reason or f"error {message.error.code}").split())
        return Reply(number, client, {}, error=reason[:300])
    try:
        header, blob = from_content(message.content)
    except ValueError as error:
        return Reply(number, client, {}, error=str(error))
    failure = header.get("failure")
    return Reply(number, client, header, blob, str(failure)[:300] if failure else None)
