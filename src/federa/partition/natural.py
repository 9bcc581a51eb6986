"""The data's own clients: one for each value of its client column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel

from federa.errors import ConfigError
from federa.registry import RECORD

if TYPE_CHECKING:
    import numpy


class Natural(BaseModel):
    """Client k holds the rows of the k-th client name, in sorted order of the names."""

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("by_client",)
    summary: ClassVar[str] = "the data's own clients (a client column, or a file each)"
    reads: ClassVar[str] = "client"

    name: Literal["natural"] = "natural"

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client; the generator is not used."""
        import numpy

        del rng
        names, numbers = numpy.unique(numpy.array(list(map(str, keys))), return_inverse=True)
        if len(names) != num_clients:
            raise ConfigError(
                f"federation.num_clients: {num_clients} given, the data has {len(names)} clients; "
                "leave it out to take the data's"
            )
        return [numpy.flatnonzero(numbers == number) for number in range(len(names))]
