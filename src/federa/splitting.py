"""The corpus as the federation sees it: what is held out, and which client holds what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from federa.config import RunConfig
from federa.errors import ConfigError, DataError
from federa.partition.evaluation import assign_alike, assign_by_name
from federa.partition.saved import SavedSplit, read_split, write_split
from federa.partition.shares import refuse_minimum
from federa.registry import nearest
from federa.seeding import derive, numpy_generator
from federa.types import Corpus, Table, num_rows, take_rows
from federa.version import __version__

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class SplitData:
    """The training rows of each client and the evaluation tables.

    train: the corpus' training table without what was held out, whose row numbers in it are
    ``held`` (None if the data has its own validation split); clients: rows of ``train``; keys: what
    the partitioner spread, for pictures; evaluation_clients: rows of each evaluation table that
    stand for each client, where these are wanted.
    """

    corpus: Corpus
    train: Table
    held: list[int] | None
    clients: list[numpy.ndarray]
    keys: list[Any] | None
    evaluation: dict[str, Table]
    evaluation_clients: dict[str, list[numpy.ndarray]]

    def save(self, config: RunConfig, path: Path) -> None:
        """Write the split, with row numbers of the whole training table, for ``saved`` to read.

        Raises: RunError if the file cannot be written.
        """
        kept, partition = _kept(num_rows(self.corpus.train), self.held), config.partition
        assert isinstance(partition, BaseModel)
        write_split(
            path,
            self.corpus.train,
            [[kept[row] for row in rows] for rows in self.clients],
            self.held,
            data=config.data.name,
            made_by={
                "partition": partition.model_dump(mode="json"),
                "seed": config.seed,
                "federa": __version__,
            },
        )


def split_data(config: RunConfig, saved: SavedSplit | None = None) -> SplitData:
    """Load the data, hold out validation where there is none, and split the rest over clients.

    saved: the split to take, of a run that goes on.
    Raises: DataError, ConfigError; ModelError where the split is made from embeddings.
    """
    corpus = config.data.load(config.task.name)
    for table in (corpus.train, corpus.validation, corpus.test):
        if table is not None:
            config.task.check(table)
    if saved is None and config.partition.reads == "file":
        saved = read_split(config.partition.file)  # type: ignore[attr-defined]
    if saved is not None:
        _require_fit(saved, corpus)
    evaluation, held = hold_out(config, corpus, saved)
    kept = _kept(num_rows(corpus.train), held)
    train = take_rows(corpus.train, kept) if held else corpus.train
    keys = None
    if saved is not None:
        clients = _numbered_anew(saved, kept)
        _check_number(config, len(clients))
    else:
        keys = _keys(config, train)
        clients = _deal(config, keys)
    _check_sampling(config, len(clients))
    dealt: dict[str, list[numpy.ndarray]] = {}
    if config.evaluation.per_client:
        dealt = _stand_ins(config, train, clients, evaluation)
    return SplitData(corpus, train, held, clients, keys, evaluation, dealt)


def hold_out(
    config: RunConfig, corpus: Corpus, saved: SavedSplit | None = None
) -> tuple[dict[str, Table], list[int] | None]:
    """The evaluation tables, and the training rows that became validation (None if none had to).

    saved: a split that says which rows to hold out.
    Raises: DataError, ConfigError.
    """
    held = None
    validation = corpus.validation
    if validation is None:
        if saved is not None and saved.validation is not None:
            held = saved.validation.tolist()
        else:
            held = _carve(config, corpus.train)
        validation = take_rows(corpus.train, held)
    evaluation = {"validation": validation}
    if corpus.test is not None:
        evaluation["test"] = corpus.test
    elif "test" in config.evaluation.splits:
        raise ConfigError(f"evaluation.splits: the data set {config.data.name} has no test split")
    return evaluation, held


def _kept(total: int, held: Sequence[int] | None) -> list[int]:
    gone = set(held or ())
    return [row for row in range(total) if row not in gone]


def _carve(config: RunConfig, table: Table) -> list[int]:
    """A seeded share of the training rows, spread over the labels, to validate on.

    Largest remainders; every label keeps a row in training, and so does every client. Rows of one
    passage go together.
    """
    passages = config.task.passage(table)
    if passages is not None:
        held = _carve_passages(config, passages)
    else:
        held = _carve_labels(config, _labels(config, table))
    if "client" in table:  # a client whose rows are all held out keeps one of them
        owners = table["client"]
        remaining = {owners[row] for row in set(range(len(owners))) - set(held)}
        for row in sorted(held):
            if owners[row] not in remaining:
                for kept in [row] if passages is None else _of_passage(held, passages, row):
                    remaining.add(owners[kept])
                    held.remove(kept)
    if not held:
        raise DataError(
            f"data: {num_rows(table)} training examples are too few to hold out "
            f"{config.evaluation.validation_fraction:.0%} for validation (each label "
            "and each client keeps one); give a validation split"
        )
    return sorted(held)


def _of_passage(rows: list[int], passages: list[Any], row: int) -> list[int]:
    """Those of ``rows`` that share the passage of ``row``."""
    return [other for other in rows if passages[other] == passages[row]]


def _labels(config: RunConfig, table: Table) -> list[Any]:
    return config.task.partition_key(table) or [""] * num_rows(table)


def _carve_labels(config: RunConfig, labels: list[Any]) -> list[int]:
    import numpy

    keys = numpy.array(list(map(str, labels)))
    rng = numpy_generator(config.seed, "validation")
    names, sizes = numpy.unique(keys, return_counts=True)
    exact = config.evaluation.validation_fraction * sizes
    counts = numpy.floor(exact).astype(int)
    ties = rng.permutation(len(names))  # equal remainders fall to labels at random
    order = ties[numpy.argsort(-(exact - counts)[ties], kind="stable")]
    order = order[counts[order] < sizes[order] - 1]
    counts[order[: round(exact.sum()) - counts.sum()]] += 1
    held: list[int] = []
    for label, number in zip(names, counts, strict=True):
        held.extend(rng.permutation(numpy.flatnonzero(keys == label))[:number].tolist())
    return held


def _carve_passages(config: RunConfig, passages: list[Any]) -> list[int]:
    """Whole passages, in a random order, as long as each brings the share nearer to what is wanted;
    at least the smallest."""
    rows: dict[Any, list[int]] = {}
    for row, passage in enumerate(passages):
        rows.setdefault(passage, []).append(row)
    order = numpy_generator(config.seed, "validation").permutation(len(rows))
    groups = list(rows.values())
    wanted = round(config.evaluation.validation_fraction * len(passages))
    held: list[int] = []
    for number in order:
        size = len(groups[number])
        if abs(len(held) + size - wanted) < abs(len(held) - wanted):
            held.extend(groups[number])
    if not held and len(groups) > 1:
        smallest: list[int] = min((groups[number] for number in order), key=len)
        held.extend(smallest)
    return held if len(held) < len(passages) else []


def _require_fit(saved: SavedSplit, corpus: Corpus) -> None:
    """Raises: DataError unless the split was made for this data."""
    saved.require(corpus.train)
    if (saved.validation is None) != (corpus.validation is not None):
        has = "has" if corpus.validation is not None else "lacks"
        raise DataError(f"{saved.path}: does not fit data that {has} a validation split of its own")


def _numbered_anew(saved: SavedSplit, kept: list[int]) -> list[numpy.ndarray]:
    """Rows of the whole training table as rows of what was kept of it."""
    import numpy

    number = {row: index for index, row in enumerate(kept)}
    return [
        numpy.array([number[row] for row in rows.tolist()], dtype=numpy.int64)
        for rows in saved.clients
    ]


def _keys(config: RunConfig, train: Table) -> list[Any]:
    """What the partitioner spreads: one key for each training row."""
    partition = config.partition
    if partition.reads == "column":
        column = partition.column  # type: ignore[attr-defined]
        if column not in train and column == "client":
            raise ConfigError(
                f"partition: natural needs clients in the data; {config.data.name} has none "
                "(data.client or data.file_per_client name them, or partition.column another "
                "column)"
            )
        if column not in train:
            raise ConfigError(
                f"partition.column: {config.data.name} has no column {column!r}; "
                + nearest(column, plain_columns(train))
            )
        if column not in plain_columns(train):
            raise ConfigError(
                f"partition.column: {column!r} holds lists, which name no client; "
                + nearest("", plain_columns(train))
            )
        return train[column]
    if partition.reads == "cluster":
        from federa.clusters import cluster_numbers
        from federa.models import locate

        refuse_minimum(  # before the texts are embedded, which may take minutes
            config.federation.num_clients or 1,
            partition.min_examples,  # type: ignore[attr-defined]
            num_rows(train),
        )
        return cluster_numbers(
            locate(config.model),
            config.task.text_for_clusters(train),
            partition.num_clusters,  # type: ignore[attr-defined]
            partition.max_length,  # type: ignore[attr-defined]
            derive(config.seed, "clusters"),
        )
    return _labels(config, train)


def plain_columns(table: Table) -> list[str]:
    """Columns whose values could name a client."""
    return [name for name, values in table.items() if isinstance(values[0], str | int)]


def _deal(config: RunConfig, keys: list[Any]) -> list[numpy.ndarray]:
    number = config.federation.num_clients
    if number is None:
        number = len(set(map(str, keys)))
    return config.partition.split(keys, number, numpy_generator(config.seed, "partition"))


def _check_number(config: RunConfig, found: int) -> None:
    wanted = config.federation.num_clients
    if wanted is not None and wanted != found:
        raise ConfigError(
            f"federation.num_clients: {wanted} given, the saved split has {found} clients; leave "
            "it out to take the split's"
        )


def _check_sampling(config: RunConfig, found: int) -> None:
    """Refuse what only the number of clients found shows to be impossible."""
    sampled = config.federation.clients_per_round
    if sampled is not None and sampled > found:
        raise ConfigError(
            f"federation.clients_per_round: {sampled} exceeds the {found} clients there are"
        )
    quorum = sampled or found
    if config.federation.min_uploads > quorum:
        raise ConfigError(
            f"federation.min_uploads: {config.federation.min_uploads} exceeds the {quorum} clients "
            "of a round"
        )


def _stand_ins(
    config: RunConfig,
    train: Table,
    clients: list[numpy.ndarray],
    evaluation: dict[str, Table],
) -> dict[str, list[numpy.ndarray]]:
    """Rows of each evaluation table for each client: its own by name, else of like labels, or of
    like clusters where these were spread."""
    partition = config.partition
    clusters = partition.reads == "cluster"
    keys = _keys(config, train) if clusters else _labels(config, train)
    dealt = {}
    for split, table in evaluation.items():
        column = partition.column if partition.reads == "column" else None  # type: ignore[attr-defined]
        if column is not None and column in table:
            dealt[split] = assign_by_name(train[column], table[column], clients)
            continue
        rng = numpy_generator(config.seed, f"evaluation clients/{split}")
        alike = _clusters_of(config, train, keys, table) if clusters else _labels(config, table)
        dealt[split] = assign_alike(keys, clients, alike, rng)
    return dealt


def _clusters_of(config: RunConfig, train: Table, keys: list[Any], table: Table) -> list[int]:
    """The training cluster that each row of an evaluation table is nearest to."""
    from federa.clusters import nearest_clusters
    from federa.models import locate

    return nearest_clusters(
        locate(config.model),
        config.task.text_for_clusters(train),
        keys,
        config.task.text_for_clusters(table),
        config.partition.max_length,  # type: ignore[attr-defined]
    )
