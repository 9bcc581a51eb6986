"""Which clients are trained together, and how the rows of a step are cut into products."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

SLACK = 1.1
"""By how much a pass may exceed its equal share, so that padding does not make one more."""


@dataclass(frozen=True)
class Chunk:
    """Rows of one forward and backward pass, in ascending order of their clients.

    begin, end: the clients, as positions on the client axis; owners: the client of each row,
    counted from ``begin``; windows: the window of each row.
    """

    begin: int
    end: int
    owners: tuple[int, ...]
    windows: tuple[int, ...]


def cut_step(
    batches: Sequence[Sequence[int]], lengths: numpy.ndarray, max_tokens: int
) -> list[Chunk]:
    """The rows of one step of clients 0, 1, ... in passes of about equal size.

    As many passes as come nearest to ``max_tokens`` each. A client's whole batch stays together
    unless cutting by length saves a tenth of all tokens, padding included.
    lengths: tokens of every window.
    """
    rows = [(client, window) for client, batch in enumerate(batches) for window in batch]
    total = int(lengths[[window for _, window in rows]].sum())
    number = max(1, round(total / max_tokens))
    if number == 1:
        return [_chunk(rows)]
    limit = math.ceil(SLACK * total / number)
    whole = [[(client, window) for window in batch] for client, batch in enumerate(batches)]
    by_client = _fill(whole, lengths, limit)
    ordered = sorted(rows, key=lambda row: (-int(lengths[row[1]]), row))
    by_length = _fill([[row] for row in ordered], lengths, limit)
    cost_of = [
        padded_tokens([[w for _, w in chunk] for chunk in chunks], lengths)
        for chunks in (by_client, by_length)
    ]
    chosen = by_length if cost_of[1] < 0.9 * cost_of[0] else by_client
    return [_chunk(sorted(chunk)) for chunk in chosen]


def padded_tokens(batches: Sequence[Sequence[int]], lengths: numpy.ndarray) -> int:
    """Tokens of the batches, each padded to its longest window."""
    return sum(len(batch) * int(lengths[list(batch)].max()) for batch in batches if len(batch))


def _fill(
    units: Sequence[list[tuple[int, int]]], lengths: numpy.ndarray, max_tokens: int
) -> list[list[tuple[int, int]]]:
    """Consecutive units joined while a pass stays within ``max_tokens``, padding included."""
    chunks: list[list[tuple[int, int]]] = []
    longest = 0
    for unit in units:
        own = max(int(lengths[window]) for _, window in unit)
        longest = max(longest, own)
        if chunks and (len(chunks[-1]) + len(unit)) * longest <= max_tokens:
            chunks[-1] += unit
        else:
            chunks.append(list(unit))
            longest = own
    return chunks


def _chunk(rows: Sequence[tuple[int, int]]) -> Chunk:
    begin = rows[0][0]
    return Chunk(
        begin=begin,
        end=rows[-1][0] + 1,
        owners=tuple(client - begin for client, _ in rows),
        windows=tuple(window for _, window in rows),
    )


def form_groups(
    costs: Mapping[int, int], num_steps: Mapping[int, int], largest: int, num_workers: int
) -> list[list[int]]:
    """Clients in groups of at most ``largest``, as many as workers or a multiple, of like cost.

    costs: tokens that each client trains on; num_steps: its optimiser steps. Within a group the
    clients with more steps come first, so that those still training are always its beginning.
    Groups with more work come first.
    """
    if not costs:
        return []
    turns = -(-len(costs) // (largest * num_workers))
    number = min(len(costs), turns * num_workers)
    groups: list[list[int]] = [[] for _ in range(number)]
    loads = [0] * number
    for client in sorted(costs, key=lambda client: (-costs[client], client)):
        open_groups = [place for place in range(number) if len(groups[place]) < largest]
        place = min(open_groups, key=lambda place: (loads[place], place))
        groups[place].append(client)
        loads[place] += costs[client]
    order = sorted(range(number), key=lambda place: (-loads[place], place))
    return [
        sorted(groups[place], key=lambda client: (-num_steps[client], client)) for place in order
    ]
