"""Runs that train the last layer alone: lower layers read from the cache, or computed anew."""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.sessions import (
    ONE,
    TWO,
    Answers,
    everyone,
    moved,
    require_close,
    same_bits,
    trained,
)
from federa import frozen_prefix
from federa.config import RunConfig
from federa.engines.cohort import CohortSession
from federa.engines.sequential import SequentialSession
from federa.environment import versions
from federa.frozen_prefix import cache_key
from federa.local import LocalSetup
from federa.preparation import prepare
from federa.types import ServerState

LAST = {"name": "lora", "rank": 4, "layers": "last 1"}
TASKS = ("text_classification", "token_classification", "question_answering")
WHOLE = {"whole": True, "per_client": True}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prefix"


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each batch that went through the lower layers, from now on, in this process."""
    real, found = frozen_prefix.capture, []

    def capture(model: Any, k: int, inputs: Any) -> Any:
        found.append(len(inputs["input_ids"]))
        return real(model, k, inputs)

    monkeypatch.setattr(frozen_prefix, "capture", capture)
    return found


def ready(config: RunConfig) -> tuple[LocalSetup, ServerState]:
    setup, state, *_ = prepare(config)
    assert setup.plan.frozen_layers == 1
    return setup, moved(state)


def one_round(setup: LocalSetup, state: ServerState, round: int = 0) -> tuple[Answers, Any]:
    """Updates of all clients, and scores, in a session of its own."""
    with closing(CohortSession(setup)) as session:
        answers = trained(session, everyone(setup, state), round)
        return answers, session.evaluate(state, ["validation"], **WHOLE)


def main_scores(scores: dict[str, Any]) -> list[float]:
    flat = {**scores["validation"], **scores["validation"]["per_client"]["scores"]}
    return [value for value in flat.values() if isinstance(value, float)]


@pytest.mark.parametrize("engine", [ONE, TWO], ids=["here", "workers"])
@pytest.mark.parametrize("task", TASKS)
def test_with_the_cache_as_without(
    make: Callable[..., RunConfig], cache: Path, task: str, engine: dict[str, Any]
) -> None:
    setup, state = ready(make(engine, task=task, method=LAST))
    plain = SequentialSession(setup)
    wanted = trained(plain, everyone(setup, state))
    scores = plain.evaluate(state, ["validation"], **WHOLE)
    without = replace(setup, plan=replace(setup.plan, frozen_layers=0, cache_bytes=0))
    uncached, uncached_scores = one_round(without, state)
    assert not cache.exists()
    for when in ("computed", "read"):
        found, found_scores = one_round(setup, state)
        for other, other_scores in ((wanted, scores), (uncached, uncached_scores)):
            require_close(found, other, state.params)
            assert main_scores(found_scores) == pytest.approx(main_scores(other_scores), rel=1e-4)
        assert len(list(cache.glob("*.rows"))) == 2, f"training and validation, {when}"


def test_every_window_is_computed_once(
    make: Callable[..., RunConfig], cache: Path, captured: list[int]
) -> None:
    setup, state = ready(make(ONE, method=LAST))
    num_train = len(setup.examples.windows.lengths())
    num_scored = len(setup.evaluation["validation"].encoded.windows.lengths())
    work = everyone(setup, state)
    with closing(CohortSession(setup)) as session:
        first = trained(session, work)
        assert captured == [1] * num_train, "one epoch, a window by itself"
        trained(session, work, 1)
        assert len(captured) == num_train
        for _ in range(2):
            session.evaluate(moved(state), ["validation"], **WHOLE)
            assert len(captured) == num_train + num_scored
    captured.clear()
    again, _ = one_round(setup, state)
    assert captured == [], "another session reads what the first one wrote"
    assert same_bits(first, again)


def test_another_model_or_other_texts_have_a_cache_of_their_own(
    make: Callable[..., RunConfig], cache: Path, captured: list[int]
) -> None:
    setup, state = ready(make(ONE, method=LAST))
    one_round(setup, state)
    captured.clear()
    train = {"batch_size": 4, "epochs": 1, "max_length": 9, "learning_rate": 0.01}
    shorter, _ = ready(make(ONE, method=LAST, train=train))
    one_round(shorter, state)
    assert captured
    captured.clear()
    one_round(setup, state)
    assert captured == [], "nor did it take the room of the first"


@pytest.mark.parametrize("engine", [ONE, TWO], ids=["here", "workers"])
def test_a_cache_that_is_deleted_or_damaged_gives_the_same_bits(
    make: Callable[..., RunConfig], cache: Path, engine: dict[str, Any]
) -> None:
    setup, state = ready(make(engine, method=LAST))
    rounds = [one_round(setup, state, number) for number in (0, 1)]
    work = everyone(setup, state)
    with closing(CohortSession(setup)) as session:
        assert same_bits(trained(session, work), rounds[0][0])
        shutil.rmtree(cache)
        assert same_bits(trained(session, work, 1), rounds[1][0]), "while it was open"
    shutil.rmtree(cache, ignore_errors=True)
    answers, scores = one_round(setup, state, 1)
    assert same_bits(answers, rounds[1][0])
    assert scores == rounds[1][1]
    for path in cache.glob("*.rows"):
        content = bytearray(path.read_bytes())
        content[::7] = bytes(len(content[::7]))
        path.write_bytes(content)
    answers, scores = one_round(setup, state, 1)
    assert same_bits(answers, rounds[1][0])
    assert scores == rounds[1][1]


@pytest.mark.parametrize("engine", [ONE, TWO], ids=["here", "workers"])
def test_without_room_or_a_place_the_bits_are_the_same(
    make: Callable[..., RunConfig],
    cache: Path,
    engine: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup, state = ready(make(engine, method=LAST))
    wanted, scores = one_round(setup, state)
    little = replace(setup, plan=replace(setup.plan, cache_bytes=5000))
    for chosen in (little, setup):
        if chosen is setup:
            (cache.parent / "file").write_text("not a folder")
            monkeypatch.setenv("FEDERA_CACHE", str(cache.parent / "file"))
        answers, found = one_round(chosen, state)
        assert same_bits(answers, wanted)
        assert found == scores


def test_the_key_says_with_how_many_threads_a_row_is_computed(
    make: Callable[..., RunConfig],
) -> None:
    """Sums may be split among threads; two workers have one each, one has both."""
    setup, _ = ready(make(TWO, method=LAST))
    plan = setup.plan
    assert plan.workers == 2

    def key(workers: int) -> str:
        chosen = replace(plan, workers=workers)
        return cache_key(setup.base_hash, "digest", 1, chosen, versions())

    assert key(1) != key(2)


def test_training_changes_nothing_below(make: Callable[..., RunConfig], cache: Path) -> None:
    """What is frozen in the two models that share it stays what it was."""
    setup, state = ready(make(ONE, method=LAST))
    before, _ = setup.build()
    session = CohortSession(setup)
    trained(session, everyone(setup, state))
    session.evaluate(state, ["validation"], **WHOLE)
    frozen = {name: value for name, value in before.named_parameters() if "layer.0." in name}
    assert frozen
    for model in (session.worker.scored, session.worker.trainer.model):
        held = dict(model.named_parameters())
        assert all(torch.equal(held[name], value) for name, value in frozen.items())
