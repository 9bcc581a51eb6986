"""Which evaluation examples stand for which client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from federa.partition.shares import as_clients, rows_by_key

if TYPE_CHECKING:
    import numpy


def assign_by_name(
    train_names: Sequence[Any],
    names: Sequence[Any],
    clients: Sequence[numpy.ndarray] | None = None,
) -> list[numpy.ndarray]:
    """Evaluation rows of each natural client; rows of a client without training rows go to none.

    train_names, names: the client of each training and each evaluation row; clients: the training
    rows of each client, where a client holds several names.
    """
    known = rows_by_key(train_names)
    given = rows_by_key(names)
    groups: list[list[str]] = [[name] for name in known]
    if clients is not None:
        groups = [sorted({str(train_names[row]) for row in part}) for part in clients]
    return as_clients(
        [
            [row for name in group if name in given for row in given[name].tolist()]
            for group in groups
        ]
    )


def assign_alike(
    train_keys: Sequence[Any],
    clients: Sequence[numpy.ndarray],
    keys: Sequence[Any],
    rng: numpy.random.Generator,
) -> list[numpy.ndarray]:
    """Deal evaluation rows out so that each client's labels resemble its training labels.

    The rows of each key go to clients in proportion to their shares of that key in training
    (a key unknown to training: equal shares), by largest remainders. Disjoint and complete;
    a client may get none.
    """
    import numpy

    owned = _count_keys(train_keys, clients)
    parts: list[list[int]] = [[] for _ in clients]
    for key, found in rows_by_key(keys).items():
        rows = rng.permutation(found)
        held = owned.get(key)
        shares = numpy.full(len(clients), 1 / len(clients)) if held is None else held / held.sum()
        exact = shares * len(rows)
        counts = numpy.floor(exact).astype(int)
        ties = rng.permutation(len(clients))  # equal remainders fall to clients at random
        order = ties[numpy.argsort(-(exact - counts)[ties], kind="stable")]
        counts[order[: len(rows) - counts.sum()]] += 1
        for part, piece in zip(parts, numpy.split(rows, numpy.cumsum(counts)[:-1]), strict=True):
            part.extend(piece.tolist())
    return as_clients(parts)


def _count_keys(keys: Sequence[Any], clients: Sequence[numpy.ndarray]) -> dict[str, numpy.ndarray]:
    """How many rows of each key each client holds, for keys that somebody holds."""
    import numpy

    counts: dict[str, numpy.ndarray] = {}
    for client, rows in enumerate(clients):
        for row in rows:
            key = str(keys[row])
            if key not in counts:
                counts[key] = numpy.zeros(len(clients))
            counts[key][client] += 1
    return counts
