"""How unequal the clients of a split are, in labels and in size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    from scipy import sparse

NUM_DEALS = 10


@dataclass(frozen=True, eq=False)
class SplitReport:
    """Counts of labels by client, and what follows from them.

    axis: what the labels are, in the singular (label, relation, entity type, cluster, ...);
    labels: L names; counts: [C, L] labels of each client's rows, where a row may have several or
    none; sizes: [C] rows of each client; random_distance: the mean distance that clients of these
    sizes would have if rows were dealt out at random, over 10 deals (small clients always differ).
    """

    axis: str
    labels: tuple[str, ...]
    counts: numpy.ndarray
    sizes: numpy.ndarray
    random_distance: float

    @classmethod
    def of(
        cls,
        clients: Sequence[numpy.ndarray],
        labels_of_rows: Sequence[Sequence[Any]],
        axis: str = "label",
    ) -> SplitReport:
        """The report on a split of rows that have zero, one or several labels each."""
        import numpy

        names = _in_order({str(label) for labels in labels_of_rows for label in labels})
        table = _label_table(labels_of_rows, names)
        sizes = numpy.array([len(rows) for rows in clients], dtype=numpy.int64)
        rows = numpy.concatenate([numpy.asarray(part, dtype=numpy.int64) for part in clients])
        counts = _count(table, rows, sizes)
        rng = numpy.random.Generator(numpy.random.PCG64(0))
        deals = [_count(table, rng.permutation(rows), sizes) for _ in range(NUM_DEALS)]
        random = float(numpy.mean([_mean(_distances(deal)) for deal in deals]))
        return cls(axis, names, counts, sizes, random)

    @property
    def shares(self) -> numpy.ndarray:
        """[C, L] label proportions of each client; zeros for one without labels."""
        return _proportions(self.counts)

    @property
    def pool(self) -> numpy.ndarray:
        """[L] label proportions of all clients together."""
        pool: numpy.ndarray = _proportions(self.counts.sum(axis=0, keepdims=True))[0]
        return pool

    @property
    def distances(self) -> numpy.ndarray:
        """[C] Jensen-Shannon distance of each client's labels to the pool's, in [0, 1].

        The square root of the divergence in bits; nan for a client without labels.
        Source: scipy.spatial.distance.jensenshannon with base 2.
        """
        return _distances(self.counts)

    @property
    def mean_distance(self) -> float:
        """The mean of ``distances`` over the clients that have labels, each counting once."""
        return _mean(self.distances)

    @property
    def clients_per_label(self) -> numpy.ndarray:
        """[L] the effective number of clients that hold a label: 1 / sum over clients of p^2.

        p: the share of the label's occurrences that a client holds; C if all hold equally many.
        Source: the inverse Simpson index (Hill number of order 2).
        """
        return _effective(self.counts.T)

    @property
    def labels_per_client(self) -> numpy.ndarray:
        """[C] the effective number of labels of a client: 1 / sum over labels of p^2; 0 if none."""
        return _effective(self.counts)

    @property
    def largest_to_smallest(self) -> float:
        """Rows of the largest client over those of the smallest."""
        smallest = int(self.sizes.min())
        return float(self.sizes.max()) / smallest if smallest else float("inf")

    @property
    def gini(self) -> float:
        """Gini coefficient of the sizes: 0 if all are equal, 1 - 1/C if one client has all."""
        import numpy

        ordered = numpy.sort(self.sizes).astype(float)
        number = len(ordered)
        ranks = 2 * numpy.arange(1, number + 1) - number - 1
        return float((ranks * ordered).sum() / (number * ordered.sum()))

    @property
    def size_variation(self) -> float:
        """Coefficient of variation of the sizes: standard deviation (over C) / mean."""
        return float(self.sizes.std() / self.sizes.mean())

    @property
    def title(self) -> str:
        """How many of what: 100 clients, 20 labels, 11,314 examples."""
        num_clients, num_labels = self.counts.shape
        people = "client" if num_clients == 1 else "clients"
        noun = self.axis if num_labels == 1 else plural(self.axis)
        return f"{num_clients:,} {people}, {num_labels:,} {noun}, {self.sizes.sum():,} examples"

    def to_json(self) -> dict[str, Any]:
        """All numbers, for a file; nan and infinity as None."""
        return {
            "axis": self.axis,
            "labels": list(self.labels),
            "num_clients": len(self.sizes),
            "num_examples": int(self.sizes.sum()),
            "sizes": self.sizes.tolist(),
            "counts": self.counts.tolist(),
            "mean_jensen_shannon_distance": _finite(self.mean_distance),
            "random_jensen_shannon_distance": _finite(self.random_distance),
            "jensen_shannon_distances": [_finite(value) for value in self.distances],
            "effective_clients_per_label": self.clients_per_label.tolist(),
            "effective_labels_per_client": self.labels_per_client.tolist(),
            "largest_to_smallest": _finite(self.largest_to_smallest),
            "gini": self.gini,
            "size_variation": self.size_variation,
        }

    def sentences(self) -> list[tuple[str, str]]:
        """(what, how much) of the main numbers, for people."""
        sizes, (num_clients, num_labels) = self.sizes, self.counts.shape
        labelled = self.counts.sum(axis=1) > 0
        held, holders = self.labels_per_client[labelled], self.clients_per_label
        spread = (
            f"{sizes.mean():,.1f} on average, {sizes.min():,} to {sizes.max():,} "
            f"(x {self.largest_to_smallest:,.1f}), Gini {self.gini:.2f}"
        )
        if not labelled.any():
            return [("examples per client", spread)]
        without = int((~labelled).sum())
        left_out = f" ({without:,} without {plural(self.axis)} left out)" if without else ""
        return [
            ("examples per client", spread),
            (
                "distance to the pool",
                f"{self.mean_distance:.2f} Jensen-Shannon on average{left_out}; "
                f"{self.random_distance:.2f} if dealt at random",
            ),
            (
                f"effective {plural(self.axis)} per client",
                f"{held.mean():.1f} of {num_labels:,} on average, {held.min():.1f} to "
                f"{held.max():.1f}",
            ),
            (
                f"effective clients per {self.axis}",
                f"{holders.mean():.1f} of {num_clients:,} on average, {holders.min():.1f} to "
                f"{holders.max():.1f}",
            ),
        ]


def plural(noun: str) -> str:
    """labels, entity types, classes; answers, a column's own plural, stays."""
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun
    return noun + ("es" if noun.endswith(("ss", "x")) else "s")


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Sorted as text, or as numbers if all are."""
    if all(name.isdecimal() and name.isascii() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _label_table(labels_of_rows: Sequence[Sequence[Any]], names: Sequence[str]) -> sparse.csr_array:
    """[N, L] how often each row has each label."""
    import numpy
    from scipy import sparse

    number = {name: place for place, name in enumerate(names)}
    columns = [number[str(label)] for labels in labels_of_rows for label in labels]
    starts = numpy.concatenate([[0], numpy.cumsum([len(labels) for labels in labels_of_rows])])
    ones = numpy.ones(len(columns), dtype=numpy.int64)
    shape = (len(labels_of_rows), len(names))
    return sparse.csr_array((ones, numpy.array(columns, dtype=numpy.int64), starts), shape=shape)


def _count(table: sparse.csr_array, rows: numpy.ndarray, sizes: numpy.ndarray) -> numpy.ndarray:
    """[C, L] sums of the table's rows; ``rows`` are those of one client after the other."""
    import numpy
    from scipy import sparse

    ones = numpy.ones(len(rows), dtype=numpy.int64)
    starts = numpy.concatenate([[0], numpy.cumsum(sizes)])
    clients = sparse.csr_array((ones, rows, starts), shape=(len(sizes), table.shape[0]))
    counts: numpy.ndarray = (clients @ table).toarray()
    return counts


