"""Which training rows are held out to validate on, where the data has no split for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from federa.errors import ConfigError, DataError
from federa.seeding import numpy_generator
from federa.types import Corpus, Table, num_rows, take_rows

if TYPE_CHECKING:
    from federa.config import RunConfig
    from federa.partition.saved import SavedSplit


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


def _carve(config: RunConfig, table: Table) -> list[int]:
    """A seeded share of the training rows, spread over the labels, to validate on.

    Largest remainders; every label keeps a row in training, and so does every client. Rows of one
    passage go together.
    """
    passages = config.task.passage(table)
    if passages is not None:
        held = _carve_passages(config, passages)
    else:
        held = _carve_labels(config, example_labels(config, table))
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


def example_labels(config: RunConfig, table: Table) -> list[Any]:
    """One label a row; the same for all of a task whose examples have none."""
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
