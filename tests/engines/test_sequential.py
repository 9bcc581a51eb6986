"""The reference engine against a training loop written out by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from builders import load_classifier, tiny_config
from federa import local
from federa.config import RunConfig
from federa.engines.evaluation import predict_rows, score_split, subset_error
from federa.local import EvaluationSet, batches, num_steps
from federa.preparation import prepare
from federa.types import ClientFailure, Download, Upload


def one_client(config: RunConfig, client: int = 1) -> tuple[Upload, object, object]:
    setup, state, *_ = prepare(config)
    session = config.engine.open(setup)
    (answer,) = session.train(0, {client: Download(state.params)})
    assert isinstance(answer, Upload), answer
    return answer, setup, state


@pytest.mark.parametrize(
    "train",
    [
        {"optimizer": "adamw", "learning_rate": 0.01},
        {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.5, "max_grad_norm": 0.1},
        {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "max_grad_norm": None},
    ],
)
def test_a_client_equals_a_plain_loop(
    tiny_model: Callable[[str], str], tiny_table: Path, train: dict[str, object]
) -> None:
    train = {"max_steps": 4, "epochs": 2, "batch_size": 5, "max_length": 24, **train}
    config = tiny_config(tiny_model("bert"), tiny_table, train=train)
    upload, setup, state = one_client(config)
    model = load_classifier(setup.source, setup.labels, config.seed)
    layout = config.method.attach(model, state.start)
    parameters = [model.get_parameter(name) for name in layout.shared]
    rate = config.train.learning_rate
    if config.train.optimizer == "adamw":
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    else:
        optimizer = torch.optim.SGD(parameters, lr=rate, momentum=0.9)
    losses = []
    for rows in batches(setup, 0, 1):
        batch = config.task.collate(setup.examples, rows)
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        loss = torch.nn.functional.cross_entropy(logits, batch["labels"])
        optimizer.zero_grad()
        loss.backward()
        if config.train.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(parameters, config.train.max_grad_norm)
        with torch.no_grad():
            for name in layout.shared:
                pulled = model.get_parameter(name)
                pulled -= rate * config.train.weight_decay * (pulled - state.start[name])
        optimizer.step()
        losses.append(float(loss.detach()) * len(rows))
    assert upload.metrics["num_steps"] == 4
    assert upload.metrics["loss"] == pytest.approx(sum(losses) / 20, rel=1e-5)
    assert upload.num_examples == len(setup.clients[1])
    for name in layout.shared:
        wanted = model.get_parameter(name).detach()
        torch.testing.assert_close(upload.params[name], wanted, atol=2e-6, rtol=1e-5)
        assert not torch.equal(upload.params[name], state.start[name]), f"{name} did not train"


def test_decay_leaves_an_svd_start_alone(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    """With no gradient to follow, decay pulls back to the start, not to zero."""
    train = {
        "max_steps": 3,
        "batch_size": 4,
        "max_length": 24,
        "learning_rate": 1e-12,
        "weight_decay": 1e9,
    }
    config = tiny_config(tiny_model("bert"), tiny_table, train=train)
    upload, _, state = one_client(config)
    for name, value in upload.params.items():
        torch.testing.assert_close(value, state.start[name], atol=1e-6, rtol=1e-5)


def test_order_of_clients_and_what_ran_before_do_not_matter(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    config = tiny_config(tiny_model("bert"), tiny_table)
    setup, state, *_ = prepare(config)
    session = config.engine.open(setup)
    work = {client: Download(state.params) for client in (0, 3, 5)}
    together = {answer.client: answer for answer in session.train(2, work)}
    (alone,) = session.train(2, {5: work[5]})
    for name, value in alone.params.items():
        assert torch.equal(value, together[5].params[name])
    (other_round,) = session.train(3, {5: work[5]})
    assert any(not torch.equal(v, alone.params[n]) for n, v in other_round.params.items())


def test_dropout_is_seeded_by_client_and_round(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    train = {"max_steps": 2, "batch_size": 4, "max_length": 24, "dropout": True}
    config = tiny_config(tiny_model("bert"), tiny_table, train=train)
    first, _, _ = one_client(config)
    torch.manual_seed(99)
    second, _, _ = one_client(config)
    without, _, _ = one_client(
        tiny_config(tiny_model("bert"), tiny_table, train={**train, "dropout": False})
    )
    assert all(torch.equal(value, second.params[name]) for name, value in first.params.items())
    assert any(not torch.equal(value, without.params[n]) for n, value in first.params.items())


def test_a_client_that_raises_or_diverges_is_a_failure(
    tiny_model: Callable[[str], str], tiny_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tiny_model("bert"), tiny_table)
    setup, state, *_ = prepare(config)
    session = config.engine.open(setup)
    real = local.batches

    def broken(setup: object, round: int, client: int) -> object:
        if client == 3:
            raise ValueError("a row is\nbroken")
        return real(setup, round, client)

    monkeypatch.setattr(local, "batches", broken)
    work = {client: Download(state.params) for client in (0, 3, 5)}
    answers = list(session.train(0, work))
    assert answers[1] == ClientFailure(3, "ValueError: a row is")
    assert [answer.client for answer in answers] == [0, 3, 5]
    assert isinstance(answers[2], Upload)
    bad = {name: value * float("nan") for name, value in state.params.items()}
    (answer,) = session.train(0, {0: Download(bad)})
    assert isinstance(answer, ClientFailure)
    assert "loss is not finite" in answer.reason


def test_batches_cover_each_epoch_once(tiny_model: Callable[[str], str], tiny_table: Path) -> None:
    config = tiny_config(
        tiny_model("bert"), tiny_table, train={"epochs": 2, "batch_size": 4, "max_length": 24}
    )
    setup, *_ = prepare(config)
    rows = setup.clients[0]
    drawn = list(batches(setup, 0, 0))
    steps = math.ceil(len(rows) / 4)
    assert len(drawn) == 2 * steps
    for epoch in (drawn[:steps], drawn[steps:]):
        assert sorted(row for batch in epoch for row in batch) == rows.tolist()
    assert drawn[:steps] != drawn[steps:]
    endless = tiny_config(
        tiny_model("bert"),
        tiny_table,
        train={"epochs": None, "max_steps": 50, "batch_size": 4, "max_length": 24},
    )
    assert len(list(batches(prepare(endless)[0], 0, 0))) == 50


def test_evaluation_on_a_subset_and_by_client(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    config = tiny_config(tiny_model("bert"), tiny_table)
    setup, *_ = prepare(config)
    model, _ = setup.build()
    encoded = setup.examples
    clients = tuple(setup.clients)

    def predict(encoded: object, rows: numpy.ndarray) -> object:
        return predict_rows(config.task, model, encoded, rows, "cpu")

    whole = score_split(
        config.task, predict, EvaluationSet(encoded, clients), whole=True, per_client=True
    )
    assert whole["num_examples"] == len(encoded)
    assert "standard_error" not in whole
    by_client = whole["per_client"]
    sizes = numpy.array([len(rows) for rows in clients])
    scores = numpy.array([by_client["scores"][str(k)] for k in range(len(clients))])
    assert (sizes * scores).sum() / sizes.sum() == pytest.approx(whole["accuracy"])
    assert by_client["mean"] == pytest.approx(scores.mean())
    assert by_client["worst_tenth"] == scores.min()  # a tenth of six clients is one
    subset = numpy.arange(0, len(encoded), 3)
    part = score_split(
        config.task,
        predict,
        EvaluationSet(encoded, None, subset),
        whole=False,
        per_client=False,
    )
    assert part["num_examples"] == len(subset)
    share = part["accuracy"]
    assert part["standard_error"] == subset_error(share, len(subset), len(encoded))


def test_standard_error_of_a_subset_against_simulation() -> None:
    rng = numpy.random.default_rng(0)
    population = numpy.arange(200) < 60
    means = [population[rng.choice(200, 50, replace=False)].mean() for _ in range(20_000)]
    assert subset_error(0.3, 50, 200) == pytest.approx(numpy.std(means), rel=0.03)
    assert subset_error(0.3, 200, 200) == 0.0


def test_a_failed_client_leaves_no_dropout_behind(
    tiny_model: Callable[[str], str], tiny_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = {"max_steps": 2, "batch_size": 4, "max_length": 24, "dropout": True}
    config = tiny_config(tiny_model("bert"), tiny_table, train=train)
    setup, state, *_ = prepare(config)
    session = config.engine.open(setup)

    def scores() -> object:
        return session.evaluate(state, ["validation"], whole=True, per_client=False)

    before = scores()

    def boom(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(local, "_step", boom)
    (answer,) = session.train(0, {0: Download(state.params)})
    assert answer == ClientFailure(0, "RuntimeError: out of memory")
    assert session.model.training
    assert scores() == before


@pytest.mark.parametrize("size", [1, 7, 8, 9, 30])
@pytest.mark.parametrize(
    "limits",
    [
        {"epochs": 1, "max_steps": None},
        {"epochs": 3, "max_steps": None},
        {"epochs": 2, "max_steps": 3},
        {"epochs": None, "max_steps": 5},
    ],
    ids=str,
)
def test_the_number_of_steps_is_known_before(
    tiny_model: Callable[[str], str], tiny_table: Path, size: int, limits: dict[str, int | None]
) -> None:
    config = tiny_config(
        tiny_model("bert"), tiny_table, train={"batch_size": 8, "max_length": 24, **limits}
    )
    setup, *_ = prepare(config)
    setup = replace(setup, clients=[numpy.arange(size)])
    assert len(list(batches(setup, 0, 0))) == num_steps(config.train, size)
