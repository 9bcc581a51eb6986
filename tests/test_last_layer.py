"""The last layer for the first position alone: the same logits and gradients as the whole layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from builders import load_classifier
from federa.architectures import ARCHITECTURES as KNOWN
from federa.last_layer import FirstPositionLayer, read_first_position_only
from federa.methods import METHODS, Houlsby
from federa.models import load_tokenizer
from federa.precision import use_bf16
from federa.tasks import QuestionAnswering, TokenClassification
from tiny import ARCHITECTURES

LABELS = ("a", "b", "c")
TEXTS = ["the printer is out of paper again please reset my password", "lost", "my badge is lost"]
DECLARED = ("bert", "roberta", "xlm-roberta", "distilbert", "electra")
SMALL = [record(**({"rank": 4} if "rank" in record.model_fields else {})) for record in METHODS]
TRAINED = [m for m in SMALL if m.name in ("federa", "bitfit", "full")]
TRAINED += [Houlsby(layer_norms=True)]


def inputs_of(folder: str, texts: list[str] = TEXTS) -> dict[str, torch.Tensor]:
    encoded = load_tokenizer(folder)(texts, padding=True, return_tensors="pt")
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def adapted(folder: str, method: Any, first_only: str = "no") -> tuple[nn.Module, tuple[str, ...]]:
    """A model away from its start; first_only: whether the layer is cut before or after."""
    model = sharpened(load_classifier(folder, LABELS, 1))
    if first_only == "before":
        assert read_first_position_only(model)
    layout = method.attach(model, method.start(model, 1))
    generator = torch.Generator().manual_seed(2)
    for name in layout.shared:
        value = model.get_parameter(name).data
        value += 0.05 * torch.randn(value.shape, generator=generator)
    if first_only == "after":
        assert read_first_position_only(model)
    return model, layout.shared


def sharpened(model: nn.Module) -> nn.Module:
    """Larger weights, so that attention is far from uniform and every gradient counts."""
    for name, value in model.named_parameters():
        if value.dim() == 2 and "embeddings." not in name:
            value.data *= 8
    return model


def assert_same(plain: nn.Module, cut: nn.Module, names: Any, inputs: Any) -> None:
    wanted, found = plain(**inputs).logits, cut(**inputs).logits
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    for logits in (wanted, found):
        (logits.square().sum() + logits[:, 0].sum()).backward()
    for name in names:
        grads = [model.get_parameter(name).grad for model in (plain, cut)]
        assert (grads[0] is None) == (grads[1] is None), name
        if grads[0] is not None:
            close = 1e-6 * max(1.0, float(grads[0].abs().max()))
            torch.testing.assert_close(grads[1], grads[0], atol=close, rtol=1e-5, msg=name)
            # a key's bias adds the same to every score
            assert float(grads[0].norm()) > 1e-3 or name.endswith(("key.bias", "k_lin.bias")), name


def test_the_declared_architectures_are_those_tested() -> None:
    assert {name for name in ARCHITECTURES if KNOWN[name].last_layer} == set(DECLARED)


@pytest.mark.parametrize("method", TRAINED, ids=lambda method: method.name)
@pytest.mark.parametrize("architecture", DECLARED)
@pytest.mark.parametrize("order", ["before", "after"])
def test_logits_and_gradients_are_those_of_the_whole_layer(
    tiny_model: Callable[[str], str], architecture: str, method: Any, order: str
) -> None:
    folder = tiny_model(architecture)
    plain, names = adapted(folder, method)
    cut, same_names = adapted(folder, method, order)
    assert names == same_names
    assert_same(plain, cut, names, inputs_of(folder))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("mask", ["ragged", "none", "whole", "four axes", "added"])
@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_every_mask_and_attention_function(
    tiny_model: Callable[[str], str], architecture: str, mask: str, attention: str
) -> None:
    folder = tiny_model(architecture)
    config = AutoConfig.from_pretrained(folder, num_labels=3)
    torch.manual_seed(0)
    plain = AutoModelForSequenceClassification.from_pretrained(
        folder, config=config, attn_implementation=attention
    ).eval()
    sharpened(plain)
    cut = copy.deepcopy(plain)
    assert read_first_position_only(cut)
    inputs = inputs_of(folder, ["lost badge", "my phone"] if mask == "whole" else TEXTS)
    given = inputs["attention_mask"].bool()
    if mask == "none":
        del inputs["attention_mask"]
    elif mask == "four axes":  # each position sees itself and three on either side
        square = torch.ones(given.shape[1], given.shape[1], dtype=torch.bool).tril(3).triu(-3)
        inputs["attention_mask"] = given[:, None, None, :] & square
    if mask == "added" or (mask == "four axes" and attention == "eager"):
        wide = inputs["attention_mask"].bool()
        wide = wide if wide.dim() == 4 else given[:, None, None, :]
        inputs["attention_mask"] = torch.zeros(wide.shape).masked_fill(~wide, -1e4)
    names = [name for name, _ in plain.named_parameters()]
    assert_same(plain, cut, names, inputs)


@pytest.mark.parametrize("architecture", DECLARED)
def test_names_stay_and_one_position_is_computed(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    plain, names = adapted(tiny_model(architecture), TRAINED[0])
    cut = copy.deepcopy(plain)
    assert read_first_position_only(cut)
    assert list(cut.state_dict()) == list(plain.state_dict())
    assert [n for n, _ in cut.named_parameters()] == [n for n, _ in plain.named_parameters()]
    assert any("lora_A" in name for name in names)
    seen = []
    (last,) = [module for module in cut.modules() if isinstance(module, FirstPositionLayer)]
    last.register_forward_hook(lambda module, args, output: seen.append(output.shape[:2]))
    inputs = inputs_of(tiny_model(architecture))
    cut(**inputs)
    assert seen == [(len(TEXTS), 1)]
    assert read_first_position_only(cut), "it is done already"
    assert sum(isinstance(module, FirstPositionLayer) for module in cut.modules()) == 1


def test_a_copy_is_independent_and_modules_may_be_replaced_later(
    tiny_model: Callable[[str], str],
) -> None:
    model, names = adapted(tiny_model("bert"), TRAINED[0], "before")
    copied, inputs = copy.deepcopy(model), inputs_of(tiny_model("bert"))
    before = model(**inputs).logits
    torch.testing.assert_close(copied(**inputs).logits, before, atol=0, rtol=0)
    copied.get_parameter("bert.encoder.layer.1.attention.self.query.lora_A").data.neg_()
    assert not torch.equal(copied(**inputs).logits, before)
    torch.testing.assert_close(model(**inputs).logits, before, atol=0, rtol=0)
    plain, _ = adapted(tiny_model("bert"), TRAINED[0])
    for one in (plain, model):
        use_bf16(one, keep=frozenset(name for name in names if "classifier" in name))
    torch.testing.assert_close(model(**inputs).logits, plain(**inputs).logits, atol=2e-3, rtol=2e-2)


def test_in_inference_mode_and_on_another_dtype(tiny_model: Callable[[str], str]) -> None:
    plain = load_classifier(tiny_model("roberta"), LABELS, 1)
    cut = copy.deepcopy(plain)
    assert read_first_position_only(cut)
    inputs = inputs_of(tiny_model("roberta"))
    with torch.inference_mode():
        torch.testing.assert_close(
            cut(**inputs).logits, plain(**inputs).logits, atol=1e-6, rtol=1e-5
        )
        wide = cut.double()(**inputs).logits
    assert wide.dtype == torch.float64


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - set(DECLARED)))
def test_an_undeclared_architecture_is_left_alone(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    model = load_classifier(tiny_model(architecture), LABELS, 1)
    assert unchanged(model)


@pytest.mark.parametrize("architecture", DECLARED)
@pytest.mark.parametrize("task", [TokenClassification(), QuestionAnswering()], ids=lambda t: t.name)
def test_heads_that_read_every_position_are_left_alone(
    tiny_model: Callable[[str], str], architecture: str, task: Any
) -> None:
    labels = ("O", "B-THING", "I-THING") if task.name == "token_classification" else ()
    assert unchanged(task.build_model(tiny_model(architecture), labels, 1))


def test_a_decoder_and_an_unknown_attention_are_left_alone(
    tiny_model: Callable[[str], str],
) -> None:
    for setting, value in (("is_decoder", True), ("_attn_implementation_internal", "flash")):
        model = load_classifier(tiny_model("bert"), LABELS, 1)
        setattr(model.config, setting, value)
        assert unchanged(model)


def unchanged(model: nn.Module) -> bool:
    before = {name: id(module) for name, module in model.named_modules()}
    done = read_first_position_only(model)
    return not done and before == {name: id(module) for name, module in model.named_modules()}
