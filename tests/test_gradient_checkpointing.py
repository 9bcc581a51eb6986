"""Recomputed layers: the same updates and scores from less memory, and where it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import tiny_config, tiny_task_config
from federa.config import RunConfig
from federa.engines.sequential import SequentialSession
from federa.errors import ConfigError
from federa.local import LocalSetup, batches
from federa.preparation import prepare
from federa.types import ServerState, Tensors, Upload
from tiny import save_tiny

TRAIN = {"max_steps": 2, "batch_size": 4, "max_length": 24, "learning_rate": 0.01}
RECOMPUTED = {**TRAIN, "gradient_checkpointing": True}
METHODS: list[Any] = [{"name": "federa", "rank": 4}, {"name": "lora", "rank": 4}, "full"]


def opened(config: RunConfig) -> tuple[LocalSetup, SequentialSession, ServerState]:
    setup, state, *_ = prepare(config)
    assert isinstance(setup, LocalSetup)
    return setup, SequentialSession(setup), state


def update(config: RunConfig) -> Upload:
    """What client 1 returns in the first round."""
    setup, session, state = opened(config)
    (answer,) = session.train(0, {1: setup.rule.download(state, 1)})
    assert isinstance(answer, Upload), answer
    return answer


def require_same(found: Upload, wanted: Upload) -> None:
    assert list(found.params) == list(wanted.params)
    assert found.metrics == wanted.metrics
    for name, value in wanted.params.items():
        assert torch.equal(found.params[name], value), name


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("model", ["bert", "roberta", "deberta-v2"])
def test_updates_are_the_same_bits(
    model: str, method: Any, tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    def configured(train: dict[str, Any]) -> RunConfig:
        return tiny_config(tiny_model(model), tiny_table, method=method, train=train)

    require_same(update(configured(RECOMPUTED)), update(configured(TRAIN)))


@pytest.mark.parametrize("changes", [{"dropout": True}, {"precision": "bf16"}], ids=str)
def test_also_with_dropout_and_in_bf16(
    changes: dict[str, Any], tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    """Dropout masks are drawn again as they were."""
    found, wanted = (
        update(tiny_config(tiny_model("bert"), tiny_table, train=train | changes))
        for train in (RECOMPUTED, TRAIN)
    )
    require_same(found, wanted)


@pytest.mark.parametrize("task", ["token_classification", "question_answering"])
def test_also_for_the_other_tasks(
    task: str, tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    train = {"max_steps": 2, "batch_size": 8, "max_length": 40, "learning_rate": 0.01}
    found, wanted = (
        update(
            tiny_task_config(
                task, tiny_model("bert"), tmp_path, train={**train, "gradient_checkpointing": on}
            )
        )
        for on in (True, False)
    )
    require_same(found, wanted)


def saved_bytes(config: RunConfig) -> int:
    """What a step keeps for its backward pass, parameters apart."""
    setup, session, _ = opened(config)
    model = session.model
    known = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept: dict[int, int] = {}
    held: list[torch.Tensor] = []

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(value)  # so that no place is used twice
        return value

    batch = setup.task.collate(setup.examples, next(iter(batches(setup, 0, 1))))
    model.train(setup.train.dropout)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        sums, _ = setup.task.loss(model, batch)
    sums.sum().backward()
    return sum(kept.values())


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("model", ["bert", "deberta-v2"])
def test_less_is_kept_for_the_backward_pass(
    model: str, method: Any, tiny_table: Path, tmp_path: Path
) -> None:
    deep = str(save_tiny(model, tmp_path / model, num_layers=6))
    recomputed, plain = (
        saved_bytes(tiny_config(deep, tiny_table, method=method, train=train))
        for train in (RECOMPUTED, TRAIN)
    )
    assert 0 < recomputed < plain / 2


def test_scores_are_those_without_it(tiny_model: Callable[[str], str], tiny_table: Path) -> None:
    def scores(train: dict[str, Any]) -> Any:
        setup, session, state = opened(
            tiny_config(tiny_model("bert"), tiny_table, method=METHODS[0], train=train)
        )
        before = session.evaluate(state, ["validation"], whole=True, per_client=False)
        (answer,) = session.train(0, {1: setup.rule.download(state, 1)})
        assert isinstance(answer, Upload)
        after = replace(state, params=answer.params)
        return before, session.evaluate(after, ["validation"], whole=True, per_client=False)

    assert scores(RECOMPUTED) == scores(TRAIN)


def test_names_of_parameters_stay(tiny_model: Callable[[str], str], tiny_table: Path) -> None:
    def names(train: dict[str, Any]) -> Tensors:
        _, session, _ = opened(tiny_config(tiny_model("bert"), tiny_table, train=train))
        return session.model.state_dict()

    assert list(names(RECOMPUTED)) == list(names(TRAIN))


def test_the_cohort_engine_leaves_it_to_the_sequential_one(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    def planned(engine: str) -> Any:
        settings = {"name": engine, "device": "cpu", "threads": 1}
        config = tiny_config(tiny_model("bert"), tiny_table, engine=settings, train=RECOMPUTED)
        return prepare(config)[2].plan

    plan = planned("auto")
    reason = "train.gradient_checkpointing is for one client at a time"
    assert plan.engine == "sequential"
    assert plan.reasons[-1] == f"sequential: {reason}"
    with pytest.raises(ConfigError, match=f"engine: cohort cannot train this run: {reason}; use"):
        planned("cohort")


def test_layers_that_cannot_be_recomputed_are_refused_before_anything_is_written(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    """Those of an MPNet are not marked by transformers."""
    from transformers import AutoTokenizer, MPNetConfig, MPNetModel

    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 8}
    config = MPNetConfig(vocab_size=len(tokenizer), num_attention_heads=2, **shape)
    MPNetModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    prepare(tiny_config(str(tmp_path), tiny_table, method="bitfit", train=TRAIN))
    with pytest.raises(ConfigError) as caught:
        prepare(tiny_config(str(tmp_path), tiny_table, method="bitfit", train=RECOMPUTED))
    wanted = "train.gradient_checkpointing: the layers of a mpnet cannot be recomputed; use false"
    assert str(caught.value) == wanted
