"""What every partitioner is: keys of the examples in, rows of each client out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy


class Partitioner(Protocol):
    """A split of the training rows over clients; disjoint and complete.

    A split depends on the keys as text (``str``), their order, and the generator, on nothing else.

    reads: what the keys are. ``label``: the task's partition key, one a row; ``column``: a column
    of the table, which the record's field ``column`` names; ``cluster``: numbers of embedding
    clusters; ``size``: anything, they are only counted; ``file``: no keys, the split is read.
    """

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    reads: ClassVar[str]

    @property
    def name(self) -> str:
        """The registered name."""

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client; every row belongs to exactly one.

        Raises: ConfigError if the split cannot be made.
        """
