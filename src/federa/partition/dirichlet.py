"""Label skew: each class is spread over the clients by a Dirichlet draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.errors import ConfigError
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
        import numpy

        if num_clients * self.min_examples > len(keys):
            raise ConfigError(
                f"partition.min_examples: {num_clients} clients x {self.min_examples} examples "
                f"exceed the {len(keys)} training examples"
            )
        parts: list[list[int]] = [[] for _ in range(num_clients)]
        classes, numbers = numpy.unique(numpy.array(list(map(str, keys))), return_inverse=True)
        for number in range(len(classes)):
            rows = rng.permutation(numpy.flatnonzero(numbers == number))
            shares = rng.dirichlet(numpy.full(num_clients, self.alpha))
            cuts = numpy.round(numpy.cumsum(shares)[:-1] * len(rows)).astype(int)
            for part, piece in zip(parts, numpy.split(rows, cuts), strict=True):
                part.extend(piece.tolist())
        self._top_up(parts, rng)
        return [numpy.sort(numpy.array(part, dtype=numpy.int64)) for part in parts]

    def _top_up(self, parts: list[list[int]], rng: numpy.random.Generator) -> None:
        for part in parts:
            while len(part) < self.min_examples:
                largest = max(parts, key=len)
                part.append(largest.pop(int(rng.integers(len(largest)))))
