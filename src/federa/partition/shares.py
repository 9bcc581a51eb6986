"""What the partitioners share: rows grouped by key, whole counts from shares, first refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from federa.errors import ConfigError

if TYPE_CHECKING:
    import numpy


def rows_by_key(keys: Sequence[Any]) -> dict[str, numpy.ndarray]:
    """The rows of each key, keys as text in the order of their code points, rows ascending."""
    import numpy

    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(str(key), []).append(row)
    return {key: numpy.array(rows[key], dtype=numpy.int64) for key in sorted(rows)}


def whole_counts(shares: numpy.ndarray, total: int) -> numpy.ndarray:
    """Whole numbers that add up to ``total``, each within one of ``shares * total``.

    shares: [K], adding up to one. The borders between neighbours are rounded, not the parts.
    """
    import numpy

    borders = numpy.round(numpy.cumsum(shares)[:-1] * total).astype(numpy.int64)
    return numpy.diff(borders, prepend=0, append=total)


def as_clients(parts: Sequence[Sequence[int]]) -> list[numpy.ndarray]:
    """Sorted row numbers of each client."""
    import numpy

    return [numpy.sort(numpy.array(part, dtype=numpy.int64)) for part in parts]


def refuse_too_many_clients(num_clients: int, num_rows: int) -> None:
    """Raises: ConfigError unless every client can have an example."""
    if num_clients > num_rows:
        raise ConfigError(
            f"federation.num_clients: {num_clients} clients cannot share {num_rows} "
            "training examples; at most one client an example"
        )


def refuse_minimum(num_clients: int, min_examples: int, num_rows: int) -> None:
    """Raises: ConfigError unless every client can have ``min_examples``."""
    if num_clients * min_examples > num_rows:
        raise ConfigError(
            f"partition.min_examples: {num_clients} clients x {min_examples} examples "
            f"exceed the {num_rows} training examples"
        )
