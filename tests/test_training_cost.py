"""Counted cost of training against products written out by hand, for every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from conformance.combinations import small
from federa.errors import ConfigError
from federa.methods import METHODS, BitFit, Full, Lora
from federa.models import max_positions
from federa.recomputation import recompute_layers
from federa.tasks import TASKS, TextClassification
from federa.train_config import TrainConfig
from federa.training_cost import (
    ADAMW_FLOPS,
    CLIPPING_FLOPS,
    TrainingCost,
    Work,
    count_cost,
    plain_batch,
)
from tiny import ARCHITECTURES, save_tiny

LABELS = ("x", "y", "z")
WIDTH, INNER, LAYERS, RANK = 32, 48, 2, 4  # of the tiny BERT
SMALL = [small(record) for record in METHODS]
SGD = TrainConfig(optimizer="sgd", learning_rate=0.1, max_grad_norm=None)


class Stack(nn.Module):
    """Two linear layers on each token, 5 -> 7 -> 3, and nothing on whole windows."""

    def __init__(self, trained: bool) -> None:
        super().__init__()
        self.config = SimpleNamespace(model_type="stack")
        self.embedding = nn.Embedding(4, 5).requires_grad_(trained)
        self.lower = nn.Linear(5, 7, bias=False).requires_grad_(trained)
        self.upper = nn.Linear(7, 3, bias=False)


class Tokens:
    """Sums the outputs of every token."""

    def loss(self, model: Stack, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        each = model.upper(model.lower(model.embedding(batch["input_ids"]))).sum(dim=(1, 2))
        return each, torch.ones_like(each)


@cache
def cost_of(folder: str, method: Any, train: TrainConfig = SGD, task: Any = None) -> TrainingCost:
    """The cost of a method on a tiny model."""
    task = task or TextClassification()
    model = task.build_model(folder, LABELS, 1)
    method.attach(model, method.start(model, 1))
    if train.gradient_checkpointing:
        recompute_layers(model)
    found = count_cost(model, task, train, plain_batch(task, folder, LABELS, 40))
    assert found is not None
    return found


def test_a_linear_stack_costs_two_operations_for_each_weight_and_product() -> None:
    batch = {name: torch.ones(1, 3, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    whole = count_cost(Stack(trained=True), Tokens(), SGD, batch)  # type: ignore[arg-type]
    upper = count_cost(Stack(trained=False), Tokens(), SGD, batch)  # type: ignore[arg-type]
    assert whole is not None
    assert upper is not None
    # forward 5x7 and 7x3, the same for the gradients of weights, and of both layers' inputs
    assert whole.flops_per_token == 2 * (35 + 21) * 3
    # with the lower layer frozen: forward, and the gradient of the upper weight
    assert upper.flops_per_token == 2 * (35 + 21 + 21)
    for found in (whole, upper):
        assert found.flops_per_token_pair == found.flops_per_window == 0
    assert whole.flops_per_step == 2 * (20 + 35 + 21)  # SGD's multiplication and subtraction
    assert whole.weight_bytes == upper.weight_bytes == 4 * (20 + 35 + 21)
    assert whole.gradient_bytes == 4 * (20 + 35 + 21)
    assert upper.gradient_bytes == 4 * 21
    assert upper.optimizer_bytes == 0
    assert upper.activation_bytes_per_token == 4 * 7  # the input of the trained layer


def test_work_is_multiplied_out() -> None:
    cost = TrainingCost(2, 3, 5, 7, 100, 20, 40, 11, 13, 17, 23, 29, 19)
    work = Work(num_steps=2, num_windows=8, num_tokens=80, num_token_pairs=800)
    assert cost.flops(work) == 2 * 80 + 3 * 800 + 5 * 8 + 7 * 2
    activations = 11 * 4 * 10 + 13 * 4 * 100 + 17 * 4 + 23 * 10 + 29 * 100 + 19
    assert cost.activation_bytes(4, 10) == activations
    assert cost.peak_bytes(4, 10) == 100 + 20 + 40 + activations


def test_full_fine_tuning_of_a_bert_by_hand(tiny_model: Callable[[str], str]) -> None:
    cost = cost_of(tiny_model("bert"), Full())
    weights = 4 * WIDTH**2 + 2 * WIDTH * INNER  # of a layer: query, key, value, output; up, down
    assert cost.flops_per_token == LAYERS * 3 * 2 * weights
    # q k^T and p v; backwards q k^T again, and the gradients of p, v, q and k
    assert cost.flops_per_token_pair == LAYERS * (2 + 5) * 2 * WIDTH
    assert cost.flops_per_window == 3 * 2 * (WIDTH**2 + WIDTH * len(LABELS))  # pooler, classifier


def test_lora_of_a_bert_by_hand(tiny_model: Callable[[str], str]) -> None:
    cost = cost_of(tiny_model("bert"), Lora(rank=RANK))
    weights = 4 * WIDTH**2 + 2 * WIDTH * INNER
    frozen = LAYERS * 2 * 2 * weights - 3 * 2 * WIDTH**2  # the lowest q, k, v pass nothing down
    adapter = 2 * (2 * WIDTH * RANK)  # A and B
    adapters = LAYERS * 2 * 3 * adapter - 2 * 2 * WIDTH * RANK  # the lowest two A pass nothing down
    assert cost.flops_per_token == frozen + adapters
    assert cost.flops_per_token_pair == LAYERS * (2 + 5) * 2 * WIDTH


def test_full_costs_more_than_biases_by_its_weight_gradients_alone(
    tiny_model: Callable[[str], str],
) -> None:
    full, biases = (cost_of(tiny_model("bert"), method) for method in (Full(), BitFit()))
    products = LAYERS * 2 * (4 * WIDTH**2 + 2 * WIDTH * INNER)
    assert full.flops_per_token - biases.flops_per_token == products
    assert full.flops_per_token_pair == biases.flops_per_token_pair
    assert full.flops_per_window == biases.flops_per_window


def test_the_optimiser_costs_by_trained_parameter(tiny_model: Callable[[str], str]) -> None:
    plain = cost_of(tiny_model("bert"), BitFit())
    number = plain.gradient_bytes / 4
    assert plain.flops_per_step == 2 * number
    adamw = cost_of(tiny_model("bert"), BitFit(), TrainConfig(learning_rate=0.1))
    assert adamw.flops_per_step == (ADAMW_FLOPS + CLIPPING_FLOPS) * number
    assert adamw.optimizer_bytes == 2 * adamw.gradient_bytes
    changes = {"momentum": 0.9, "weight_decay": 0.1}
    both = cost_of(tiny_model("bert"), BitFit(), SGD.model_copy(update=changes))
    assert both.flops_per_step == (2 + 2 + 3) * number
    assert both.optimizer_bytes == both.gradient_bytes
    assert replace(both, flops_per_step=plain.flops_per_step, optimizer_bytes=0) == plain


def test_recomputed_layers_run_forward_twice_and_keep_their_inputs(
    tiny_model: Callable[[str], str],
) -> None:
    recomputing = SGD.model_copy(update={"gradient_checkpointing": True})
    plain, again = (cost_of(tiny_model("bert"), Full(), train) for train in (SGD, recomputing))
    weights = LAYERS * (4 * WIDTH**2 + 2 * WIDTH * INNER)
    assert again.flops_per_token == plain.flops_per_token + 2 * weights
    assert again.flops_per_token_pair == plain.flops_per_token_pair + LAYERS * 2 * 2 * WIDTH
    assert again.activation_bytes(8, 32) < plain.activation_bytes(8, 32)


def test_a_deeper_model_keeps_little_more_when_it_recomputes(tmp_path: Any) -> None:
    recomputing = SGD.model_copy(update={"gradient_checkpointing": True})
    folders = {depth: str(save_tiny("bert", tmp_path / str(depth), depth)) for depth in (2, 6)}
    kept = {
        (depth, again): cost_of(folder, Full(), train).activation_bytes(4, 16)
        for depth, folder in folders.items()
        for again, train in ((False, SGD), (True, recomputing))
    }
    inputs = 4 * (4 * 16 * WIDTH)  # four more layers' inputs, in bytes 4 each
    assert kept[6, True] - kept[2, True] == pytest.approx(4 * inputs, rel=0.05)
    assert kept[6, False] == pytest.approx(kept[2, False] * 3, rel=0.2)


def test_counting_leaves_the_model_as_it_was(tiny_model: Callable[[str], str]) -> None:
    task = TextClassification()
    model = task.build_model(tiny_model("bert"), LABELS, 1)
    Full().attach(model, Full().start(model, 1))
    values = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    training = TrainConfig(learning_rate=0.1, dropout=True)
    count_cost(model, task, training, plain_batch(task, tiny_model("bert"), LABELS, 40))
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    assert all(value.grad is None for value in model.parameters())
    assert all(torch.equal(values[name], value) for name, value in model.state_dict().items())


def test_too_few_positions_are_not_counted(tmp_path: Any) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    shape = {"hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 8}
    config = BertConfig(max_position_embeddings=12, num_attention_heads=2, **shape)
    model = BertForSequenceClassification(config)
    assert max_positions(model) == 12
    batch = {name: torch.ones(1, 3, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    assert count_cost(model, TextClassification(), SGD, batch) is None


class Cubic(Tokens):
    """A cost that no polynomial of second degree has."""

    def loss(self, model: Stack, batch: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        length = batch["input_ids"].shape[1]
        wide = torch.ones(length**2, length) @ torch.ones(length, 1) * model.upper.weight.sum()
        return wide.sum()[None], torch.ones(1)


def test_a_cost_of_another_form_is_not_counted() -> None:
    batch = {name: torch.ones(1, 3, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    assert count_cost(Stack(trained=True), Cubic(), SGD, batch) is None  # type: ignore[arg-type]


SETTINGS: dict[str, dict[str, Any]] = {
    "token_classification": {"stride": 4},
    "question_answering": {"stride": 8, "max_question_tokens": 12},
}


@pytest.mark.parametrize("method", SMALL, ids=lambda method: method.name)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_and_method_is_counted(
    tiny_model: Callable[[str], str], architecture: str, method: Any
) -> None:
    try:
        found = cost_of(tiny_model(architecture), method)
    except ConfigError:
        assert (architecture, method.name) == ("modernbert", "bitfit")
        return
    full = cost_of(tiny_model(architecture), Full())
    frozen = found if method.name == "full" else full
    assert found.flops_per_token <= frozen.flops_per_token
    assert 0 < found.flops_per_token_pair <= frozen.flops_per_token_pair
    assert found.gradient_bytes <= full.gradient_bytes
    assert found.peak_bytes(8, 32) <= full.peak_bytes(8, 32)


@pytest.mark.parametrize("method", SMALL, ids=lambda method: method.name)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task().name)
def test_every_task_and_method_is_counted(
    tiny_model: Callable[[str], str], task: Any, method: Any
) -> None:
    """The encoder costs the same whatever head it has."""
    record = task(**SETTINGS.get(task().name, {}))
    found = cost_of(tiny_model("bert"), method, task=record)
    other = cost_of(tiny_model("bert"), method)
    assert found.flops_per_token_pair == other.flops_per_token_pair
    heads = found.flops_per_token - other.flops_per_token
    outputs = {"token_classification": len(LABELS), "question_answering": 2}
    assert heads == 3 * 2 * WIDTH * outputs.get(record.name, 0)
