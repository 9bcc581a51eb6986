"""A few labels a client: how many, how large, and what cannot be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federa.errors import ConfigError
from federa.partition import Pathological
from partition.splitting import adversarial, assert_sound, refusal, relaxed, seeds, split


def _labels(keys: list[Any], parts: list[list[int]]) -> list[set[str]]:
    return [{str(keys[row]) for row in part} for part in parts]


@given(adversarial, st.data())
@relaxed
def test_no_client_has_more_labels_and_none_is_left_out(
    keys: list[Any], data: st.DataObject
) -> None:
    sizes = Counter(map(str, keys))
    num_clients = data.draw(st.integers(1, len(keys)))
    wanted = data.draw(st.integers(-(-len(sizes) // num_clients), len(sizes)))
    parts = split(Pathological(labels_per_client=wanted), keys, num_clients, data.draw(seeds))
    assert_sound(parts, len(keys), num_clients)
    numbers = [len(held) for held in _labels(keys, parts)]
    assert max(numbers) <= wanted
    assert max(numbers) - min(numbers) <= 1
    if sum(min(size, num_clients) for size in sizes.values()) >= num_clients * wanted:
        assert set(numbers) == {wanted}


def test_mcmahan_shards() -> None:
    # 10 digits of 600 rows, 100 clients, 2 labels: 200 shards of 30 rows, 20 of each digit
    keys = [row % 10 for row in range(6000)]
    parts = split(Pathological(labels_per_client=2), keys, 100, 0)
    assert {len(part) for part in parts} == {60}
    held = [Counter(keys[row] for row in part) for part in parts]
    assert {number for counts in held for number in counts.values()} == {30}
    assert Counter(label for counts in held for label in counts) == dict.fromkeys(range(10), 20)
    # at random: of the 45 pairs about 45 (1 - (44/45)^100) = 40 occur
    assert len({tuple(sorted(counts)) for counts in held}) > 33


def test_shards_follow_the_sizes_of_the_labels() -> None:
    # 4 clients x 2 = 8 shards of 80 rows; one for c, and of 7 the next always halves the largest:
    # a 40, b 30, c 10 -> a 20+20, a 13 x 3 | b 15+15 | then a 4 shards (no more than clients), b 3
    keys = ["a"] * 40 + ["b"] * 30 + ["c"] * 10
    parts = split(Pathological(labels_per_client=2), keys, 4, 1)
    held = [Counter(keys[row] for row in part) for part in parts]
    assert Counter(label for counts in held for label in counts) == {"a": 4, "b": 3, "c": 1}
    assert sorted(counts["a"] for counts in held) == [10] * 4
    assert sorted(counts["b"] for counts in held) == [0, 10, 10, 10]


def test_too_few_rows_for_the_shards_leave_some_clients_fewer_labels() -> None:
    # b has one row, so one client has two labels and the four others have one
    keys = ["a"] * 100 + ["b"]
    parts = split(Pathological(labels_per_client=2), keys, 5, 0)
    assert sorted(len(held) for held in _labels(keys, parts)) == [1, 1, 1, 1, 2]


@pytest.mark.parametrize("seed", range(10))
def test_small_clients_get_rows_of_their_own_labels(seed: int) -> None:
    # rare labels of 3 rows: their clients get the rest from the common label
    keys = ["a"] * 60 + ["b"] * 3 + ["c"] * 3
    parts = split(Pathological(labels_per_client=2, min_examples=16), keys, 4, seed)
    assert_sound(parts, 66, 4)
    assert min(map(len, parts)) >= 16
    assert max(len(held) for held in _labels(keys, parts)) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_rows_move_through_a_chain_of_clients(seed: int) -> None:
    keys = ["a"] * 50 + ["b"] * 20 + ["c"] * 20 + ["d"] * 6
    parts = split(Pathological(labels_per_client=2, min_examples=15), keys, 6, seed)
    assert_sound(parts, 96, 6)
    assert min(map(len, parts)) >= 15
    assert {len(held) for held in _labels(keys, parts)} == {2}


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.data())
@relaxed
def test_a_minimum_holds_or_is_refused(sizes: list[int], data: st.DataObject) -> None:
    keys = [label for label, size in enumerate(sizes) for _ in range(size)]
    num_clients = data.draw(st.integers(1, min(8, len(keys))))
    wanted = data.draw(st.integers(-(-len(sizes) // num_clients), len(sizes)))
    fewest = data.draw(st.integers(1, len(keys) // num_clients))
    partitioner = Pathological(labels_per_client=wanted, min_examples=fewest)
    try:
        parts = split(partitioner, keys, num_clients, data.draw(seeds))
    except ConfigError:
        # where every client may hold every label and every label has a row for each, it can be
        assert wanted < len(sizes) or min(sizes) < num_clients
        return
    assert_sound(parts, len(keys), num_clients)
    assert min(map(len, parts)) >= fewest
    assert max(len(held) for held in _labels(keys, parts)) <= wanted


def test_what_cannot_be_is_refused() -> None:
    keys = list("abcdefghij") * 10
    assert refusal(Pathological(labels_per_client=11), keys, 5) == (
        "partition.labels_per_client: 11 exceeds the 10 labels of the training examples"
    )
    assert refusal(Pathological(labels_per_client=2), keys, 4) == (
        "partition.labels_per_client: 4 clients x 2 labels leave some of the 10 labels to nobody; "
        "at least 3"
    )
    # with one label each, the client of b has its 3 rows and no more
    error = refusal(Pathological(labels_per_client=1, min_examples=4), ["a"] * 20 + ["b"] * 3, 2)
    assert error.startswith("partition.min_examples: found no split where each of 2 clients has 4")
