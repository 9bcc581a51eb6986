"""Bottleneck adapters against plain modules hooked into an untouched model."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from builders import load_classifier
from federa.errors import ConfigError
from federa.methods import Houlsby, Pfeiffer
from federa.methods.bottleneck import names_at
from federa.models import load_tokenizer
from federa.targets import find_bottlenecks
from tiny import ARCHITECTURES

LABELS = ("a", "b", "c")
WIDTH = 5
NONLINEAR = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}
METHODS = [
    Houlsby(width=WIDTH),
    Houlsby(width=WIDTH, layer_norms=True, activation="silu"),
    Pfeiffer(width=WIDTH),
    Pfeiffer(width=WIDTH, layers="last 1"),
]


class PlainAdapter(nn.Module):
    """The source's figure 2, of torch's own layers."""

    def __init__(self, values: dict[str, torch.Tensor], activation: str) -> None:
        super().__init__()
        width, size = values["down"].shape
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        self.act = NONLINEAR[activation]()
        for layer, name in ((self.down, "down"), (self.up, "up")):
            layer.weight.data.copy_(values[name])
            layer.bias.data.copy_(values[f"{name}_bias"])

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return h + self.up(self.act(self.down(h)))


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_output_and_gradients_equal_those_of_plain_modules(
    tiny_model: Callable[[str], str], architecture: str, method: Houlsby | Pfeiffer
) -> None:
    folder = tiny_model(architecture)
    batch = load_tokenizer(folder)(
        ["lost badge", "the wifi is slow"], return_tensors="pt", padding=True
    )
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    adapted, plain = (load_classifier(folder, LABELS, 1) for _ in range(2))
    start = method.start(adapted, 1)
    generator = torch.Generator().manual_seed(2)
    values = {n: t + 0.1 * torch.randn(t.shape, generator=generator) for n, t in start.items()}
    layout = method.attach(adapted, values)
    sites = find_bottlenecks(plain, method.layers, last_only=isinstance(method, Pfeiffer))
    plain.requires_grad_(False)
    adapters = {}
    for site in sites:
        own = {role: values[name] for role, name in names_at(site).items()}
        adapters[site] = PlainAdapter(own, method.activation)
        plain.get_submodule(site).register_forward_hook(
            lambda _, __, output, site=site: adapters[site](output)
        )
    mine = {name for site in sites for name in names_at(site).values()}
    for name in set(layout.shared) - mine:
        plain.get_parameter(name).data.copy_(values[name])
        plain.get_parameter(name).requires_grad_(True)
    logits = [model(**inputs).logits for model in (adapted, plain)]
    torch.testing.assert_close(*logits, atol=1e-5, rtol=1e-4)
    for value in logits:
        value.square().sum().backward()
    assert {name for name, p in adapted.named_parameters() if p.requires_grad} == set(layout.shared)
    close = {"atol": 1e-5, "rtol": 1e-3}
    for site, adapter in adapters.items():
        names = names_at(site)
        for role, wanted in (
            ("down", adapter.down.weight.grad),
            ("down_bias", adapter.down.bias.grad),
            ("up", adapter.up.weight.grad),
            ("up_bias", adapter.up.bias.grad),
        ):
            torch.testing.assert_close(adapted.get_parameter(names[role]).grad, wanted, **close)
    for name in set(layout.shared) - mine:
        wanted = plain.get_parameter(name).grad
        torch.testing.assert_close(adapted.get_parameter(name).grad, wanted, **close)


def test_counts_by_hand(tiny_model: Callable[[str], str]) -> None:
    """D and U hold W H numbers each, the biases W and H: 2 * 5 * 32 + 5 + 32 = 357 a bottleneck."""
    model = load_classifier(tiny_model("bert"), LABELS, 1)
    for method, bottlenecks, norms in zip(METHODS, (4, 4, 2, 1), (0, 4, 0, 0), strict=True):
        start = method.start(model, 1)
        count = sum(value.numel() for name, value in start.items() if "adapter_" in name)
        assert count == bottlenecks * 357
        assert sum("LayerNorm.weight" in name for name in start) == norms


def test_the_start_is_seeded_and_nearly_the_identity(tiny_model: Callable[[str], str]) -> None:
    model = load_classifier(tiny_model("bert"), LABELS, 1)
    first, again, other = (Houlsby().start(model, seed) for seed in (1, 1, 2))
    downs = [name for name in first if name.endswith("adapter_down")]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in downs)
    assert len({float(first[name][0, 0]) for name in downs}) == len(downs)
    spread = torch.cat([first[name].flatten() for name in downs]).std()
    assert 0.018 < float(spread) < 0.022
    for name, value in first.items():
        if "adapter_" in name and name not in downs:
            assert not value.any()


def test_an_unknown_architecture_is_refused(tiny_model: Callable[[str], str]) -> None:
    model = load_classifier(tiny_model("bert"), LABELS, 1)
    model.config.model_type = "newbert"
    with pytest.raises(ConfigError, match=r"newbert has no known place.*bert, electra, roberta"):
        Houlsby().start(model, 1)


def test_layers_outside_the_model_are_refused(tiny_model: Callable[[str], str]) -> None:
    model = load_classifier(tiny_model("bert"), LABELS, 1)
    with pytest.raises(ConfigError, match=r"method.layers: no layer 7; the model has 0\.\.1"):
        Pfeiffer(layers=[7]).start(model, 1)
