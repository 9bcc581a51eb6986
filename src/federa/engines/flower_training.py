"""A round's downloads and uploads as letters, for simulated clients and for sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from federa.engines.flower_link import Letter
from federa.types import ClientFailure, Download, Upload
from federa.wire import pack_download, received, unpack_upload

if TYPE_CHECKING:
    from federa.engines.flower import Flower
    from federa.engines.flower_link import GridLink
    from federa.types import Tensors

ESTRANGED = ("needs its start", "has not been greeted")
"""What a site says that lost its memory of a run."""


def train_over(
    link: GridLink,
    settings: Flower,
    round: int,
    work: Mapping[int, Download],
    known: Callable[[int], Tensors],
    run: str,
    lost: Callable[[int], None] | None = None,
) -> Iterator[Upload | ClientFailure]:
    """Send each client of ``work`` its download, and yield what comes back.

    known: what a client holds of the start, by name; run: which run the letters are of; lost: told
    of each client that gave no answer at all, or one that shows that it has to be greeted anew.
    """
    letters, sent = {}, {}
    seconds = settings.round_timeout_seconds
    for client, download in sorted(work.items()):
        blob = pack_download(download, known(client), settings.download)
        sent[client] = received(download, known(client), settings.download)
        header = {
            "run": run,
            "round": round,
            "client": client,
            "seconds": seconds,
            "upload": settings.upload,
        }
        letters[client] = Letter(header, blob)
    for reply in link.ask("train", letters, round, seconds):
        if reply.error is not None:
            estranged = not reply.header or any(sign in reply.error for sign in ESTRANGED)
            if lost is not None and estranged:
                lost(reply.client)
            yield ClientFailure(reply.client, reply.error)
            continue
        try:
            yield unpack_upload(reply.blob, reply.client, sent[reply.client])
        except ValueError as error:
            yield ClientFailure(reply.client, f"its answer cannot be read: {error}")
