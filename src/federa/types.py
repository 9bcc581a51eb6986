"""The values that travel through a round. All are immutable; nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

Tensors: TypeAlias = "dict[str, Tensor]"
Table: TypeAlias = dict[str, list[Any]]
"""Columns of equal length, by name."""


@dataclass(frozen=True)
class LowRankPair:
    """One adapted weight: ``base[rows] + scaling * b @ a``.

    a: name of a [R, d_in]; b: name of b [d_out, R]; base: the weight's name [d_out, d_in] in the
    unadapted model; rows: the part of a fused projection that is adapted, or None for all of it.
    """

    a: str
    b: str
    base: str
    scaling: float
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Layout:
    """What a method trains: all names sent, those of the task head, and the low-rank pairs.

    starts: names whose initial values a client must know besides the current ones (an SVD
    start's factors, from which it forms the residual); fresh: names, besides the head's,
    whose initial values the base model does not give.
    """

    shared: tuple[str, ...]
    head: tuple[str, ...]
    pairs: tuple[LowRankPair, ...] = ()
    starts: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()

    @property
    def of_base(self) -> tuple[str, ...]:
        """Names whose initial values the base model itself gives."""
        given = {*self.starts, *self.fresh, *self.head}
        return tuple(name for name in self.shared if name not in given)


@dataclass(frozen=True)
class Download:
    """What the server sends one client in one round.

    params: the shared tensors; base_change: changes to frozen weights; extra: what a rule adds;
    start: at first contact, the initial tensors that the client must know (see
    ``rounds.first_contact_names``) and that differ from ``params``.
    """

    params: Tensors
    base_change: Tensors = field(default_factory=dict)
    extra: Tensors = field(default_factory=dict)
    start: Tensors = field(default_factory=dict)


@dataclass(frozen=True)
class Upload:
    """What one client returns: its trained tensors, its example count, and its metrics."""

    client: int
    params: Tensors
    num_examples: int
    extra: Tensors = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClientFailure:
    """A client whose update is not used in this round, and why."""

    client: int
    reason: str


@dataclass(frozen=True)
class ServerState:
    """All that a resumed run needs: ``round`` rounds are finished.

    start is immutable; params holds the averaged tensors; base_change and memory belong to the
    rule; contacted lists the clients that already hold the start.
    """

    round: int
    layout: Layout
    start: Tensors
    params: Tensors
    base_change: Tensors = field(default_factory=dict)
    memory: Tensors = field(default_factory=dict)
    contacted: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ClientSize:
    """What a client holds to train on: examples, and the windows that they were cut into."""

    num_examples: int
    num_windows: int


@dataclass(frozen=True)
class Corpus:
    """A data set: tables of equal columns for each split, and its label names in fixed order.

    The columns are those of the task (``DataSet.load``), and any others; group: the column by whose
    values scores are also shown one by one, such as a source or a domain.
    """

    train: Table
    labels: tuple[str, ...]
    validation: Table | None = None
    test: Table | None = None
    group: str | None = None


def num_rows(table: Table) -> int:
    """The length of the columns."""
    return len(next(iter(table.values()), []))


def take_rows(table: Table, rows: Iterable[int]) -> Table:
    """Some rows of a table, in the order given."""
    wanted = list(rows)
    return {name: [values[row] for row in wanted] for name, values in table.items()}


@dataclass(frozen=True)
class Plan:
    """The choices that make a repeated run bit-identical on the same machine and versions.

    threads: in all; workers: processes that share them; clients: at most so many in one stack;
    max_tokens: of one forward and backward pass of a stack, with padding; frozen_layers: the layers
    from the bottom whose output is computed once for each window; cache_bytes: kept on disk for it.
    """

    engine: str
    device: str
    precision: str
    threads: int
    workers: int = 1
    clients: int = 1
    max_tokens: int = 0
    frozen_layers: int = 0
    cache_bytes: int = 0
    compile: bool = False
    reasons: tuple[str, ...] = ()
