"""Our factors, forward pass and gradients against peft's own."""

from collections.abc import Callable

import pytest
import torch
from peft import LoraConfig, get_peft_model

from builders import load_classifier
from federa.methods import Federa, Lora

IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 12, 5, 3, 0]])
MASK = (IDS != 0).long()
LABELS = ("a", "b", "c")


def peft_model(folder: str, rank: int, alpha: int, init: bool | str) -> torch.nn.Module:
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=rank,
        lora_alpha=alpha,
        target_modules=["query", "value"],
        init_lora_weights=init,
        lora_dropout=0.0,
        modules_to_save=["pooler", "classifier"],
    )
    return get_peft_model(load_classifier(folder, LABELS, 1), config).eval()


@pytest.mark.parametrize(("rank", "alpha"), [(4, 4), (4, 8)])
def test_start_and_residual_equal_pissa(
    tiny_model: Callable[[str], str], rank: int, alpha: int
) -> None:
    theirs = peft_model(tiny_model("bert"), rank, alpha, "pissa")
    ours = load_classifier(tiny_model("bert"), LABELS, 1)
    start = Federa(rank=rank, alpha=alpha).start(ours, seed=1)
    layout = Federa(rank=rank, alpha=alpha).attach(ours, start)
    assert len(layout.pairs) == 4
    for pair in layout.pairs:
        module = pair.base.removesuffix(".weight")
        layer = theirs.base_model.model.get_submodule(module)
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        signs = torch.sign((start[pair.a] * a).sum(1))
        torch.testing.assert_close(start[pair.a], signs[:, None] * a.detach(), atol=2e-5, rtol=0)
        torch.testing.assert_close(start[pair.b], b.detach() * signs, atol=2e-5, rtol=0)
        residual = ours.get_submodule(module).base.weight
        torch.testing.assert_close(residual, layer.base_layer.weight, atol=2e-5, rtol=0)


@pytest.mark.parametrize("alpha", [4, 10])
def test_lora_forward_and_gradients_equal_pefts(
    tiny_model: Callable[[str], str], alpha: int
) -> None:
    theirs = peft_model(tiny_model("bert"), 4, alpha, True)
    ours = load_classifier(tiny_model("bert"), LABELS, 1)
    method = Lora(rank=4, alpha=alpha)
    start = method.start(ours, seed=1)
    generator = torch.Generator().manual_seed(5)
    start = {
        name: value + 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in start.items()
    }
    layout = method.attach(ours, start)
    base = theirs.base_model.model
    for pair in layout.pairs:
        layer = base.get_submodule(pair.base.removesuffix(".weight"))
        layer.lora_A["default"].weight.data.copy_(start[pair.a])
        layer.lora_B["default"].weight.data.copy_(start[pair.b])
    for name in layout.head:
        outer, _, inner = name.rpartition(".dense." if "pooler" in name else ".")
        inner = f"dense.{inner}" if "pooler" in name else inner
        saved = base.get_submodule(outer).modules_to_save["default"]
        saved.get_parameter(inner).data.copy_(start[name])
    truth = torch.tensor([0, 2])
    results = []
    for model in (ours, theirs):
        logits = model(input_ids=IDS, attention_mask=MASK).logits
        torch.nn.functional.cross_entropy(logits, truth).backward()
        results.append(logits.detach())
    torch.testing.assert_close(*results, atol=1e-6, rtol=1e-5)
    for pair in layout.pairs:
        layer = base.get_submodule(pair.base.removesuffix(".weight"))
        for ours_name, weight in ((pair.a, layer.lora_A), (pair.b, layer.lora_B)):
            mine = ours.get_parameter(ours_name).grad
            torch.testing.assert_close(mine, weight["default"].weight.grad, atol=1e-7, rtol=1e-4)


def test_lora_starts_as_peft_does() -> None:
    """A uniform in +-sqrt(1/d_in), which is what Kaiming with a = sqrt(5) gives; B zero."""
    from federa.methods.low_rank import pair_of
    from federa.targets import Target

    pair = pair_of(Target("encoder.query"), 1.0)
    assert (pair.a, pair.b) == ("encoder.query.lora_A", "encoder.query.lora_B")
    part = pair_of(Target("encoder.Wqkv", "value", (64, 96)), 2.0)
    assert (part.a, part.base, part.rows) == (
        "encoder.Wqkv.lora_A_value",
        "encoder.Wqkv.weight",
        (64, 96),
    )
