"""What is counted and timed in a round, and the reading of records."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.errors import RunError
from federa.types import ClientFailure, Download, Layout, ServerState, Upload
from federa.wire import packed_sizes

if TYPE_CHECKING:
    from federa.types import Tensors
    from federa.wire import Codec


@dataclass
class Bytes:
    """Traffic one way: tensor bytes, those of them in the task head, and the whole message."""

    tensor_bytes: int = 0
    head_bytes: int = 0
    serialised_bytes: int = 0

    def add(self, other: Bytes) -> None:
        """Count ``other`` in."""
        self.tensor_bytes += other.tensor_bytes
        self.head_bytes += other.head_bytes
        self.serialised_bytes += other.serialised_bytes


def count_bytes(
    message: Mapping[str, Tensors],
    head: frozenset[str],
    codec: Codec = "fp32",
    references: Collection[str] = (),
) -> Bytes:
    """The bytes of a message, given as its named groups of tensors, as ``federa.wire`` packs it.

    references: see ``wire.packed_sizes``.
    """
    of_each, serialised_bytes = packed_sizes(message, codec, references)
    of_head = (size for name, size in of_each.items() if name.partition("/")[2] in head)
    return Bytes(sum(of_each.values()), sum(of_head), serialised_bytes)


class PeakMemory:
    """The most memory used since this was made: what torch allocated on a CUDA device, else the
    resident memory of the process, as Linux counts it."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._counts = device.startswith("cuda")
        if device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(device)
        else:
            with suppress(OSError):  # not on other systems
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
                self._counts = True

    def read(self) -> int | None:
        """Bytes, or None where the system does not tell."""
        if not self._counts:
            return None
        if self.device.startswith("cuda"):
            import torch

            return int(torch.cuda.max_memory_allocated(self.device))
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        peaks = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(peaks[0][1]) * 1024 if peaks else None


@dataclass
class ClientRecord:
    """One client's part in a round. loss: mean over its examples; bytes as sent and received."""

    client: int
    first_contact: bool
    down: Bytes
    up: Bytes | None = None
    num_examples: int = 0
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class RoundRecord:
    """Everything known about one round; ``round`` counts from 1.

    measured_seconds: wall clock here (train, evaluate, total); peak_memory_bytes: of this process
    in the round (see ``PeakMemory``), and what its workers held beside it; scores: by split;
    evaluation_bytes: to and from clients that score a state themselves, beside ``down`` and ``up``;
    averaging_error: ||sum p_k B_k A_k - mean B mean A|| / ||sum p_k B_k A_k - B0 A0||, all pairs;
    diagnostics: by layer, see ``federa.diagnostics``, or None where they are off;
    modelled_seconds (download, compute, upload) and modelled_joules: on the devices of the run's
    profile, see ``federa.modelled``, or None without one.
    """

    round: int
    clients: list[ClientRecord] = field(default_factory=list)
    failures: list[ClientFailure] = field(default_factory=list)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    measured_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None
    averaging_error: float | None = None
    diagnostics: dict[str, Any] | None = None
    modelled_seconds: dict[str, float] | None = None
    modelled_joules: float | None = None
    learning_rate: float | None = None
    evaluation_bytes: tuple[int, int] = (0, 0)

    def sent(self, work: Mapping[int, Download], state: ServerState, codec: Codec = "fp32") -> None:
        """Count what each client is sent in the round that follows ``state``."""
        head = frozenset(state.layout.head)
        for client, download in sorted(work.items()):
            message = {
                "params": download.params,
                "base_change": download.base_change,
                "extra": download.extra,
                "start": download.start,
            }
            first = client not in state.contacted
            held = state.layout.of_base if first else state.layout.shared
            self.clients.append(
                ClientRecord(client, first, count_bytes(message, head, codec, held))
            )

    def received(
        self, answers: Iterable[Upload | ClientFailure], layout: Layout, codec: Codec = "fp32"
    ) -> Iterator[Upload | ClientFailure]:
        """Pass answers on, counting the bytes of every upload, used or not, and the time."""
        began = time.perf_counter()
        head = frozenset(layout.head)
        by_client = {record.client: record for record in self.clients}
        for answer in answers:
            record = by_client.get(answer.client)
            if isinstance(answer, Upload) and record is not None:
                message = {"params": answer.params, "extra": answer.extra}
                record.up = count_bytes(message, head, codec, layout.shared)
            yield answer
        self.measured_seconds["train"] = time.perf_counter() - began

    def usable(self, admitted: Iterable[Upload | ClientFailure]) -> list[Upload]:
        """The uploads in order of client id; failures are kept here."""
        by_client = {record.client: record for record in self.clients}
        uploads = []
        for answer in admitted:
            if isinstance(answer, ClientFailure):
                self.failures.append(answer)
                continue
            by_client[answer.client].num_examples = answer.num_examples
            by_client[answer.client].metrics = dict(answer.metrics)
            uploads.append(answer)
        return sorted(uploads, key=lambda upload: upload.client)

    @property
    def down(self) -> Bytes:
        """What the server sent, all clients together."""
        return _total(record.down for record in self.clients)

    @property
    def up(self) -> Bytes:
        """What the server received, all clients together."""
        return _total(record.up for record in self.clients if record.up)

    @property
    def used(self) -> list[ClientRecord]:
        """The clients whose update was used."""
        failed = {failure.client for failure in self.failures}
        return [record for record in self.clients if record.client not in failed]

    @property
    def train_loss(self) -> float | None:
        """Mean training loss of the clients whose update was used, weighted by their examples."""
        weighted = [
            (record.metrics["loss"], record.num_examples)
            for record in self.used
            if "loss" in record.metrics
        ]
        total = sum(number for _, number in weighted)
        return sum(loss * number for loss, number in weighted) / total if total else None

    def to_json(self) -> str:
        """One line, totals included."""
        content = asdict(self)
        content |= {"down": asdict(self.down), "up": asdict(self.up), "train_loss": self.train_loss}
        return json.dumps(finite(content), allow_nan=False)


