"""BitFit: what a bias is, and its gradients against a model in which everything is trained."""

from collections.abc import Callable

import pytest
import torch

from builders import load_classifier
from federa.methods import BitFit
from federa.models import head_names, load_tokenizer
from tiny import ARCHITECTURES

LABELS = ("a", "b", "c")


def test_every_bias_of_the_encoder_is_trained(tiny_model: Callable[[str], str]) -> None:
    model = load_classifier(tiny_model("bert"), LABELS, 1)
    layout = BitFit().attach(model, BitFit().start(model, 1))
    # a layer: query, key, value, attention output, its norm, two feed-forward layers, their norm
    assert len(layout.shared) - len(layout.head) == 1 + 2 * 8  # and the embeddings' norm
    assert "bert.embeddings.LayerNorm.bias" in layout.shared
    assert "bert.encoder.layer.1.output.LayerNorm.bias" in layout.shared
    assert set(layout.head) == {
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "classifier.weight",
        "classifier.bias",
    }


@pytest.mark.parametrize("architecture", [a for a in ARCHITECTURES if a != "modernbert"])
def test_gradients_equal_those_of_full_fine_tuning(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    folder = tiny_model(architecture)
    batch = load_tokenizer(folder)(
        ["lost badge", "the printer is slow"], return_tensors="pt", padding=True
    )
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    model, whole = (load_classifier(folder, LABELS, 1) for _ in range(2))
    layout = BitFit().attach(model, BitFit().start(model, 1))
    whole.requires_grad_(True)
    for each in (model, whole):
        each(**inputs).logits.square().sum().backward()
    trained = set(layout.shared)
    for name, parameter in whole.named_parameters():
        found = model.get_parameter(name)
        assert found.requires_grad == (name in trained)
        if name not in trained:
            assert found.grad is None
        elif parameter.grad is not None:
            torch.testing.assert_close(found.grad, parameter.grad, atol=1e-6, rtol=1e-4)
    assert set(head_names(model)) < trained
