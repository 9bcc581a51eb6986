"""Every method on every architecture: what all of them promise."""

from collections.abc import Callable

import pytest
import torch

from builders import load_classifier
from federa.errors import ConfigError
from federa.methods import METHODS
from federa.models import hash_encoder, head_names, load_tokenizer
from federa.targets import find_targets
from tiny import ARCHITECTURES

LABELS = ("a", "b", "c")
TEXTS = ["the printer is out of paper", "lost badge", "please reset my password again"]


def batch(folder: str) -> dict[str, torch.Tensor]:
    tokenizer = load_tokenizer(folder)
    encoded = tokenizer(TEXTS, padding=True, return_tensors="pt")
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def moved(start: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {n: t + 0.05 * torch.randn(t.shape, generator=generator) for n, t in start.items()}


SMALL = [record(**({"rank": 4} if "rank" in record.model_fields else {})) for record in METHODS]
LOW_RANK = [method for method in SMALL if "low_rank" in method.traits]
REFUSED = {("modernbert", "bitfit"): "the encoder of modernbert has none"}
EVERY = [
    pytest.param(architecture, method, id=f"{architecture}-{method.name}")
    for architecture in ARCHITECTURES
    for method in SMALL
    if (architecture, method.name) not in REFUSED
]


@pytest.mark.parametrize(("pair", "reason"), REFUSED.items(), ids=str)
def test_what_a_method_cannot_train_is_refused(
    tiny_model: Callable[[str], str], pair: tuple[str, str], reason: str
) -> None:
    (method,) = [method for method in SMALL if method.name == pair[1]]
    with pytest.raises(ConfigError, match=f"method: {method.name}.*{reason}"):
        method.start(load_classifier(tiny_model(pair[0]), LABELS, 1), 1)


@pytest.mark.parametrize(("architecture", "method"), EVERY)
def test_start_changes_nothing_and_shared_is_what_trains(
    tiny_model: Callable[[str], str], architecture: str, method: object
) -> None:
    folder = tiny_model(architecture)
    inputs = batch(folder)
    plain = load_classifier(folder, LABELS, 1)
    before = plain(**inputs).logits.detach()
    start = method.start(plain, 1)
    assert torch.equal(plain(**inputs).logits, before), "start must not touch the model"
    layout = method.attach(plain, start)
    torch.testing.assert_close(plain(**inputs).logits, before, atol=1e-5, rtol=1e-5)
    trained = {name for name, value in plain.named_parameters() if value.requires_grad}
    assert set(layout.shared) == trained == set(start)
    assert set(layout.head) == set(head_names(plain)) <= trained
    plain(**inputs).logits.square().sum().backward()
    for name in layout.head:
        assert plain.get_parameter(name).grad is not None


@pytest.mark.parametrize(("architecture", "method"), EVERY)
def test_fresh_names_are_those_that_the_base_model_does_not_give(
    tiny_model: Callable[[str], str], architecture: str, method: object
) -> None:
    """A client that has the base model alone can know the start of all other names."""
    plain = load_classifier(tiny_model(architecture), LABELS, 1)
    own = {name: value.detach().clone() for name, value in plain.named_parameters()}
    start = method.start(plain, 1)
    layout = method.attach(plain, start)
    assert set(layout.starts) <= set(layout.fresh) <= set(layout.shared)
    for name in set(layout.shared) - set(layout.fresh) - set(layout.head):
        assert torch.equal(start[name], own[name])
    assert set(start) - set(own) == set(layout.fresh)


@pytest.mark.parametrize("method", LOW_RANK, ids=lambda method: method.name)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_low_rank_gradients_equal_those_of_the_dense_weight(
    tiny_model: Callable[[str], str], architecture: str, method: object
) -> None:
    """dL/dB = s G A^T and dL/dA = s B^T G, with G the gradient of the merged dense weight."""
    folder, inputs = tiny_model(architecture), batch(tiny_model(architecture))
    adapted, dense = (load_classifier(folder, LABELS, 1) for _ in range(2))
    start = method.start(adapted, 1)
    layout = method.attach(adapted, start)
    values = moved(start)
    for name, value in values.items():
        adapted.get_parameter(name).data.copy_(value)
        if name in layout.head:
            dense.get_parameter(name).data.copy_(value)
    for pair in layout.pairs:
        rows = slice(*pair.rows) if pair.rows else slice(None)
        removed = start[pair.b] @ start[pair.a] if "svd_start" in method.traits else 0.0
        move = values[pair.b] @ values[pair.a] - removed
        dense.get_parameter(pair.base).data[rows] += pair.scaling * move
    logits = [model(**inputs).logits for model in (adapted, dense)]
    torch.testing.assert_close(*logits, atol=1e-5, rtol=1e-4)
    for value in logits:
        value.square().sum().backward()
    for pair in layout.pairs:
        rows = slice(*pair.rows) if pair.rows else slice(None)
        gradient = dense.get_parameter(pair.base).grad[rows]
        for name, wanted in (
            (pair.b, pair.scaling * gradient @ values[pair.a].T),
            (pair.a, pair.scaling * values[pair.b].T @ gradient),
        ):
            found = adapted.get_parameter(name).grad
            assert float((found - wanted).norm() / wanted.norm()) < 1e-4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_names_and_hash(tiny_model: Callable[[str], str], architecture: str) -> None:
    folder = tiny_model(architecture)
    first, second = load_classifier(folder, LABELS, 1), load_classifier(folder, ("x", "y"), 2)
    assert hash_encoder(first) == hash_encoder(second), "the head does not enter the hash"
    assert len(find_targets(first, "auto", "all")) == 4
    assert len(find_targets(first, "auto", "last 1")) == 2
    assert len(find_targets(first, "all_linear", "first 1")) >= 6
    same = load_classifier(folder, LABELS, 1)
    for name in head_names(first):
        assert torch.equal(first.get_parameter(name), same.get_parameter(name)), (
            "head from the seed"
        )
    weight = next(v for n, v in first.named_parameters() if n not in head_names(first))
    weight.data.view(-1)[0] += 1e-3
    assert hash_encoder(first) != hash_encoder(second)
