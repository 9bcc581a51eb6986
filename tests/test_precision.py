"""bf16 products of frozen weights: close to float32, and float32 wherever something is trained."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from builders import load_classifier
from federa.methods import METHODS, Full, PeftMethod
from federa.precision import Bf16Linear, use_bf16

IDS = torch.tensor([[2, 7, 9, 11, 3]])


def test_product_equals_rounded_operands() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(16, 8).requires_grad_(False)
    x = torch.randn(4, 16, requires_grad=True)
    y = Bf16Linear(linear)(x)
    assert y.dtype == torch.float32
    wanted = (
        x.bfloat16().double() @ linear.weight.bfloat16().double().T
        + linear.bias.bfloat16().double()
    )
    torch.testing.assert_close(y.double(), wanted, atol=2e-2, rtol=8e-3)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float32


def test_trained_bias_is_added_in_float32() -> None:
    linear = nn.Linear(4, 2)
    linear.weight.requires_grad_(False)
    linear.weight.zero_()
    linear.bias.data.fill_(1.0001)  # not a bf16 number
    layer = Bf16Linear(linear)
    assert layer(torch.ones(1, 4)).tolist() == [[torch.tensor(1.0001).item()] * 2]
    assert layer.weight.dtype == torch.bfloat16


FROZEN = [record() for record in METHODS if "freezes" in record.traits]


@pytest.mark.parametrize("method", FROZEN, ids=lambda method: method.name)
@pytest.mark.parametrize("architecture", ["bert", "deberta-v2"])
def test_frozen_products_in_bf16_are_close_and_training_stays_in_float32(
    tiny_model: Callable[[str], str], architecture: str, method: PeftMethod
) -> None:
    logits, gradients = [], []
    for bf16 in (False, True):
        model = load_classifier(tiny_model(architecture), ("a", "b", "c"), 1)
        layout = method.attach(model, method.start(model, 1))
        if bf16:
            use_bf16(model, keep=frozenset(layout.head))
            frozen = [p for p in model.parameters() if p.dtype == torch.bfloat16]
            assert frozen
            assert not any(p.requires_grad for p in frozen)
        output = model(input_ids=IDS).logits
        output.square().sum().backward()
        logits.append(output.detach())
        trained = [model.get_parameter(name) for name in layout.shared]
        assert all(parameter.dtype == torch.float32 for parameter in trained)
        gradients.append(torch.cat([p.grad.flatten() for p in trained if p.grad is not None]))
    assert float((logits[0] - logits[1]).norm() / logits[0].norm()) < 0.02
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.995


def test_full_fine_tuning_keeps_float32_masters(tiny_model: Callable[[str], str]) -> None:
    model = load_classifier(tiny_model("bert"), ("a", "b", "c"), 1)
    layout = Full().attach(model, Full().start(model, 1))
    use_bf16(model, keep=frozenset(layout.head))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    model(input_ids=IDS).logits.sum().backward()
    name = "bert.encoder.layer.0.output.dense.weight"
    assert model.get_parameter(name).grad.dtype == torch.float32
    assert set(layout.shared) == {n for n, _ in model.named_parameters()}
