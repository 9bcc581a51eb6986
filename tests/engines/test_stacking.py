"""Stacked training against the sequential engine: every method, architecture and task."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from builders import load_classifier, tiny_config, tiny_task_config
from conformance.combinations import difference, small
from federa.config import RunConfig
from federa.engines.stacked_modules import Cohort, Stacked, StackedAny
from federa.engines.stacked_training import Trainer, Work
from federa.engines.stacking import inputs_of, mapped_modules, stack_model
from federa.last_layer import read_first_position_only
from federa.local import LocalSetup, batches, load_params, train_client
from federa.methods import METHODS
from federa.preparation import prepare
from federa.types import ClientFailure, ServerState, Tensors, Upload
from tiny import ARCHITECTURES

TASKS = ("text_classification", "token_classification", "question_answering")
ADAMW = {"optimizer": "adamw", "learning_rate": 1e-3}
SGD = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05}
EVERY = [
    pytest.param(architecture, record, id=f"{architecture}-{record().name}")
    for architecture in ARCHITECTURES
    for record in METHODS
    if (architecture, record().name) != ("modernbert", "bitfit")
]


def configure(
    task: str, model: str, table: Path, train: dict[str, Any], **changes: Any
) -> RunConfig:
    """Unequal clients, ragged last batches, clipping, decay and a rule's term."""
    common = {"batch_size": 4, "max_steps": 7, "max_grad_norm": 0.5}
    changes = {
        "train": {**common, "max_length": 40, "weight_decay": 0.1, **train},
        "rule": {"name": "fedprox", "mu": 0.1},
        "engine": {"name": "cohort", "threads": 1, "device": "cpu"},
        **changes,
    }
    if task == "text_classification":
        split = {"name": "dirichlet", "alpha": 0.5, "min_examples": 2}
        return tiny_config(model, table, partition=split, **changes)
    split = {"name": "quantity", "alpha": 0.3, "min_examples": 2}
    return tiny_task_config(task, model, table.parent, partition=split, **changes)


def train_both(
    setup: LocalSetup, state: ServerState, dtype: torch.dtype, max_tokens: int = 150
) -> tuple[list[Upload], list[Upload], Trainer]:
    """Every client alone, and all together in passes of ``max_tokens``, from the same values."""
    params = {name: value.to(dtype) for name, value in state.params.items()}
    setup = replace(setup, start={name: value.to(dtype) for name, value in setup.start.items()})
    work = {
        client: replace(setup.rule.download(state, client), params=params)
        for client in range(len(setup.clients))
    }
    plain = setup.build()[0].to(dtype)
    alone = [train_client(setup, plain, 0, client, work[client]) for client in work]
    model, layout = setup.build()
    model = model.to(dtype)
    read_first_position_only(model)
    inputs = inputs_of(setup.task, setup.examples, "cpu")
    trainer = Trainer(setup, model, stack_model(model, layout.shared, inputs), max_tokens)
    found = trainer.train(0, in_order(setup, work))
    uploads = sorted(found, key=lambda upload: upload.client)
    assert all(isinstance(upload, Upload) for upload in uploads), uploads
    return alone, uploads, trainer  # type: ignore[return-value]


def in_order(setup: LocalSetup, work: dict[int, Any]) -> list[Work]:
    group = [Work(client, work[client], list(batches(setup, 0, client))) for client in work]
    return sorted(group, key=lambda one: -len(one.batches))


def worst(
    alone: Sequence[Upload],
    together: Sequence[Upload],
    start: Tensors,
    names: frozenset[str] | None = None,
) -> float:
    """The largest relative difference of a client's update, over the tensors ``names``."""
    assert [one.client for one in alone] == [one.client for one in together]

    def told(upload: Upload) -> Tensors:
        return {n: v for n, v in upload.params.items() if names is None or n in names}

    return max(
        difference(told(one), told(other), start)
        for one, other in zip(together, alone, strict=True)
    )


def with_gradient(setup: LocalSetup, upload: Upload) -> frozenset[str]:
    """The tensors whose gradient is more than rounding, where ``upload``'s client ended.

    A key's bias shifts all scores of a query alike, and what all tokens share shifts all answers of
    a question alike: their gradient is zero, and AdamW steps along its rounding at full size.
    """
    model = setup.build()[0].double()
    load_params(model, upload.params)
    sums, _ = setup.task.loss(model, setup.task.collate(setup.examples, range(8)))
    sums.sum().backward()
    norms = {name: float(model.get_parameter(name).grad.norm()) for name in upload.params}
    return frozenset(name for name, norm in norms.items() if norm > 1e-10 * max(norms.values()))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("architecture", "record"), EVERY)
