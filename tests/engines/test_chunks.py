"""Forming groups of clients, and cutting a step into passes."""

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from federa.engines.chunks import cut_step, form_groups, padded_tokens

LENGTHS = numpy.array([3, 9, 4, 10, 3, 2, 8, 8])


def test_what_fits_is_one_pass() -> None:
    (chunk,) = cut_step([[0, 1], [3]], LENGTHS, 30)
    assert (chunk.begin, chunk.end) == (0, 2)
    assert chunk.owners == (0, 0, 1)
    assert chunk.windows == (0, 1, 3)


def test_like_lengths_share_a_pass_where_that_saves_tokens() -> None:
    """26 tokens in two passes of 13, or a tenth more; by client, 18 and 20 with padding."""
    chunks = cut_step([[0, 1], [2, 3]], LENGTHS, 13)
    assert [chunk.windows for chunk in chunks] == [(3,), (1,), (0, 2)]
    assert [chunk.owners for chunk in chunks] == [(0,), (0,), (0, 1)]


def test_a_clients_batch_stays_whole_where_nothing_is_saved() -> None:
    chunks = cut_step([[6, 7], [6, 7], [6, 7]], LENGTHS, 16)
    assert [(chunk.begin, chunk.end, chunk.owners) for chunk in chunks] == [
        (0, 1, (0, 0)),
        (1, 2, (0, 0)),
        (2, 3, (0, 0)),
    ]


def test_what_is_little_more_than_a_pass_is_one() -> None:
    assert len(cut_step([[6, 7], [6, 7], [6, 7]], LENGTHS, 33)) == 1
    assert len(cut_step([[6, 7], [6, 7], [6, 7]], LENGTHS, 31)) == 3, "batches stay whole"


def test_padded_tokens_by_hand() -> None:
    assert padded_tokens([[0, 1], [], [4]], LENGTHS) == 2 * 9 + 3


BATCHES = st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=6), min_size=1, max_size=6)


@settings(deadline=None)
@given(batches=BATCHES, max_tokens=st.integers(1, 80))
def test_every_row_is_in_one_pass_of_bounded_size(
    batches: list[list[int]], max_tokens: int
) -> None:
    chunks = cut_step(batches, LENGTHS, max_tokens)
    found = sorted(
        (chunk.begin + owner, window)
        for chunk in chunks
        for owner, window in zip(chunk.owners, chunk.windows, strict=True)
    )
    assert found == sorted((c, w) for c, batch in enumerate(batches) for w in batch)
    whole = {tuple(sorted(batch)) for batch in batches}
    total = sum(int(LENGTHS[list(batch)].sum()) for batch in batches)
    number = max(1, round(total / max_tokens))
    limit = -(-1.1 * total // number) if number > 1 else float("inf")
    for chunk in chunks:
        assert list(chunk.owners) == sorted(chunk.owners)
        assert chunk.owners[0] == 0
        assert chunk.begin + chunk.owners[-1] == chunk.end - 1
        size = padded_tokens([chunk.windows], LENGTHS)
        one_batch = len(chunk.windows) == 1 or (
            len(set(chunk.owners)) == 1 and tuple(sorted(chunk.windows)) in whole
        )
        assert size <= limit or one_batch


COSTS = st.dictionaries(st.integers(0, 99), st.integers(1, 1000), min_size=1, max_size=40)


@settings(deadline=None)
@given(costs=COSTS, largest=st.integers(1, 9), workers=st.integers(1, 4), data=st.data())
def test_groups_hold_every_client_once_the_longest_first(
    costs: dict[int, int], largest: int, workers: int, data: st.DataObject
) -> None:
    steps = {client: data.draw(st.integers(1, 5)) for client in costs}
    groups = form_groups(costs, steps, largest, workers)
    assert sorted(client for group in groups for client in group) == sorted(costs)
    assert all(1 <= len(group) <= largest for group in groups)
    assert len(groups) == len(costs) or len(groups) % workers == 0
    for group in groups:
        assert [steps[c] for c in group] == sorted((steps[c] for c in group), reverse=True)
    loads = [sum(costs[client] for client in group) for group in groups]
    assert loads == sorted(loads, reverse=True)
    shuffled = dict(sorted(costs.items(), key=lambda item: item[1]))
    assert form_groups(shuffled, steps, largest, workers) == groups


def test_no_clients_make_no_groups() -> None:
    assert form_groups({}, {}, 3, 2) == []
