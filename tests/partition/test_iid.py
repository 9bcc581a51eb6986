"""Equal shares at random."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from federa.partition import Iid
from partition.splitting import labels, relaxed, seeds, split


@given(labels, st.data())
@relaxed
def test_iid_sizes_differ_by_at_most_one(keys: list[str], data: st.DataObject) -> None:
    num_clients = data.draw(st.integers(1, len(keys)))
    sizes = {len(part) for part in split(Iid(), keys, num_clients, data.draw(seeds))}
    assert max(sizes) - min(sizes) <= 1


def test_iid_only_counts_its_keys() -> None:
    assert split(Iid(), [None] * 20, 3, 5) == split(Iid(), list("abcdefghijklmnopqrst"), 3, 5)
