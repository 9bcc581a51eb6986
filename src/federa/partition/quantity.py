"""Quantity skew: sizes by a Dirichlet draw, labels at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.partition.shares import refuse_minimum, whole_counts
from federa.registry import RECORD, Integer, Real

if TYPE_CHECKING:
    import numpy


class Quantity(BaseModel):
    """Every client gets min_examples random rows; of the rest, shares ~ Dir(alpha, ..., alpha).

    Client k's size is ``min_examples + q_k (N - num_clients min_examples)`` in whole numbers, with
    ``q ~ Dir(alpha)``: the minimum holds exactly, without drawing again.
    Source: arXiv 2102.02079, quantity skew (there the draw is over all N rows).
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("quantity_dirichlet",)
    summary: ClassVar[str] = "quantity skew, sizes ~ Dirichlet(alpha), labels at random"
    reads: ClassVar[str] = "size"

    name: Literal["quantity"] = "quantity"
    alpha: Real = Field(0.5, gt=0, le=1e6)
    min_examples: Integer = Field(8, gt=0)

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client."""
        import numpy

        refuse_minimum(num_clients, self.min_examples, len(keys))
        free = len(keys) - num_clients * self.min_examples
        shares = rng.dirichlet(numpy.full(num_clients, self.alpha))
        sizes = self.min_examples + whole_counts(shares, free)
        mixed = rng.permutation(len(keys))
        return [numpy.sort(part) for part in numpy.split(mixed, numpy.cumsum(sizes)[:-1])]
