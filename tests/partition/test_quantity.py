"""Sizes by a Dirichlet draw: the minimum holds exactly, labels stay at random."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federa.partition import Quantity
from partition.splitting import alphas, assert_sound, relaxed, seeds, split


@given(st.integers(1, 200), alphas, st.data())
@relaxed
def test_the_minimum_holds_for_every_seed(num_rows: int, alpha: float, data: st.DataObject) -> None:
    num_clients = data.draw(st.integers(1, num_rows))
    fewest = data.draw(st.integers(1, num_rows // num_clients))
    partitioner = Quantity(alpha=alpha, min_examples=fewest)
    parts = split(partitioner, [None] * num_rows, num_clients, data.draw(seeds))
    assert_sound(parts, num_rows, num_clients)
    assert min(map(len, parts)) >= fewest


def test_one_client_gets_all_but_the_minimum_at_a_tiny_alpha() -> None:
    sizes = [len(part) for part in split(Quantity(alpha=1e-6, min_examples=3), [0] * 100, 10, 1)]
    assert sorted(sizes) == [3] * 9 + [73]


def test_a_huge_alpha_gives_equal_sizes() -> None:
    sizes = [len(part) for part in split(Quantity(alpha=1e6, min_examples=1), [0] * 10010, 10, 1)]
    assert max(abs(size - 1001) for size in sizes) <= 2


@pytest.mark.parametrize("alpha", [0.5, 5.0])
def test_sizes_have_the_variance_of_the_draw(alpha: float) -> None:
    # q_k has the mean 1/10 and the variance 0.1 x 0.9 / (10 alpha + 1), over 10,000 rows
    sizes = numpy.array(
        [
            [len(part) for part in split(Quantity(alpha=alpha, min_examples=1), [0] * 10010, 10, s)]
            for s in range(100)
        ]
    )
    assert sizes.sum(axis=1).tolist() == [10010] * 100
    assert sizes.var() == pytest.approx(0.09 / (10 * alpha + 1) * 10000**2, rel=0.2)


def test_labels_do_not_matter() -> None:
    partitioner = Quantity(min_examples=2)
    assert split(partitioner, ["a", "b"] * 20, 4, 9) == split(partitioner, [1] * 40, 4, 9)