def _proportions(counts: numpy.ndarray) -> numpy.ndarray:
    import numpy

    shares: numpy.ndarray = counts / numpy.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _distances(counts: numpy.ndarray) -> numpy.ndarray:
    import numpy
    from scipy.special import rel_entr

    shares, pool = _proportions(counts), _proportions(counts.sum(axis=0, keepdims=True))
    middle = (shares + pool) / 2
    bits = (rel_entr(shares, middle) + rel_entr(pool, middle)).sum(axis=1) / 2 / numpy.log(2)
    distances: numpy.ndarray = numpy.sqrt(numpy.clip(bits, 0, 1))  # rounding may pass the ends
    distances[counts.sum(axis=1) == 0] = numpy.nan
    return distances


def _mean(values: numpy.ndarray) -> float:
    import numpy

    known = values[~numpy.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _effective(counts: numpy.ndarray) -> numpy.ndarray:
    """[rows] 1 / sum of squared shares; 0 for a row of zeros."""
    import numpy

    squares = (_proportions(counts) ** 2).sum(axis=1)
    effective: numpy.ndarray = numpy.zeros_like(squares)
    numpy.divide(1, squares, out=effective, where=squares > 0)
    return effective


def _finite(value: float) -> float | None:
    import math

    return float(value) if math.isfinite(value) else None
