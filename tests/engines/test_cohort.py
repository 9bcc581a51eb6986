"""The cohort engine's updates against the sequential one's, bit for bit where it is one plan."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import torch

from engines.sessions import ONE, TWO, everyone, moved, require_close, same_bits, trained
from federa.config import RunConfig
from federa.engines.cohort import CohortSession
from federa.engines.sequential import SequentialSession
from federa.preparation import prepare
from federa.types import Download


@pytest.mark.parametrize(
    ("engine", "method"),
    [
        pytest.param(ONE, "federa", id="here"),
        pytest.param(TWO, "federa", id="workers"),
        pytest.param(TWO, "full", id="workers-full"),
    ],
)
def test_updates_equal_the_sequential_ones_and_themselves(
    make: Callable[..., RunConfig], engine: dict[str, Any], method: str
) -> None:
    chosen = {"name": method} if method == "full" else {"name": method, "rank": 4}
    setup, state, *_ = prepare(make(engine, method=chosen))
    work = everyone(setup, state)
    found = []
    for _ in range(2):
        with closing(CohortSession(setup)) as session:
            found += [trained(session, work, round) for round in (0, 1)]
            assert same_bits(found[-2], trained(session, work)), "what ran before plays no part"
    assert same_bits(found[0], found[2])
    assert same_bits(found[1], found[3])
    assert not same_bits(found[0], found[1])
    plain = SequentialSession(setup)
    require_close(found[0], trained(plain, work), state.params)
    require_close(found[1], trained(plain, work, 1), state.params)


def test_one_worker_of_two_threads(make: Callable[..., RunConfig]) -> None:
    setup, state, *_ = prepare(make({**TWO, "workers": 1}))
    work = {client: one for client, one in everyone(setup, state).items() if client < 2}
    with closing(CohortSession(setup)) as session:
        assert session.pool is None
        found = trained(session, work)
        assert same_bits(found, trained(session, work))
    require_close(found, trained(SequentialSession(setup), work), state.params)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("clients", [1, 2, 6])
def test_how_many_share_a_stack_does_not_matter(
    make: Callable[..., RunConfig], clients: int, workers: int
) -> None:
    setup, state, *_ = prepare(make({"threads": workers}))
    work = everyone(setup, state)
    wanted = trained(SequentialSession(setup), work)
    setup = replace(setup, plan=replace(setup.plan, clients=clients))
    with closing(CohortSession(setup)) as session:
        require_close(trained(session, work), wanted, state.params)
        some = {client: work[client] for client in (4, 1)}
        found = trained(session, some)
        require_close(found, {client: wanted[client] for client in some}, state.params)
        assert trained(session, {}) == {}


@pytest.mark.parametrize(
    ("engine", "model"), [(ONE, "bert"), (TWO, "bert"), (ONE, "modernbert")], ids=str
)
def test_clients_of_unequal_ranks(
    make: Callable[..., RunConfig], engine: dict[str, Any], model: str
) -> None:
    """Some hold the first rows of every A and the first columns of every B."""
    setup, state, *_ = prepare(make(engine, model=model, method={"name": "lora", "rank": 4}))
    state = moved(state)
    pairs = state.layout.pairs

    def cut(rank: int) -> Download:
        factors = {pair.a: state.params[pair.a][:rank] for pair in pairs}
        factors |= {pair.b: state.params[pair.b][:, :rank] for pair in pairs}
        return Download({name: factors.get(name, v) for name, v in state.params.items()})

    work = {client: cut(rank) for client, rank in enumerate((4, 1, 2, 4, 2, 1))}
    wanted = trained(SequentialSession(setup), work)
    with closing(CohortSession(setup)) as session:
        found = trained(session, work)
    for client, download in work.items():
        require_close({0: found[client]}, {0: wanted[client]}, download.params)
        assert all(found[client].params[n].shape == v.shape for n, v in download.params.items())


def test_memory_of_the_workers(make: Callable[..., RunConfig]) -> None:
    setup, state, *_ = prepare(make(TWO))
    with closing(CohortSession(setup)) as session:
        assert session.other_peak_bytes() == 0
        trained(session, everyone(setup, state))
        assert 0 < session.other_peak_bytes() < 2 << 30
    setup, *_ = prepare(make(ONE))
    with closing(CohortSession(setup)) as session:
        trained(session, {0: Download(state.params)})
        assert session.other_peak_bytes() == 0


def test_scoring_does_not_forget_what_training_took(make: Callable[..., RunConfig]) -> None:
    """A round's peak is read after it is scored."""
    setup, state, *_ = prepare(make(TWO))
    with closing(CohortSession(setup)) as session:
        assert session.pool is not None
        trained(session, everyone(setup, state))
        session.pool.peak_bytes = 1 << 40
        session.evaluate(state, ["validation"], whole=True, per_client=False)
        assert session.other_peak_bytes() == 2 << 40
        trained(session, everyone(setup, state))
        assert session.other_peak_bytes() < 1 << 40


def test_threads_are_given_back(make: Callable[..., RunConfig]) -> None:
    setup, *_ = prepare(make(TWO))
    assert torch.get_num_threads() == 2
    with closing(CohortSession(setup)):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
