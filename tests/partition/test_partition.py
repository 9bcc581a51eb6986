"""Every split is disjoint, complete, sorted and repeatable; each partitioner keeps its promise."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federa.errors import ConfigError
from federa.partition import Dirichlet, Iid, Natural, Partitioner, assign_alike

relaxed = settings(max_examples=60, derandomize=True, deadline=None)
labels = st.lists(st.sampled_from(["a", "b", "ç", "0", "00"]), min_size=1, max_size=120)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)
seeds = st.integers(0, 2**63 - 1)


def split(
    partitioner: Partitioner, keys: Sequence[Any], num_clients: int, seed: int
) -> list[list[int]]:
    parts = partitioner.split(keys, num_clients, numpy.random.default_rng(seed))
    assert {part.dtype for part in parts} <= {numpy.dtype(numpy.int64)}
    return [part.tolist() for part in parts]


def assert_sound(parts: list[list[int]], num_rows: int, num_clients: int) -> None:
    assert len(parts) == num_clients
    assert all(part == sorted(part) for part in parts)
    assert sorted(row for part in parts for row in part) == list(range(num_rows))


def refusal(partitioner: Partitioner, keys: Sequence[Any], num_clients: int) -> str:
    with pytest.raises(ConfigError) as caught:
        split(partitioner, keys, num_clients, 0)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@st.composite
def splits(draw: st.DrawFn) -> tuple[Partitioner, list[str], int, int]:
    """A partitioner, keys that it can split, the number of clients, and a seed."""
    keys = draw(labels)
    kind = draw(st.sampled_from(["iid", "dirichlet", "natural"]))
    if kind == "natural":
        return Natural(), keys, len(set(keys)), draw(seeds)
    num_clients = draw(st.integers(1, len(keys)))
    if kind == "iid":
        return Iid(), keys, num_clients, draw(seeds)
    alpha = draw(st.floats(0, 1e6, exclude_min=True))
    fewest = draw(st.integers(1, len(keys) // num_clients))
    return Dirichlet(alpha=alpha, min_examples=fewest), keys, num_clients, draw(seeds)


@given(splits())
@relaxed
def test_every_split_is_disjoint_complete_sorted_and_repeatable(
    case: tuple[Partitioner, list[str], int, int],
) -> None:
    partitioner, keys, num_clients, seed = case
    parts = split(partitioner, keys, num_clients, seed)
    assert_sound(parts, len(keys), num_clients)
    assert split(partitioner, keys, num_clients, seed) == parts


@pytest.mark.parametrize("partitioner", [Iid(), Dirichlet()])
def test_another_seed_gives_another_split(partitioner: Partitioner) -> None:
    keys = ["a", "b"] * 100
    assert split(partitioner, keys, 5, 1) != split(partitioner, keys, 5, 2)


# iid


@given(labels, st.data())
@relaxed
def test_iid_sizes_differ_by_at_most_one(keys: list[str], data: st.DataObject) -> None:
    num_clients = data.draw(st.integers(1, len(keys)))
    sizes = {len(part) for part in split(Iid(), keys, num_clients, data.draw(seeds))}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("partitioner", [Iid(), Dirichlet(min_examples=1)])
def test_more_clients_than_examples_are_refused(partitioner: Partitioner) -> None:
    assert_sound(split(partitioner, ["a", "b", "a"], 3, 0), 3, 3)
    error = refusal(partitioner, ["a", "b", "a"], 4)
    assert "4 clients" in error
    assert "3 training examples" in error


# dirichlet


@given(labels, st.floats(0, 1e6, exclude_min=True), st.data())
@relaxed
def test_every_dirichlet_client_has_min_examples(
    keys: list[str], alpha: float, data: st.DataObject
) -> None:
    num_clients = data.draw(st.integers(1, len(keys)))
    fewest = len(keys) // num_clients
    partitioner = Dirichlet(alpha=alpha, min_examples=fewest)
    parts = split(partitioner, keys, num_clients, data.draw(seeds))
    assert min(len(part) for part in parts) >= fewest
    error = refusal(partitioner.model_copy(update={"min_examples": fewest + 1}), keys, num_clients)
    assert error == (
        f"partition.min_examples: {num_clients} clients x {fewest + 1} examples exceed the "
        f"{len(keys)} training examples"
    )


def _largest_shares(alpha: float, seed: int) -> list[float]:
    """For each of 5 classes of 200 rows, the share of it that one of 10 clients holds at most."""
    keys = [row % 5 for row in range(1000)]
    parts = split(Dirichlet(alpha=alpha, min_examples=1), keys, 10, seed)
    held = [Counter(keys[row] for row in part) for part in parts]
    return [max(counts[key] for counts in held) / 200 for key in range(5)]


@pytest.mark.parametrize("seed", range(5))
def test_a_tiny_alpha_gives_each_class_to_one_client(seed: int) -> None:
    # all but the few rows that top the other clients up to one example
    assert min(_largest_shares(1e-4, seed)) >= (200 - 9) / 200


@pytest.mark.parametrize("seed", range(5))
def test_a_huge_alpha_gives_every_client_the_same_share(seed: int) -> None:
    # 20 of 200 rows each, up to the rounding of both ends
    assert max(_largest_shares(1e6, seed)) <= 21 / 200


def test_the_skew_falls_as_alpha_grows() -> None:
    skews = [
        float(numpy.mean([_largest_shares(alpha, seed) for seed in range(10)]))
        for alpha in (1e-3, 0.1, 1.0, 10.0, 1e3)
    ]
    assert skews == sorted(skews, reverse=True)
    assert all(before > after * 1.2 for before, after in itertools.pairwise(skews))


def test_top_up_takes_from_the_largest_client() -> None:
    # one class, alpha tiny: one client gets all 100 rows and gives 5 to each of the 9 others
    sizes = [len(part) for part in split(Dirichlet(alpha=1e-6, min_examples=5), ["a"] * 100, 10, 3)]
    assert sorted(sizes) == [5] * 9 + [55]


# natural


@given(st.lists(names | st.integers(-3, 12), min_size=1, max_size=60))
@relaxed
def test_natural_clients_are_the_rows_of_one_name_each(keys: list[str | int]) -> None:
    found = sorted(set(map(str, keys)))
    expected = [[row for row, key in enumerate(keys) if str(key) == name] for name in found]
    assert split(Natural(), keys, len(found), 0) == expected
    for wrong in (len(found) - 1, len(found) + 1):
        error = refusal(Natural(), keys, wrong)
        assert error.startswith(f"federation.num_clients: {wrong} given, the data has {len(found)}")


# evaluation rows for clients


@given(labels, labels, st.integers(1, 8), seeds)
@relaxed
def test_assigned_rows_are_disjoint_complete_and_proportional(
    train_keys: list[str], keys: list[str], num_clients: int, seed: int
) -> None:
    rng = numpy.random.default_rng(seed)
    owner = rng.integers(num_clients, size=len(train_keys))
    clients = [numpy.flatnonzero(owner == client) for client in range(num_clients)]

    def assign() -> list[list[int]]:
        parts = assign_alike(train_keys, clients, keys, numpy.random.default_rng(seed))
        return [part.tolist() for part in parts]

    parts = assign()
    assert_sound(parts, len(keys), num_clients)
    assert assign() == parts
    for key, number in Counter(keys).items():
        total = train_keys.count(key)
        for rows, part in zip(clients, parts, strict=True):
            owned = sum(train_keys[row] == key for row in rows)
            exact = number * owned / total if total else number / num_clients
            assert abs(sum(keys[row] == key for row in part) - exact) < 1


def test_assigned_rows_follow_exact_shares() -> None:
    train_keys = ["a"] * 4 + ["b"] * 2
    clients = [numpy.array([0, 1, 2]), numpy.array([3, 4, 5]), numpy.array([], dtype=int)]
    keys = ["a"] * 8 + ["b"] * 3 + ["new"] * 3
    parts = assign_alike(train_keys, clients, keys, numpy.random.default_rng(0))
    counts = [Counter(keys[row] for row in part) for part in parts]
    assert counts == [{"a": 6, "new": 1}, {"a": 2, "b": 3, "new": 1}, {"new": 1}]
