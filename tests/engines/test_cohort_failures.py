"""Clients and workers that fail in the cohort engine, and the others of their group."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from engines.sessions import ONE, TWO, Answers, everyone, require_close, trained
from federa import local
from federa.config import RunConfig
from federa.engines.cohort import CohortSession
from federa.engines.sequential import SequentialSession
from federa.local import LocalSetup
from federa.preparation import prepare
from federa.tasks import TextClassification
from federa.types import ClientFailure, Download

ENGINES = pytest.mark.parametrize("engine", [ONE, TWO], ids=["here", "workers"])


def without(answers: Answers, *clients: int) -> Answers:
    return {client: answer for client, answer in answers.items() if client not in clients}


@ENGINES
def test_a_client_whose_batches_raise_fails_alone(
    make: Callable[..., RunConfig], engine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, state, *_ = prepare(make(engine))
    work, real = everyone(setup, state), local.batches
    wanted = trained(SequentialSession(setup), work)

    def broken(setup: LocalSetup, round: int, client: int) -> Iterator[Sequence[int]]:
        for number, batch in enumerate(real(setup, round, client)):
            if client == 3 and number == 1:
                raise ValueError("a row is\nbroken")
            yield batch

    with closing(CohortSession(setup)) as session:
        with monkeypatch.context() as patch:
            patch.setattr(local, "batches", broken)
            found = trained(session, work)
        assert found[3] == ClientFailure(3, "ValueError: a row is")
        require_close(without(found, 3), without(wanted, 3), state.params)
        require_close(trained(session, work), wanted, state.params)


@ENGINES
def test_a_download_that_is_not_finite_fails_alone(
    make: Callable[..., RunConfig], engine: dict[str, Any]
) -> None:
    setup, state, *_ = prepare(make({**engine, "clients": 6}))
    work = everyone(setup, state)
    bad = {name: value * float("nan") for name, value in state.params.items()}
    work[2] = Download(bad)
    plain = trained(SequentialSession(setup), work)
    with closing(CohortSession(setup)) as session:
        found = trained(session, work)
    assert found[2] == plain[2]
    assert isinstance(found[2], ClientFailure)
    require_close(without(found, 2), without(plain, 2), state.params)


def spoil(
    setup: LocalSetup, monkeypatch: pytest.MonkeyPatch, happen: Callable[[], None]
) -> tuple[int, int]:
    """Let something happen where a window of one client is read; the client, and another."""
    windows = setup.examples.windows.lengths()
    shortest = int(windows.argmin())  # is read when a model is stacked
    bad, good = [c for c in range(len(setup.clients)) if shortest not in setup.windows(c)][:2]
    owned, real = set(setup.windows(bad).tolist()), TextClassification.collate

    def collate(self: Any, encoded: Any, chosen: Sequence[int]) -> Any:
        if encoded is setup.examples and owned & set(chosen):
            happen()
        return real(self, encoded, chosen)

    monkeypatch.setattr(TextClassification, "collate", collate)
    return bad, good


@ENGINES
def test_a_client_that_raises_in_a_group_fails_alone(
    make: Callable[..., RunConfig], engine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, state, *_ = prepare(make({**engine, "clients": 6}))
    assert setup.plan.clients > 1
    work = everyone(setup, state)
    wanted = trained(SequentialSession(setup), work)

    def fail() -> None:
        raise OSError("a window is\nbroken")

    bad, _ = spoil(setup, monkeypatch, fail)
    with closing(CohortSession(setup)) as session:
        for _ in range(2):
            found = trained(session, work)
            assert found[bad] == ClientFailure(bad, "OSError: a window is")
            require_close(without(found, bad), without(wanted, bad), state.params)


def test_a_worker_that_is_killed_costs_its_group(
    make: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, state, *_ = prepare(make({**TWO, "clients": 6}))
    work = everyone(setup, state)
    wanted = trained(SequentialSession(setup), work)
    bad, good = spoil(setup, monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with closing(CohortSession(setup)) as session:
        found = trained(session, work)
        lost = [client for client, one in found.items() if isinstance(one, ClientFailure)]
        assert bad in lost
        assert len(lost) == 3, "half of the clients"
        assert {found[client].reason for client in lost} == {"its process ended with -9"}
        require_close(without(found, *lost), without(wanted, *lost), state.params)
        again = trained(session, {good: work[good]})
        require_close(again, {good: wanted[good]}, state.params)
        session.evaluate(state, ["validation"], whole=True, per_client=False)
