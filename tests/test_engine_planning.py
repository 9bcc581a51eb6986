"""Which engine a run gets and how it shares the work: what the plan says, and why."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import tiny_config
from federa.checkpoint import RunFacts
from federa.engine_planning import GIB, client_bytes
from federa.engines.cohort import CohortSession
from federa.engines.sequential import SequentialSession
from federa.errors import ConfigError
from federa.preparation import prepare
from federa.types import Plan

TRAIN = {"max_steps": 2, "batch_size": 4, "max_length": 24, "learning_rate": 0.01}
DROPOUT = {"train": {**TRAIN, "dropout": True}}
ALL = {"num_clients": 6, "num_rounds": 3}
Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _one_thread_after() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.fixture
def make(tiny_model: Callable[[str], str], tiny_table: Path) -> Make:
    """The configuration with an engine of some settings."""

    def configure(
        name: str = "cohort", model: str = "bert", changes: Any = None, **settings: Any
    ) -> Any:
        engine = {"name": name, "device": "cpu", "threads": 2, **settings}
        return tiny_config(tiny_model(model), tiny_table, engine=engine, **(changes or {}))

    return configure


def plan_of(config: Any) -> Plan:
    return prepare(config)[2].plan


def told(config: Any) -> str:
    """What the refusal of ``config`` says."""
    with pytest.raises(ConfigError) as caught:
        prepare(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_auto_takes_the_cohort_engine_and_says_so(make: Make) -> None:
    plan = plan_of(make("auto"))
    assert (plan.engine, plan.threads, plan.workers, plan.clients) == ("cohort", 2, 2, 2)
    assert plan.max_tokens > 0
    assert not plan.compile
    assert len(plan.reasons) == 2
    assert plan.reasons[0].startswith("fp32: ")
    assert plan.reasons[1] == "stacks of up to 2 clients, 2 processes of one thread"
    assert plan == plan_of(make("cohort"))


def test_a_plan_names_the_engine_that_is_opened(make: Make) -> None:
    for changes, record in (({}, CohortSession), (DROPOUT, SequentialSession)):
        config = make("auto", changes=changes)
        setup, *_ = prepare(config)
        session = config.engine.open(setup)
        assert type(session) is record
        session.close()


def test_the_sequential_engine_is_left_alone(make: Make) -> None:
    plan = plan_of(make("sequential"))
    assert replace(plan, reasons=()) == Plan("sequential", "cpu", "fp32", 2)
    assert len(plan.reasons) == 1


def test_dropout_is_for_the_sequential_engine(make: Make) -> None:
    plan = plan_of(make("auto", changes=DROPOUT))
    assert (plan.engine, plan.workers, plan.clients) == ("sequential", 1, 1)
    reason = "train.dropout draws for every client by itself"
    assert plan.reasons[-1] == f"sequential: {reason}"
    said = told(make("cohort", changes=DROPOUT))
    assert said.startswith("engine: cohort cannot train this run: ")
    assert reason in said
    assert "use auto or sequential" in said


def test_memory_that_does_not_hold_one_client(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told(make("cohort", memory_gib=1e-6))
    assert "engine.memory_gib: 1e-06 GiB do not hold one client of federa, " in said
    monkeypatch.setattr("federa.engine_planning.memory_bytes", lambda *_: 1000)
    plan = plan_of(make("auto"))
    assert plan.engine == "sequential"
    assert plan.reasons[-1].startswith("sequential: engine.memory_gib: ")


def memory_for(config: Any, number: float) -> float:
    """GiB that hold ``number`` clients."""
    setup, *_ = prepare(config)
    return number * client_bytes(config, *setup.build()) / GIB


@pytest.mark.parametrize(
    ("number", "workers", "clients"), [(1.5, 1, 1), (2.5, 2, 1), (5.5, 2, 2), (60, 2, 3)]
)
def test_memory_bounds_the_clients_trained_at_once(
    make: Make, number: float, workers: int, clients: int
) -> None:
    gib = memory_for(make(changes={"federation": ALL}), number)
    plan = plan_of(make(memory_gib=gib, changes={"federation": ALL}))
    assert (plan.workers, plan.clients) == (workers, clients)


def test_memory_bounds_them_also_where_workers_are_asked_for(make: Make) -> None:
    said = told(make(memory_gib=memory_for(make(), 1.5), workers=2))
    assert "do not hold 2 clients, one a worker, of federa" in said
    plan = plan_of(make(memory_gib=memory_for(make(), 2.5), workers=2))
    assert (plan.workers, plan.clients) == (2, 1)


def test_what_a_client_takes(make: Make) -> None:
    """Values, what was received, the gradient, and one or two moments."""
    config = make()
    setup, state, *_ = prepare(config)
    model, layout = setup.build()
    trained = sum(value.nbytes for value in state.params.values())
    assert client_bytes(config, model, layout) == 5 * trained
    sgd = make(changes={"train": {**TRAIN, "optimizer": "sgd"}})
    assert client_bytes(sgd, model, layout) == 4 * trained
    scaffold = make(changes={"train": {**TRAIN, "optimizer": "sgd"}, "rule": "scaffold"})
    assert client_bytes(scaffold, model, layout) == 5 * trained


def test_workers_have_a_thread_each(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told(make(workers=3))
    assert said == "engine.workers: 3 exceeds the 2 of engine.threads; each has one"
    assert plan_of(make(workers=1)).workers == 1
    assert plan_of(make(workers=2)).workers == 2
    monkeypatch.setattr("federa.engines.workers.can_fork", lambda: False)
    assert plan_of(make()).workers == 1
    said = told(make(workers=2))
    assert said.startswith("engine.workers: 2 ")
    assert "fork" in said


@pytest.mark.parametrize(
    ("threads", "per_round", "workers"), [(1, 3, 1), (2, 3, 2), (4, 3, 3), (4, 1, 1), (4, None, 4)]
)
def test_workers_follow_threads_and_clients_per_round(
    make: Make, threads: int, per_round: int | None, workers: int
) -> None:
    federation = {**ALL, "clients_per_round": per_round}
    plan = plan_of(make(threads=threads, changes={"federation": federation}))
    assert (plan.threads, plan.workers) == (threads, workers)


@pytest.mark.parametrize(
    ("settings", "clients"),
    [
        ({"clients": 1}, 1),
        ({"clients": 2}, 2),
        ({"clients": 3}, 3),
        ({"clients": 50}, 3),
        ({"clients": 50, "workers": 1}, 6),
        ({"clients": 4, "workers": 1}, 4),
    ],
    ids=str,
)
def test_so_many_clients_in_a_stack(make: Make, settings: dict[str, int], clients: int) -> None:
    assert plan_of(make(changes={"federation": ALL}, **settings)).clients == clients


def test_nothing_is_stacked_where_nothing_is_shared(make: Make) -> None:
    """On a CPU; but one may ask for it."""
    assert plan_of(make(changes={"method": "full"})).clients == 1
    assert plan_of(make(clients=2, changes={"method": "full"})).clients == 2


def natural(table: Path) -> dict[str, Any]:
    return {
        "data": {"name": "files", "train": str(table), "client": "site"},
        "partition": "natural",
        "federation": {"num_rounds": 1},
    }


def test_the_datas_own_clients_are_counted(make: Make, tiny_table: Path) -> None:
    """Five sites, all in every round: how many is known from the data alone."""
    changes = natural(tiny_table)
    plan = plan_of(make(workers=1, clients=4, changes=changes))
    assert (plan.workers, plan.clients) == (1, 4)
    plan = plan_of(make(threads=8, changes=changes))
    assert plan.workers == 5, "no worker without a client"


@pytest.mark.parametrize(
    ("model", "method", "frozen"),
    [
        ("bert", {"name": "lora", "rank": 4, "layers": "last 1"}, 1),
        ("bert", {"name": "lora", "rank": 4, "layers": "last 2"}, 0),
        ("bert", {"name": "federa", "rank": 4, "layers": [1]}, 1),
        ("bert", {"name": "lora", "rank": 4, "layers": "first 1"}, 0),
        ("bert", "bitfit", 0),
        ("bert", "full", 0),
        ("deberta-v2", {"name": "lora", "rank": 4, "layers": "last 1"}, 1),
        ("modernbert", {"name": "houlsby", "width": 4, "layers": "last 1"}, 1),
    ],
    ids=str,
)
def test_frozen_layers(make: Make, model: str, method: Any, frozen: int) -> None:
    plan = plan_of(make(model=model, changes={"method": method}))
    assert plan.frozen_layers == frozen
    assert plan.cache_bytes == 4 * GIB
    assert ("the first 1 layers computed once a text" in plan.reasons[-1]) == bool(frozen)
    without = plan_of(make(model=model, cache_gib=0, changes={"method": method}))
    assert (without.frozen_layers, without.cache_bytes) == (0, 0)


def test_what_cannot_be_compiled_is_refused(make: Make) -> None:
    said = told(make(model="deberta-v2", compile=True))
    assert said.startswith("engine: cohort cannot train this run: engine.compile cannot compile ")
    assert "deberta.encoder.layer.0.attention.self" in said
    assert plan_of(make(compile=True)).compile
    assert not plan_of(make(model="deberta-v2")).compile


@pytest.mark.parametrize("name", ["auto", "cohort", "sequential"])
def test_facts_survive_their_file(make: Make, name: str) -> None:
    method = {"name": "lora", "rank": 4, "layers": "last 1"}
    facts = prepare(make(name, changes={"method": method}))[2]
    found = RunFacts.from_json(facts.to_json())
    assert found == facts
    assert isinstance(found.plan.reasons, tuple)


def test_the_facts_of_a_run_from_before_there_was_a_cohort_engine(make: Make) -> None:
    facts = prepare(make("sequential"))[2]
    content = json.loads(facts.to_json())
    added = ("workers", "clients", "max_tokens", "frozen_layers", "cache_bytes", "compile")
    for field in added:
        del content["plan"][field]
    assert RunFacts.from_json(json.dumps(content)) == facts
