"""Classes spread over the clients: the minimum holds, and alpha means what it should."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federa.partition import Dirichlet
from partition.splitting import alphas, labels, refusal, relaxed, seeds, split


@given(labels, alphas, st.data())
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


@pytest.mark.parametrize("seed", range(5))
def test_alpha_1000_is_near_iid(seed: int) -> None:
    # a share's standard deviation is sqrt(0.1 x 0.9 / 10001) = 0.003: within 5, and rounding
    assert max(_largest_shares(1000, seed)) <= 0.1 + 5 * 0.003 + 1 / 200


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


def test_keys_that_end_in_a_nul_are_keys_of_their_own() -> None:
    keys = ["a", "a\0"] * 50
    parts = split(Dirichlet(alpha=1e-6, min_examples=1), keys, 2, 0)
    assert split(Dirichlet(alpha=1e-6, min_examples=1), ["a", "b"] * 50, 2, 0) == parts
