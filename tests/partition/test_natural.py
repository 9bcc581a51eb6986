"""The data's own clients, one value each or several."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from federa.partition import Natural
from partition.splitting import assert_sound, names, refusal, relaxed, split


@given(st.lists(names | st.integers(-3, 12), min_size=1, max_size=60))
@relaxed
def test_natural_clients_are_the_rows_of_one_name_each(keys: list[str | int]) -> None:
    found = sorted(set(map(str, keys)))
    expected = [[row for row, key in enumerate(keys) if str(key) == name] for name in found]
    assert split(Natural(), keys, len(found), 0) == expected
    error = refusal(Natural(), keys, len(found) + 1)
    assert error.startswith(
        f"federation.num_clients: {len(found) + 1} given, the data has {len(found)} clients; at "
    )


@given(st.lists(names | st.integers(-3, 12), min_size=1, max_size=60), st.data())
@relaxed
def test_fewer_clients_hold_whole_values(keys: list[str | int], data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(set(map(str, keys)))))
    parts = split(Natural(), keys, number, 0)
    assert_sound(parts, len(keys), number)
    owners = Counter(value for part in parts for value in {str(keys[row]) for row in part})
    assert set(owners.values()) == {1}


def test_values_are_dealt_out_largest_first() -> None:
    # c 5, a 4, b 3, d 3, e 1 over two clients: c | a, then b to a (4), d to c (5), e to a (7)
    keys = ["a"] * 4 + ["b"] * 3 + ["c"] * 5 + ["d"] * 3 + ["e"]
    parts = split(Natural(), keys, 2, 0)
    assert ["".join(sorted({keys[row] for row in part})) for part in parts] == ["abe", "cd"]
    assert [len(part) for part in parts] == [8, 8]


def test_errors_name_the_column_and_the_smallest_client() -> None:
    keys = ["x", "y", "y", "z", "z", "z"]
    assert "the data has 3 clients (values of 'domain')" in refusal(
        Natural(column="domain"), keys, 4
    )
    assert refusal(Natural(min_examples=2), keys, 3).startswith(
        "partition.min_examples: the client of 'x' has 1 training examples, 2 are asked for"
    )
    assert len(split(Natural(min_examples=3), keys, 2, 0)) == 2
    assert "the client of 'x' and 1 more has 3" in refusal(Natural(min_examples=4), keys, 2)