def test_clients_trained_together_equal_clients_trained_alone(
    tiny_model: Callable[[str], str],
    tiny_table: Path,
    tmp_path: Path,
    architecture: str,
    record: type[Any],
    task: str,
) -> None:
    """In float64, so that nothing but rounding is allowed to differ."""
    table = tiny_table if task == "text_classification" else tmp_path / "unused"
    config = configure(task, tiny_model(architecture), table, ADAMW, method=small(record))
    setup, state, *_ = prepare(config)
    alone, together, _ = train_both(setup, state, torch.float64)
    moved = with_gradient(setup, alone[0])
    assert len(moved) > len(state.params) / 2
    assert worst(alone, together, state.params, moved) < 1e-6
    assert len({upload.metrics["num_steps"] for upload in alone}) > 1, "clients end at other steps"
    for one, other in zip(alone, together, strict=True):
        assert other.metrics == pytest.approx(one.metrics, rel=1e-6)
        assert other.num_examples == one.num_examples


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("record", METHODS, ids=lambda record: record().name)
@pytest.mark.parametrize("architecture", ["bert", "deberta-v2"])
def test_float32_keeps_an_update_to_one_in_a_hundred_thousand(
    tiny_model: Callable[[str], str],
    tiny_table: Path,
    tmp_path: Path,
    architecture: str,
    record: type[Any],
    task: str,
) -> None:
    table = tiny_table if task == "text_classification" else tmp_path / "unused"
    config = configure(task, tiny_model(architecture), table, SGD, method=small(record))
    setup, state, *_ = prepare(config)
    alone, together, _ = train_both(setup, state, torch.float32)
    assert worst(alone, together, state.params) < 1e-5


@pytest.mark.parametrize("train", [ADAMW, {**SGD, "momentum": 0.0}, SGD], ids=str)
@pytest.mark.parametrize("max_tokens", [20, 60, 10_000])
def test_how_a_step_is_cut_does_not_matter(
    tiny_model: Callable[[str], str], tiny_table: Path, train: dict[str, Any], max_tokens: int
) -> None:
    """With plain SGD under SCAFFOLD, whose extra tensors differ between clients."""
    rule = {"name": "fedprox", "mu": 1.0} if train.get("momentum", 1) else "scaffold"
    changes = {"weight_decay": 0.0, "schedule": "cosine", "max_grad_norm": None, **train}
    config = configure(TASKS[0], tiny_model("bert"), tiny_table, changes, rule=rule)
    setup, state, *_ = prepare(config)
    if rule == "scaffold":
        generator = torch.Generator().manual_seed(5)
        memory = dict(state.memory)
        for name, value in state.params.items():
            for client in (1, 3):
                noise = torch.randn(value.shape, generator=generator)
                memory[f"control {client}/{name}"] = 0.01 * noise
        state = replace(state, memory=memory)
    alone, together, _ = train_both(setup, state, torch.float64, max_tokens)
    assert worst(alone, together, state.params) < 1e-7
    for one, other in zip(alone, together, strict=True):
        assert list(one.extra) == list(other.extra)
        assert all(torch.equal(one.extra[name], other.extra[name]) for name in one.extra)


