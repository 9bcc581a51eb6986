"""Starting at layer k computes what starting at the tokens computes, for every architecture."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from builders import load_classifier
from federa.architectures import ARCHITECTURES as KNOWN
from federa.frozen_prefix import (
    cache_key,
    capture,
    gather,
    num_frozen_layers,
    start_after,
    switch_of,
)
from federa.last_layer import read_first_position_only
from federa.methods import BitFit, Federa, Full, Houlsby
from federa.models import base_prefix, head_names, load_encoder, load_tokenizer
from federa.precision import use_bf16
from federa.prefix_cache import PrefixCache
from federa.tasks import QuestionAnswering, TextClassification, TokenClassification
from federa.types import Plan
from tiny import ARCHITECTURES

LABELS = ("a", "b", "c")
TEXTS = ["the printer is out of paper again please reset my password", "lost", "my badge is lost"]
WORDS = [text.split() for text in TEXTS]
CASES: dict[str, tuple[Any, tuple[str, ...], dict[str, list[Any]]]] = {
    "text": (TextClassification(), LABELS, {"text": TEXTS, "label": ["a", "c", "b"]}),
    "tokens": (
        TokenClassification(),
        ("O", "B-x", "I-x"),
        {"words": WORDS, "tags": [["B-x", *["O"] * (len(words) - 1)] for words in WORDS]},
    ),
    "questions": (
        QuestionAnswering(max_question_tokens=8, stride=4),
        (),
        {
            "id": ["0", "1", "2"],
            "question": ["my badge", "lost", "the printer"],
            "context": TEXTS,
            "answers": [[{"text": text[:4], "start": 0}] for text in TEXTS],
        },
    ),
}
BIG = 1 << 30
LAST = Federa(rank=4, layers="last 1")


class Case:
    """A task's model, adapted in the last layer or with a head alone, and its encoded examples."""

    def __init__(self, folder: str, task: str, k: int) -> None:
        self.task, labels, table = CASES[task]
        self.k = k
        self.model: nn.Module = self.task.build_model(folder, labels, 1)
        for name, value in self.model.named_parameters():
            if value.dim() == 2 and "embeddings." not in name:
                value.data *= 8  # attention far from uniform
        if k == 1:
            self.trained = LAST.attach(self.model, LAST.start(self.model, 1)).shared
        else:
            self.trained = head_names(self.model)
            self.model.requires_grad_(False)
            for name in self.trained:
                self.model.get_parameter(name).requires_grad_(True)
        self.encoded = self.task.encode(table, labels, load_tokenizer(folder), 40)
        self.windows = list(range(len(self.encoded.windows.lengths())))[::-1]
        self.calls: list[list[int]] = []

    def collate(self, windows: Sequence[int]) -> dict[str, torch.Tensor]:
        self.calls.append(list(windows))
        return self.task.collate(self.encoded, windows)

    def cache(self, folder: Path, limit_bytes: int = BIG) -> PrefixCache:
        lengths = self.encoded.windows.lengths()
        return PrefixCache.open(folder, "key", lengths, 32, limit_bytes)

    def gather(self, cache: PrefixCache, windows: Sequence[int]) -> torch.Tensor:
        return gather(cache, self.model, self.k, self.collate, windows, "cpu")

    def learn(self, model: nn.Module) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What the model says where it counts, and the gradients of what is trained."""
        batch = self.task.collate(self.encoded, self.windows)
        sums, counts = self.task.loss(model, batch)
        (8 * sums.sum() / counts.sum()).backward()
        grads = {name: model.get_parameter(name).grad.clone() for name in self.trained}
        model.zero_grad()
        said = self.task.predict(model, batch).detach()
        return (said[batch["attention_mask"].bool()] if said.dim() == 3 else said), grads


def assert_same(found: Any, wanted: Any, close: float = 1e-5) -> None:
    torch.testing.assert_close(found[0], wanted[0], atol=close, rtol=close)
    for name, gradient in wanted[1].items():
        # the bias of a softmax over positions plays no part
        assert float(gradient.norm()) > 1e-5 or tuple(gradient.shape) == (2,), name
        scale = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(found[1][name], gradient, atol=close * scale, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 2], ids=["last layer", "head"])
@pytest.mark.parametrize("task", CASES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_starting_at_layer_k_gives_the_same_logits_and_gradients(
    tiny_model: Callable[[str], str], tmp_path: Path, architecture: str, task: str, k: int
) -> None:
    case = Case(tiny_model(architecture), task, k)
    assert num_frozen_layers(case.model, case.trained) == k
    names = list(case.model.state_dict())
    wanted = case.learn(case.model)
    switch = start_after(case.model, k)
    assert switch_of(case.model) is switch
    assert list(case.model.state_dict()) == names
    assert_same(case.learn(case.model), wanted, 0.0)
    cache = case.cache(tmp_path)
    for _ in range(2):  # computed, then read
        switch.hidden = case.gather(cache, case.windows)
        assert_same(case.learn(case.model), wanted)
    assert case.calls == [[window] for window in case.windows]
    switch.hidden = switch.hidden.flip(2)
    assert not torch.allclose(case.learn(case.model)[0], wanted[0], atol=1e-4)
    switch.hidden = None
    assert_same(case.learn(case.model), wanted, 0.0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_frozen_modules_are_not_run(tiny_model: Callable[[str], str], architecture: str) -> None:
    case = Case(tiny_model(architecture), "text", 1)
    switch = start_after(case.model, 1)
    batch = case.task.collate(case.encoded, case.windows)
    hidden = capture(case.model, 1, batch)
    ran: list[str] = []
    for name, module in case.model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    capture(case.model, 1, batch)
    path = base_prefix(case.model) + KNOWN[architecture].layers
    assert any(name.startswith(f"{path}.0.") for name in ran)
    assert not any(name.startswith(f"{path}.1.") for name in ran)
    ran.clear()
    switch.hidden = hidden
    case.task.predict(case.model, batch)
    assert any(name.startswith(f"{path}.1.") for name in ran)
    assert not any(name.startswith(f"{path}.0.") or "embeddings." in name for name in ran)


def test_capture_ignores_a_hidden_state_that_is_set(tiny_model: Callable[[str], str]) -> None:
    case = Case(tiny_model("bert"), "text", 2)
    batch = case.task.collate(case.encoded, case.windows)
    before = capture(case.model, 2, batch)
    switch = start_after(case.model, 2)
    switch.hidden = torch.zeros_like(before)
    assert torch.equal(capture(case.model, 2, batch), before)
    assert switch.hidden is not None
    assert not switch.hidden.any()
    assert not before.is_inference(), "it can be trained on"


def test_a_copy_has_its_own_switch(tiny_model: Callable[[str], str]) -> None:
    case = Case(tiny_model("deberta-v2"), "text", 1)
    switch = start_after(case.model, 1)
    copied = copy.deepcopy(case.model)
    other = switch_of(copied)
    assert other is not None
    assert other is not switch
    before = case.learn(case.model)
    other.hidden = torch.zeros(3, int(case.encoded.windows.lengths().max()), 32)
    assert_same(case.learn(case.model), before, 0.0)
    case.model.get_parameter("deberta.encoder.layer.0.attention.self.key_proj.weight").data *= 0
    other.hidden = None
    assert_same(case.learn(copied), before, 0.0)


def test_what_is_stored_does_not_depend_on_the_batch(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    case = Case(tiny_model("bert"), "text", 1)
    one, other = case.cache(tmp_path / "one"), case.cache(tmp_path / "other")
    together = case.gather(one, [0, 1, 2])
    for window in (2, 0):
        case.gather(other, [window])
    case.calls.clear()
    assert torch.equal(case.gather(other, [0, 1, 2]), together)
    assert case.calls == [[1]]
    lengths = case.encoded.windows.lengths()
    assert together.shape == (3, max(lengths), 32)
    assert not together[1, lengths[1] :].any(), "zeros after the end"
    plain = capture(case.model, 1, case.collate([0, 1, 2]))
    for window, length in enumerate(lengths):
        close = {"atol": 1e-5, "rtol": 1e-5}
        torch.testing.assert_close(together[window, :length], plain[window, :length], **close)


def test_what_exceeds_the_limit_is_computed_every_time(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    case = Case(tiny_model("bert"), "text", 1)
    size = int(case.encoded.windows.lengths()[:2].sum()) * 32 * 4
    cache, whole = case.cache(tmp_path / "small", size), case.cache(tmp_path / "whole")
    wanted = case.gather(whole, [0, 1, 2])
    case.calls.clear()
    for _ in range(3):
        assert torch.equal(case.gather(cache, [0, 1, 2]), wanted)
    assert case.calls == [[0], [1], [2], [2], [2]]


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if KNOWN[name].last_layer])
def test_a_head_alone_needs_one_position(
    tiny_model: Callable[[str], str], tmp_path: Path, architecture: str
) -> None:
    case = Case(tiny_model(architecture), "text", 2)
    wanted = case.learn(case.model)
    assert read_first_position_only(case.model)
    switch = start_after(case.model, 2)
    cache = PrefixCache.open(tmp_path, "key", numpy.ones(3, dtype=int), 32, BIG)
    switch.hidden = case.gather(cache, case.windows)
    assert switch.hidden.shape == (3, 1, 32)
    assert_same(case.learn(case.model), wanted)


def test_both_together_in_the_last_layer(tiny_model: Callable[[str], str], tmp_path: Path) -> None:
    case = Case(tiny_model("bert"), "text", 1)
    wanted = case.learn(case.model)
    assert read_first_position_only(case.model)
    switch = start_after(case.model, 1)
    switch.hidden = case.gather(case.cache(tmp_path), case.windows)
    assert_same(case.learn(case.model), wanted)


def test_bf16_products(tiny_model: Callable[[str], str], tmp_path: Path) -> None:
    case = Case(tiny_model("bert"), "text", 1)
    use_bf16(case.model, keep=frozenset(head_names(case.model)))
    wanted = case.learn(case.model)
    switch = start_after(case.model, 1)
    switch.hidden = case.gather(case.cache(tmp_path), case.windows)
    assert switch.hidden.dtype == torch.float32
    found = case.learn(case.model)
    assert float((found[0] - wanted[0]).norm() / wanted[0].norm()) < 0.02


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_number_of_frozen_layers(tiny_model: Callable[[str], str], architecture: str) -> None:
    def count(method: Any) -> int:
        model = load_classifier(tiny_model(architecture), LABELS, 1)
        names = method.attach(model, method.start(model, 1)).shared
        return num_frozen_layers(model, names)

    assert count(LAST) == 1
    assert count(Houlsby(layers="last 1", layer_norms=True)) == 1
    assert count(Federa(rank=4)) == count(Houlsby()) == count(Full()) == 0
    assert count(Federa(rank=4, layers="first 1")) == 0
    if architecture != "modernbert":
        assert count(BitFit()) == 0
    model = load_classifier(tiny_model(architecture), LABELS, 1)
    head, path = head_names(model), base_prefix(model) + KNOWN[architecture].layers
    assert num_frozen_layers(model, head) == num_frozen_layers(model, ()) == 2
    for name, _ in model.named_parameters():
        if name not in head:
            wanted = 1 if name.startswith(f"{path}.1.") else 0
            assert num_frozen_layers(model, [*head, name]) == wanted, name


def test_nothing_is_frozen_in_what_is_not_known(tiny_model: Callable[[str], str]) -> None:
    model = load_encoder(tiny_model("bert"))
    assert num_frozen_layers(model, ["encoder.layer.1.output.dense.weight"]) == 1
    model.config.model_type = "other"
    assert num_frozen_layers(model, ()) == 0
    large = load_classifier(tiny_model("deberta-v2"), LABELS, 1)
    large.config.conv_kernel_size = 3
    assert num_frozen_layers(large, head_names(large)) == 0


def test_the_key_changes_with_everything() -> None:
    def key(**changes: Any) -> str:
        plan = {"engine": "x", "device": "cpu", "precision": "fp32", "threads": 1}
        values = {"k": 1, "base": "a", "digest": "b", "torch": "2", "tokens": (), **plan, **changes}
        computed = Plan(*(values[name] for name in plan))
        return cache_key(
            values["base"],
            values["digest"],
            values["k"],
            computed,
            {"torch": values["torch"]},
            values["tokens"],
        )

    changes = [{"k": 2}, {"base": "b"}, {"digest": "a"}, {"torch": "3"}, {"tokens": ("<e>",)}]
    changes += [{"device": "cuda"}, {"precision": "bf16"}, {"threads": 2}, {}]
    assert len({key(**change) for change in changes}) == len(changes)
    assert key(engine="y") == key()
    assert len(key()) == 64
