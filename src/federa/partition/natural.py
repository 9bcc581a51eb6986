"""The data's own clients: one for each value of a column, or a few values each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.errors import ConfigError
from federa.partition.shares import as_clients, rows_by_key
from federa.registry import RECORD, Integer, shown

if TYPE_CHECKING:
    import numpy


class Natural(BaseModel):
    """Clients hold whole values of a column, in sorted order of their first value.

    column: of the training table (client, domain, source, title, author, ...). With as many
    clients as values, client k holds the k-th value; with fewer, values are dealt out whole, the
    largest first, each to the client that has the fewest rows so far.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("by_client",)
    summary: ClassVar[str] = "the data's own clients (values of a column, or a file each)"
    reads: ClassVar[str] = "column"

    name: Literal["natural"] = "natural"
    column: str = Field("client", min_length=1)
    min_examples: Integer = Field(1, gt=0)

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client; the generator is not used."""
        del rng
        rows = rows_by_key(keys)
        if num_clients > len(rows):
            named = "" if self.column == "client" else f" (values of {shown(self.column)})"
            raise ConfigError(
                f"federation.num_clients: {num_clients} given, the data has {len(rows)} clients"
                f"{named}; at most that many (fewer share them out), or leave it out to take them"
            )
        groups = _share_out({value: len(part) for value, part in rows.items()}, num_clients)
        parts = [[row for value in group for row in rows[value].tolist()] for group in groups]
        self._refuse_small(groups, parts)
        return as_clients(parts)

    def _refuse_small(self, groups: list[list[str]], parts: list[list[int]]) -> None:
        size, client = min((len(part), client) for client, part in enumerate(parts))
        if size < self.min_examples:
            others = f" and {len(groups[client]) - 1} more" if len(groups[client]) > 1 else ""
            raise ConfigError(
                f"partition.min_examples: the client of {shown(groups[client][0])}{others} has "
                f"{size} training examples, {self.min_examples} are asked for; with a smaller "
                "federation.num_clients several values make one client"
            )


def _share_out(sizes: dict[str, int], num_clients: int) -> list[list[str]]:
    """Values of each client: the largest value goes first, always to the smallest client."""
    import heapq

    heap = [(0, client) for client in range(num_clients)]
    groups: list[list[str]] = [[] for _ in range(num_clients)]
    for value in sorted(sizes, key=lambda value: (-sizes[value], value)):
        size, client = heapq.heappop(heap)
        groups[client].append(value)
        heapq.heappush(heap, (size + sizes[value], client))
    return sorted(sorted(group) for group in groups)
