"""Label skew with equal sizes: each client draws its own mixture of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.partition.shares import (
    as_clients,
    refuse_too_many_clients,
    rows_by_key,
    whole_counts,
)
from federa.registry import RECORD, Real

if TYPE_CHECKING:
    import numpy


class ClientDirichlet(BaseModel):
    """Client k's class proportions q_k ~ Dir(alpha p), with p the proportions in all the data.

    ``E[q] = p`` and ``Var[q_c] = p_c (1 - p_c) / (alpha + 1)``: alpha is the concentration of the
    whole vector, so alpha here compares with alpha times the number of classes in ``Dir(alpha)``.
    Sizes differ by at most one. Clients are filled in order; where a class has too few rows left,
    the client takes those and fills up with random rows of what nobody holds yet, as in the
    source (which fills in proportion to them). So late clients get what is left.
    Source: arXiv 1909.06335, section 3; FedNLP, arXiv 2104.08815, its
    data/advanced_partition/niid_label.py (concentration alpha * label proportion).
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("fednlp", "per_client_dirichlet")
    summary: ClassVar[str] = "label skew in equal sizes, each client's mixture ~ Dirichlet(alpha p)"
    reads: ClassVar[str] = "label"

    name: Literal["client_dirichlet"] = "client_dirichlet"
    alpha: Real = Field(1.0, gt=0, le=1e6)

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client."""
        return fill_clients(keys, num_clients, self.alpha, rng)


def fill_clients(
    keys: Sequence[Any], num_clients: int, alpha: float, rng: numpy.random.Generator
) -> list[numpy.ndarray]:
    """Clients of equal size, filled one after another by mixtures ~ Dir(alpha p).

    Raises: ConfigError if there are more clients than examples.
    """
    import numpy

    num_rows = len(keys)
    refuse_too_many_clients(num_clients, num_rows)
    stacks = [rng.permutation(rows).tolist() for rows in rows_by_key(keys).values()]
    left = numpy.array([len(stack) for stack in stacks], dtype=numpy.int64)
    # a product below the smallest float would be a proportion that can never be drawn
    concentration = numpy.maximum(alpha * left / num_rows, numpy.finfo(float).tiny)
    parts: list[list[int]] = []
    for client in range(num_clients):
        size = num_rows // num_clients + (client < num_rows % num_clients)
        wanted = whole_counts(rng.dirichlet(concentration), size)
        taken = numpy.minimum(wanted, left)
        short = size - int(taken.sum())
        if short:
            taken = taken + rng.multivariate_hypergeometric(left - taken, short)
        left = left - taken
        part: list[int] = []
        for stack, number in zip(stacks, taken.tolist(), strict=True):
            part.extend(stack.pop() for _ in range(number))
        parts.append(part)
    return as_clients(parts)
