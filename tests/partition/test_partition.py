"""Every split is disjoint, complete, sorted and repeatable, whatever the keys are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federa.partition import (
    PARTITIONERS,
    ClientDirichlet,
    Dirichlet,
    Embedding,
    Iid,
    Natural,
    Partitioner,
    Pathological,
    Quantity,
    Saved,
)
from partition.splitting import adversarial, alphas, assert_sound, refusal, relaxed, seeds, split

BY_KEYS = [record for record in PARTITIONERS if record is not Saved]


@st.composite
def splits(draw: st.DrawFn, kind: type[Any]) -> tuple[Partitioner, list[Any], int, int, int]:
    """A partitioner, keys that it can split, the number of clients, a seed, the least size."""
    keys = draw(adversarial)
    num_labels = len(set(map(str, keys)))
    if kind is Natural:
        return Natural(), keys, draw(st.integers(1, num_labels)), draw(seeds), 1
    num_clients = draw(st.integers(1, len(keys)))
    fewest = len(keys) // num_clients
    if kind is Iid:
        return Iid(), keys, num_clients, draw(seeds), fewest
    if kind is Pathological:
        wanted = draw(st.integers(-(-num_labels // num_clients), num_labels))
        return Pathological(labels_per_client=wanted), keys, num_clients, draw(seeds), 1
    alpha = draw(alphas)
    if kind is ClientDirichlet:
        return ClientDirichlet(alpha=alpha), keys, num_clients, draw(seeds), fewest
    given: dict[str, Any] = {"alpha": alpha, "min_examples": draw(st.integers(1, fewest))}
    if kind is Embedding:
        given["draws"] = draw(st.sampled_from(["per_cluster", "per_client"]))
    return kind(**given), keys, num_clients, draw(seeds), given["min_examples"]


@pytest.mark.parametrize("kind", BY_KEYS)
def test_every_split_is_disjoint_complete_sorted_and_repeatable(kind: type[Any]) -> None:
    @given(splits(kind))
    @relaxed
    def check(case: tuple[Partitioner, list[Any], int, int, int]) -> None:
        partitioner, keys, num_clients, seed, fewest = case
        parts = split(partitioner, keys, num_clients, seed)
        assert_sound(parts, len(keys), num_clients)
        assert min(map(len, parts)) >= fewest
        assert split(partitioner, [str(key) for key in keys], num_clients, seed) == parts

    check()


RANDOM = [
    Iid(),
    Dirichlet(),
    ClientDirichlet(),
    Quantity(),
    Pathological(labels_per_client=1),
    Embedding(),
]


@pytest.mark.parametrize("partitioner", RANDOM)
def test_another_seed_gives_another_split(partitioner: Partitioner) -> None:
    keys = ["a", "b"] * 100
    assert split(partitioner, keys, 5, 1) != split(partitioner, keys, 5, 2)


@pytest.mark.parametrize(
    "partitioner",
    [
        Iid(),
        Dirichlet(min_examples=1),
        ClientDirichlet(),
        Quantity(min_examples=1),
        Pathological(),
        Embedding(min_examples=1),
    ],
)
def test_more_clients_than_examples_are_refused(partitioner: Partitioner) -> None:
    assert_sound(split(partitioner, ["a", "b", "a"], 3, 0), 3, 3)
    error = refusal(partitioner, ["a", "b", "a"], 4)
    assert "4 clients" in error
    assert "3 training examples" in error
    assert "10000000000000000000000" in refusal(partitioner, ["a", "b", "a"], 10**22)


@pytest.mark.parametrize("kind", [Dirichlet, Quantity, Pathological, Embedding])
def test_a_minimum_beyond_the_examples_is_refused(kind: type[Any]) -> None:
    assert_sound(split(kind(min_examples=4), ["a", "b"] * 6, 3, 0), 12, 3)
    assert refusal(kind(min_examples=5), ["a", "b"] * 6, 3) == (
        "partition.min_examples: 3 clients x 5 examples exceed the 12 training examples"
    )


def test_what_a_partitioner_reads() -> None:
    assert {record.model_fields["name"].default: record.reads for record in PARTITIONERS} == {
        "iid": "size",
        "dirichlet": "label",
        "client_dirichlet": "label",
        "quantity": "size",
        "pathological": "label",
        "natural": "column",
        "embedding": "cluster",
        "saved": "file",
    }


KEYS = ["b", "a", "c", "a", "b", "a", "a", "c", "b", "a", "a", "b", "a", "c"]
GOLDEN: list[tuple[Partitioner, list[list[int]]]] = [
    (Iid(), [[1, 2, 8, 11, 12], [0, 5, 6, 10, 13], [3, 4, 7, 9]]),
    (
        Dirichlet(alpha=0.5, min_examples=2),
        [[0, 1, 5, 8, 9, 10, 12, 13], [2, 4, 7], [3, 6, 11]],
    ),
    (ClientDirichlet(alpha=1.0), [[3, 6, 8, 9, 11], [0, 1, 2, 4, 5], [7, 10, 12, 13]]),
    (
        Quantity(alpha=0.5, min_examples=2),
        [[6, 13], [2, 3, 5, 8, 10, 11, 12], [0, 1, 4, 7, 9]],
    ),
    (
        Pathological(labels_per_client=2, min_examples=4),
        [[3, 5, 8, 11], [1, 2, 6, 7, 12, 13], [0, 4, 9, 10]],
    ),
    (Natural(), [[1, 3, 5, 6, 9, 10, 12], [0, 4, 8, 11], [2, 7, 13]]),
    (
        Embedding(alpha=0.5, min_examples=2),
        [[0, 1, 5, 8, 9, 10, 12, 13], [2, 4, 7], [3, 6, 11]],
    ),
    (
        Embedding(alpha=1.0, min_examples=2, draws="per_client"),
        [[3, 6, 8, 9, 11], [0, 1, 2, 4, 5], [7, 10, 12, 13]],
    ),
]


@pytest.mark.parametrize(("partitioner", "expected"), GOLDEN)
def test_the_stream_is_what_it_was(partitioner: Partitioner, expected: list[list[int]]) -> None:
    # a change here changes every run's split: results stop being comparable with earlier ones
    assert split(partitioner, KEYS, 3, 20260) == expected
