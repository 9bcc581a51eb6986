"""Which evaluation examples stand for which client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy


def assign_by_name(train_names: Sequence[Any], names: Sequence[Any]) -> list[numpy.ndarray]:
    """Evaluation rows of each natural client; rows of a client without training rows go to none.

    train_names, names: the client of each training and each evaluation row.
    """
    import numpy

    given = numpy.array(list(map(str, names)))
    clients = numpy.unique(numpy.array(list(map(str, train_names))))
    return [numpy.flatnonzero(given == client) for client in clients]


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

    train = numpy.array(list(map(str, train_keys)))
    wanted = numpy.array(list(map(str, keys)))
    parts: list[list[int]] = [[] for _ in clients]
    for key in numpy.unique(wanted):
        rows = rng.permutation(numpy.flatnonzero(wanted == key))
        owned = numpy.array([int((train[part] == key).sum()) for part in clients], dtype=float)
        shares = owned / owned.sum() if owned.any() else numpy.full(len(clients), 1 / len(clients))
        exact = shares * len(rows)
        counts = numpy.floor(exact).astype(int)
        ties = rng.permutation(len(clients))  # equal remainders fall to clients at random
        order = ties[numpy.argsort(-(exact - counts)[ties], kind="stable")]
        counts[order[: len(rows) - counts.sum()]] += 1
        for part, piece in zip(parts, numpy.split(rows, numpy.cumsum(counts)[:-1]), strict=True):
            part.extend(piece.tolist())
    return [numpy.sort(numpy.array(part, dtype=numpy.int64)) for part in parts]
