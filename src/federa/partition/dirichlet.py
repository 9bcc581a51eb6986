"""Label skew: each class is spread over the clients by a Dirichlet draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.partition.shares import as_clients, refuse_minimum, rows_by_key, whole_counts
from federa.registry import RECORD, Integer, Real

if TYPE_CHECKING:
    import numpy


class Dirichlet(BaseModel):
    """For each class, shares over clients ~ Dir(alpha, ..., alpha); small alpha is far from IID.

    min_examples: clients that fall below it are topped up, one random row at a time, from the
    client that is largest at that moment, so every seed gives a valid split.
    Source: arXiv 1909.06335 (the prior over classes), in the per-class form of arXiv 2102.02079.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("label_dirichlet",)
    summary: ClassVar[str] = "label skew, shares of each class ~ Dirichlet(alpha)"
    reads: ClassVar[str] = "label"

    name: Literal["dirichlet"] = "dirichlet"
    alpha: Real = Field(0.5, gt=0, le=1e6)
    min_examples: Integer = Field(8, gt=0)

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client."""
        return spread_classes(keys, num_clients, self.alpha, self.min_examples, rng)


def spread_classes(
    keys: Sequence[Any],
    num_clients: int,
    alpha: float,
    min_examples: int,
    rng: numpy.random.Generator,
) -> list[numpy.ndarray]:
    """Each class spread over the clients by shares ~ Dir(alpha), then the small topped up.

    Raises: ConfigError if the examples are too few.
    """
    import numpy

    refuse_minimum(num_clients, min_examples, len(keys))
    parts: list[list[int]] = [[] for _ in range(num_clients)]
    for rows in rows_by_key(keys).values():
        mixed = rng.permutation(rows)
        counts = whole_counts(rng.dirichlet(numpy.full(num_clients, alpha)), len(rows))
        for part, piece in zip(parts, numpy.split(mixed, numpy.cumsum(counts)[:-1]), strict=True):
            part.extend(piece.tolist())
    _top_up(parts, min_examples, rng)
    return as_clients(parts)


def _top_up(parts: list[list[int]], min_examples: int, rng: numpy.random.Generator) -> None:
    for part in parts:
        while len(part) < min_examples:
            largest = max(parts, key=len)
            part.append(largest.pop(int(rng.integers(len(largest)))))
