"""Evaluation rows for clients: by the names they hold, or alike in labels."""

from __future__ import annotations

from collections import Counter

import numpy
from hypothesis import given
from hypothesis import strategies as st

from federa.partition import assign_alike, assign_by_name
from partition.splitting import assert_sound, labels, relaxed, seeds


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


def test_evaluation_rows_go_to_the_client_of_their_name() -> None:
    train = ["x", "y", "x", "z"]
    names = ["z", "unknown", "x", "y", "x"]
    found = [part.tolist() for part in assign_by_name(train, names)]
    assert found == [[2, 4], [3], [0]]
    clients = [numpy.array([0, 2, 3]), numpy.array([1])]
    found = [part.tolist() for part in assign_by_name(train, names, clients)]
    assert found == [[0, 2, 4], [3]]
