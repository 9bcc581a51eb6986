"""Label skew by counting: a client holds only a few classes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.errors import ConfigError
from federa.partition.shares import as_clients, refuse_minimum, refuse_too_many_clients, rows_by_key
from federa.registry import RECORD, Integer

if TYPE_CHECKING:
    import numpy


class Pathological(BaseModel):
    """Each class is cut into shards, and a client gets shards of labels_per_client classes.

    No client has more classes than that, and every one has exactly that many unless the rows do
    not allow it (a class has too few rows for its shards; then the numbers of classes of two
    clients differ by at most one). Every class is used. A class has at least one shard, and each
    further shard goes to the class whose shards are largest, so shards are of similar size; those
    of one class differ by at most one row. min_examples: smaller clients get rows of classes that
    they have already, from larger ones.
    Source: McMahan et al., arXiv 1602.05629, section 3 (shards of the sorted data, which may
    straddle two classes; here they do not); arXiv 2102.02079, "#C = k".
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("shards", "k_labels")
    summary: ClassVar[str] = "label skew, labels_per_client classes a client"
    reads: ClassVar[str] = "label"

    name: Literal["pathological"] = "pathological"
    labels_per_client: Integer = Field(2, gt=0)
    min_examples: Integer = Field(1, gt=0)

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client."""
        refuse_too_many_clients(num_clients, len(keys))
        refuse_minimum(num_clients, self.min_examples, len(keys))
        classes = list(rows_by_key(keys).values())
        self._refuse(len(classes), num_clients)
        sizes = [len(rows) for rows in classes]
        shards = _num_shards(sizes, num_clients, num_clients * self.labels_per_client)
        for by_size in (False, True):  # at random, and only where that cannot work, evenly
            held = _deal(sizes, shards, num_clients, by_size, rng)
            assert max(map(len, held)) <= self.labels_per_client
            if _level(held, len(classes), self.min_examples):
                break
        else:
            raise ConfigError(
                f"partition.min_examples: found no split where each of {num_clients} clients has "
                f"{self.min_examples} examples of at most {self.labels_per_client} labels; lower "
                "it, or raise labels_per_client"
            )
        stacks = [rng.permutation(rows).tolist() for rows in classes]
        return as_clients(
            [
                [stacks[label].pop() for label in sorted(part) for _ in range(part[label])]
                for part in held
            ]
        )

    def _refuse(self, num_labels: int, num_clients: int) -> None:
        wanted = self.labels_per_client
        if wanted > num_labels:
            raise ConfigError(
                f"partition.labels_per_client: {wanted} exceeds the {num_labels} labels of the "
                "training examples"
            )
        if num_clients * wanted < num_labels:
            raise ConfigError(
                f"partition.labels_per_client: {num_clients} clients x {wanted} labels leave some "
                f"of the {num_labels} labels to nobody; at least {-(-num_labels // num_clients)}"
            )


def _num_shards(sizes: list[int], num_clients: int, total: int) -> list[int]:
    """Shards of each class: one, then another for the class whose shards are largest.

    At most ``total`` in all; a class has no more than clients, and no more than rows.
    """
    shards = [1] * len(sizes)
    heap: list[tuple[float, int]] = [
        (-size, label) for label, size in enumerate(sizes) if min(size, num_clients) > 1
    ]
    heapq.heapify(heap)
    for _ in range(total - len(sizes)):
        if not heap:
            break
        label = heapq.heappop(heap)[1]
        shards[label] += 1
        if shards[label] < min(sizes[label], num_clients):
            heapq.heappush(heap, (-sizes[label] / shards[label], label))
    return shards


def _deal(
    sizes: list[int],
    shards: list[int],
    num_clients: int,
    by_size: bool,
    rng: numpy.random.Generator,
) -> list[dict[int, int]]:
    """Rows of each class {class: number} for each client.

    The shards of a class go to different clients, those with the fewest classes so far, so that
    no two clients ever differ by more than one. Then which classes meet is left to chance; or,
    ``by_size``, ties go to the client with the fewest rows.
    """
    owned: list[list[int]] = [[] for _ in range(num_clients)]
    rows = [0.0] * num_clients
    for label in sorted(range(len(sizes)), key=lambda label: -sizes[label] / shards[label]):
        chance = rng.permutation(num_clients).tolist()
        ranked = sorted(chance, key=lambda client: (len(owned[client]), rows[client]))
        for client in ranked[: shards[label]]:
            owned[client].append(label)
            rows[client] += by_size * sizes[label] / shards[label]
    if not by_size:
        _exchange(owned, 10 * sum(shards), rng)
    held: list[dict[int, int]] = [{} for _ in range(num_clients)]
    place = [0] * len(sizes)
    for client in rng.permutation(num_clients).tolist():  # who gets the larger shards
        for label in sorted(owned[client]):
            larger = place[label] < sizes[label] % shards[label]
            held[client][label] = sizes[label] // shards[label] + larger
            place[label] += 1
    return held


def _exchange(owned: list[list[int]], times: int, rng: numpy.random.Generator) -> None:
    """Random pairs of clients exchange a class each, wherever both then have different ones."""
    clients = rng.integers(len(owned), size=(times, 2)).tolist()
    which = rng.random((times, 2)).tolist()
    for (first, second), (left, right) in zip(clients, which, strict=True):
        here, there = int(left * len(owned[first])), int(right * len(owned[second]))
        given, taken = owned[first][here], owned[second][there]
        if given not in owned[second] and taken not in owned[first]:
            owned[first][here], owned[second][there] = taken, given


def _level(held: list[dict[int, int]], num_labels: int, min_examples: int) -> bool:
    """Move rows between clients of one class until each has ``min_examples``, if that can be.

    A client keeps at least one row of each of its classes. Rows may move through a chain of
    clients, so that this finds a way whenever there is one.
    """
    owners: list[list[int]] = [[] for _ in range(num_labels)]
    for client, part in enumerate(held):
        for label in sorted(part):
            owners[label].append(client)
    totals = [sum(part.values()) for part in held]
    for client in range(len(held)):
        while totals[client] < min_examples:
            chain = _find_chain(held, owners, totals, client, min_examples)
            if not chain:
                return False
            giver = chain[-1][2]
            spare = min(held[source][label] - 1 for _, label, source in chain)
            number = min(spare, totals[giver] - min_examples, min_examples - totals[client])
            for receiver, label, source in chain:
                held[source][label] -= number
                held[receiver][label] += number
            totals[client] += number
            totals[giver] -= number
    return True


def _find_chain(
    held: list[dict[int, int]],
    owners: list[list[int]],
    totals: list[int],
    client: int,
    min_examples: int,
) -> list[tuple[int, int, int]]:
    """The shortest chain of (receiver, class, source) to a client that can spare rows, or []."""
    chains: dict[int, list[tuple[int, int, int]]] = {client: []}
    waiting = [client]
    for receiver in waiting:
        for label in sorted(held[receiver]):
            for source in owners[label]:
                if source in chains or held[source][label] <= 1:
                    continue
                chains[source] = [*chains[receiver], (receiver, label, source)]
                if totals[source] > min_examples:
                    return chains[source]
                waiting.append(source)
    return []