def finite(value: Any) -> Any:
    """``value`` with NaN and infinities, which JSON cannot hold, replaced by None, at any depth."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _total(parts: Iterable[Bytes]) -> Bytes:
    total = Bytes()
    for part in parts:
        total.add(part)
    return total


def parse_record(line: str) -> RoundRecord:
    """The record that ``to_json`` wrote."""
    content = json.loads(line)
    for derived in ("down", "up", "train_loss"):
        content.pop(derived, None)
    content["evaluation_bytes"] = tuple(content.get("evaluation_bytes", (0, 0)))
    content["failures"] = [ClientFailure(**entry) for entry in content["failures"]]
    content["clients"] = [
        ClientRecord(
            **{
                **entry,
                "down": Bytes(**entry["down"]),
                "up": Bytes(**entry["up"]) if entry["up"] else None,
            }
        )
        for entry in content["clients"]
    ]
    return RoundRecord(**content)


def read_records(path: Path) -> list[RoundRecord]:
    """The records in a ``rounds.jsonl``; a last line that was cut off is left out.

    Raises: RunError if the file is damaged elsewhere.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: damaged or unreadable") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(parse_record(line))
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break
            raise RunError(f"{path}:{number}: not a round record") from error
    return records


def total_bytes(records: Sequence[RoundRecord]) -> dict[str, dict[str, int]]:
    """The traffic of all rounds: ``down`` and ``up``, each by kind of count."""
    ways = {"down": [r.down for r in records], "up": [r.up for r in records]}
    return {way: asdict(_total(parts)) for way, parts in ways.items()}


def total_seconds(records: Sequence[RoundRecord]) -> float:
    """The measured seconds of all rounds."""
    return sum(record.measured_seconds.get("total", 0.0) for record in records)


def best_round(records: Sequence[RoundRecord], main_score: str) -> int | None:
    """The earliest round with the highest validation score."""
    scored = [
        (score, -record.round)
        for record in records
        if (score := validation_score(record, main_score)) is not None
    ]
    return -max(scored)[1] if scored else None


def validation_score(record: RoundRecord, main_score: str) -> float | None:
    """The round's main score on the validation split, if it was evaluated."""
    return record.scores.get("validation", {}).get(main_score)


def averaging_norms(state: ServerState, uploads: Sequence[Upload]) -> list[tuple[float, float]]:
    """For every low-rank pair, how far the product of the averages is from the average of the
    products, and how far this one is from the start:

    ||s (sum p_k B_k A_k - mean(B) mean(A))|| and ||s (sum p_k B_k A_k - B0 A0)||.
    """
    from federa.linalg import averaging_gap, change, product_norm, stack

    total = sum(upload.num_examples for upload in uploads)
    shares = [upload.num_examples / total for upload in uploads]
    norms = []
    for pair in state.layout.pairs:
        products = [(upload.params[pair.b], upload.params[pair.a]) for upload in uploads]
        moves = [change(b, a, state.start[pair.b], state.start[pair.a]) for b, a in products]
        weighted = [
            (share * left, right) for share, (left, right) in zip(shares, moves, strict=True)
        ]
        gap = pair.scaling * float(product_norm(averaging_gap(products, shares)))
        norms.append((gap, pair.scaling * float(product_norm(stack(weighted)))))
    return norms


def averaging_error(norms: Sequence[tuple[float, float]]) -> float | None:
    """The relative error of averaging, over all pairs of ``averaging_norms`` together.

    None where nothing is low-rank, nothing moved, or the numbers overflow.
    """
    gap = math.hypot(*(gap for gap, _ in norms))
    move = math.hypot(*(move for _, move in norms))
    return gap / move if move > 0 and math.isfinite(gap / move) else None
