"""What every partitioner is: keys of the examples in, rows of each client out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy


class Partitioner(Protocol):
    """A split of the training rows over clients; disjoint and complete.

    reads: ``label`` (the task's partition key) or ``client`` (the data's own client column).
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
