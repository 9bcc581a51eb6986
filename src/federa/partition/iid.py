"""Rows dealt out at random, in equal shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel

from federa.partition.shares import refuse_too_many_clients
from federa.registry import RECORD

if TYPE_CHECKING:
    import numpy


class Iid(BaseModel):
    """A random split into clients whose sizes differ by at most one."""

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("uniform",)
    summary: ClassVar[str] = "at random, in equal shares"
    reads: ClassVar[str] = "size"

    name: Literal["iid"] = "iid"

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client."""
        import numpy

        refuse_too_many_clients(num_clients, len(keys))
        return [
            numpy.sort(part) for part in numpy.array_split(rng.permutation(len(keys)), num_clients)
        ]
