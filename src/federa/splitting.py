"""The corpus as the federation sees it: which client holds what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from federa.config import RunConfig
from federa.errors import ConfigError, DataError
from federa.holding_out import example_labels, hold_out
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


def _kept(total: int, held: Sequence[int] | None) -> list[int]:
    gone = set(held or ())
    return [row for row in range(total) if row not in gone]


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
    return example_labels(config, train)


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
    keys = _keys(config, train) if clusters else example_labels(config, train)
    dealt = {}
    for split, table in evaluation.items():
        column = partition.column if partition.reads == "column" else None  # type: ignore[attr-defined]
        if column is not None and column in table:
            dealt[split] = assign_by_name(train[column], table[column], clients)
            continue
        rng = numpy_generator(config.seed, f"evaluation clients/{split}")
        alike = (
            _clusters_of(config, train, keys, table) if clusters else example_labels(config, table)
        )
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
