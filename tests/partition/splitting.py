"""What the tests of the partitioners share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from federa.errors import ConfigError
from federa.partition import Partitioner

relaxed = settings(max_examples=60, derandomize=True, deadline=None)
labels = st.lists(st.sampled_from(["a", "b", "ç", "0", "00"]), min_size=1, max_size=120)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
seeds = st.integers(0, 2**63 - 1)
alphas = st.floats(0, 1e6, exclude_min=True)

adversarial = st.one_of(
    labels,
    st.lists(st.just("only"), min_size=1, max_size=50),
    st.integers(1, 50).map(lambda number: list(range(number))),  # a label a row
    st.lists(names | st.integers(-3, 12) | st.none() | st.booleans(), min_size=1, max_size=60),
    st.tuples(st.integers(1, 80), st.integers(1, 4)).map(
        lambda sizes: ["common"] * sizes[0] + [f"rare {number}" for number in range(sizes[1])]
    ),
)
"""Keys of many kinds: one label, a label a row, rare ones, numbers beside text, odd letters."""


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