def test_a_client_that_has_finished_does_not_move(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    """Its tensors are those of its last step to the last bit, however long the others go on."""
    config = configure(TASKS[0], tiny_model("bert"), tiny_table, ADAMW)
    setup, state, *_ = prepare(config)
    _, _, trainer = train_both(setup, state, torch.float32)
    work = {client: setup.rule.download(state, client) for client in range(len(setup.clients))}
    group = in_order(setup, work)
    shortest = len(group[-1].batches)
    assert shortest < len(group[0].batches)
    whole = trainer.train(0, group)
    cut = trainer.train(0, [replace(one, batches=one.batches[:shortest]) for one in group])
    last, last_cut = whole[-1], cut[-1]
    assert isinstance(last, Upload)
    assert isinstance(last_cut, Upload)
    assert all(torch.equal(last.params[n], last_cut.params[n]) for n in last.params)
    assert last.metrics == last_cut.metrics


def test_one_clients_infinity_stays_its_own(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    config = configure(TASKS[0], tiny_model("bert"), tiny_table, ADAMW)
    setup, state, *_ = prepare(config)
    alone, _, trainer = train_both(setup, state, torch.float32)
    work = {client: setup.rule.download(state, client) for client in range(len(setup.clients))}
    bad = {name: value * float("nan") for name, value in state.params.items()}
    work[2] = replace(work[2], params=bad)
    answers = {answer.client: answer for answer in trainer.train(0, in_order(setup, work))}
    failure = answers.pop(2)
    assert isinstance(failure, ClientFailure)
    assert "training loss is not finite" in failure.reason
    for client, answer in answers.items():
        assert isinstance(answer, Upload)
        assert all(bool(value.isfinite().all()) for value in answer.params.values())
        assert difference(answer.params, alone[client].params, state.params) < 1e-2


def test_spreading_rows_and_collecting_them_is_the_identity() -> None:
    cohort = Cohort()
    x = torch.randn(5, 3, 4)
    for owners in ([0, 0, 1, 2, 2], [0, 1, 2, 3, 4], [0, 0, 0, 0, 0]):
        cohort.arrange(owners, "cpu")
        spread = cohort.spread(x)
        assert spread.shape[0] == max(owners) + 1
        assert torch.equal(cohort.collect(spread), x)
        weight = torch.randn(max(owners) + 1, 2, 4)  # small: gathered for every row
        wanted = torch.stack([row @ weight[owner].T for row, owner in zip(x, owners, strict=True)])
        torch.testing.assert_close(cohort.product(x, weight), wanted)
        large = torch.randn(max(owners) + 1, 9, 4)  # large: rows are moved to it
        wanted = torch.stack([row @ large[owner].T for row, owner in zip(x, owners, strict=True)])
        torch.testing.assert_close(cohort.product(x, large), wanted)
        bias = torch.randn(max(owners) + 1, 4)
        assert torch.equal(cohort.each(bias, x), bias[list(owners)][:, None])
    cohort.arrange([0, 0, 1], "cpu")
    assert torch.equal(cohort.spread(x[:3])[1, 1], torch.zeros(3, 4))


def test_what_all_rows_share_is_stacked_with_the_module_around_it(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    """DeBERTa projects its relative positions, which belong to no row, with adapted weights."""
    found = {}
    for architecture in ("bert", "deberta-v2"):
        config = configure(TASKS[0], tiny_model(architecture), tiny_table, ADAMW)
        setup, *_ = prepare(config)
        model, layout = setup.build()
        inputs = inputs_of(setup.task, setup.examples, "cpu")
        told = mapped_modules(model, layout.shared, inputs)
        stack_model(model, layout.shared, inputs)
        found[architecture] = [
            name for name, module in model.named_modules() if isinstance(module, StackedAny)
        ]
        assert any(isinstance(module, Stacked) for module in model.modules())
        assert told == found[architecture]
    assert found["bert"] == []
    assert found["deberta-v2"] == [f"deberta.encoder.layer.{i}.attention.self" for i in (0, 1)]


class Custom(nn.Module):
    """A layer that no form is written for."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.randn(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.gate)


def test_a_module_without_a_form_of_its_own_is_mapped(tiny_model: Callable[[str], str]) -> None:
    torch.manual_seed(0)
    model = load_classifier(tiny_model("bert"), ("a", "b"), 1)
    model.requires_grad_(False)
    model.bert.encoder.layer[0].output.LayerNorm = Custom(32)
    name = "bert.encoder.layer.0.output.LayerNorm.gate"
    ids = torch.randint(5, 20, (4, 6))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    gates = torch.randn(2, 32)
    wanted = []
    for client in range(2):
        model.get_parameter(name).data.copy_(gates[client])
        wanted.append(
            model(**{key: value[2 * client :][:2] for key, value in inputs.items()}).logits
        )
    cohort = stack_model(model, [name], {key: value[:1] for key, value in inputs.items()})
    cohort.arrange([0, 0, 1, 1], "cpu")
    cohort.values = {name: gates}
    torch.testing.assert_close(model(**inputs).logits, torch.cat(wanted), atol=1e-6, rtol=1e-5)


class Reader(nn.Module):
    """A model whose root alone reads a trained tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return input_ids[:, :3] + self.bias


def test_a_model_that_cannot_be_stacked_is_told() -> None:
    with pytest.raises(ValueError, match=r"^bias: nothing below the whole model maps rows"):
        mapped_modules(Reader(), ["bias"], {"input_ids": torch.ones(1, 4)})


def test_lengths_of_read_only_arrays(tiny_model: Callable[[str], str], tiny_table: Path) -> None:
    setup, *_ = prepare(configure(TASKS[0], tiny_model("bert"), tiny_table, ADAMW))
    windows = setup.examples.windows
    windows.ids.flags.writeable = False
    batch = windows.batch([3, 0])
    for row, window in enumerate((3, 0)):
        begin, end = windows.token_offsets[window : window + 2]
        assert batch["input_ids"][row, : end - begin].tolist() == windows.ids[begin:end].tolist()
        assert batch["attention_mask"][row].sum() == end - begin
    assert numpy.array_equal(batch["input_ids"].shape, batch["attention_mask"].shape)
