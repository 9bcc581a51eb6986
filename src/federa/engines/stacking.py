"""Giving a model's trained tensors a client axis, module by module, without knowing the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from federa.engines.stacked_modules import FORMS, Cohort, Stacked, StackedAny

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from federa.tasks import Encoded, Task


@dataclass
class Calls:
    """How a module was called while a batch passed: the leading size of every argument and output.

    Sizes are None for what is not a tensor.
    """

    arguments: list[list[int | None]] = field(default_factory=list)
    outputs: list[list[int | None]] = field(default_factory=list)


def stack_model(model: nn.Module, trained: Sequence[str], batch: dict[str, Tensor]) -> Cohort:
    """Replace, in place, every module that owns one of ``trained`` by its stacked form.

    batch: inputs of one row [1, ...], without targets, from which it is learned what each module
    is given: a module that is called with rows alone is stacked where it stands. One that is also
    given what all rows share (DeBERTa's relative positions), or whose tensors are read past it, is
    stacked together with the module around it.
    Raises: ValueError if only the whole model maps rows to rows.
    """
    cohort = Cohort()
    two, three = (_watch(model, batch, rows) for rows in (2, 3))
    for name in outermost(_home(tensor, two, three) for tensor in trained):
        module = model.get_submodule(name)
        own = [tensor for tensor in trained if tensor.startswith(f"{name}.")]
        form = _form(model, name, trained)
        if form is not None:
            stacked: nn.Module = form(module, name, own, cohort)
        else:
            of_rows = _rows(two[name].arguments[0], three[name].arguments[0])
            stacked = StackedAny(module, name, own, cohort, of_rows)
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, stacked)
    return cohort


def mapped_modules(model: nn.Module, trained: Sequence[str], batch: dict[str, Tensor]) -> list[str]:
    """The modules that ``stack_model`` would map by ``torch.vmap``; the model is left as it is.

    Raises: ValueError if the model cannot be stacked.
    """
    two, three = (_watch(model, batch, rows) for rows in (2, 3))
    names = outermost(_home(tensor, two, three) for tensor in trained)
    return [name for name in names if _form(model, name, trained) is None]


def _form(model: nn.Module, name: str, trained: Sequence[str]) -> type[Stacked] | None:
    """The stacked form of a module all of whose trained tensors are its own, or None."""
    own = [tensor for tensor in trained if tensor.startswith(f"{name}.")]
    direct = all(tensor.rpartition(".")[0] == name for tensor in own)
    return FORMS.get(type(model.get_submodule(name))) if direct else None


def inputs_of(task: Task, encoded: Encoded, device: str) -> dict[str, Tensor]:
    """What the model reads of the shortest window [1, L], without targets, on ``device``."""
    batch = task.collate(encoded, [int(encoded.windows.lengths().argmin())])
    wanted = ("input_ids", "attention_mask", "token_type_ids")
    return {name: batch[name].to(device) for name in wanted if name in batch}


def outermost(names: Iterable[str]) -> list[str]:
    """The names that lie below none of the others."""
    kept: list[str] = []
    for name in sorted(set(names)):
        if not any(name.startswith(f"{other}.") for other in kept):
            kept.append(name)
    return kept


def _home(tensor: str, two: dict[str, Calls], three: dict[str, Calls]) -> str:
    """The smallest module around a trained tensor that maps rows to rows."""
    name = tensor.rpartition(".")[0]
    while name:
        if name in two and _maps_rows(two[name], three[name]):
            return name
        name = name.rpartition(".")[0]
    raise ValueError(f"{tensor}: nothing below the whole model maps rows to rows")


def _maps_rows(two: Calls, three: Calls) -> bool:
    """Whether every call had rows among its arguments, always the same ones, and returned rows."""
    flags = [_rows(a, b) for a, b in zip(two.arguments, three.arguments, strict=True)]
    returned = [
        rows or before is None
        for a, b in zip(two.outputs, three.outputs, strict=True)
        for rows, before in zip(_rows(a, b), a, strict=True)
    ]
    return any(flags[0]) and all(flag == flags[0] for flag in flags) and all(returned)


def _rows(two: list[int | None], three: list[int | None]) -> list[bool]:
    return [before == 2 and after == 3 for before, after in zip(two, three, strict=True)]


def _watch(model: nn.Module, batch: dict[str, Tensor], rows: int) -> dict[str, Calls]:
    """How every module is called for a batch of ``rows`` equal rows."""
    found: dict[str, Calls] = {}
    hooks: list[RemovableHandle] = []

    def watch(name: str, module: nn.Module) -> None:
        def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            calls = found.setdefault(name, Calls())
            calls.arguments.append(_sizes((args, kwargs)))
            calls.outputs.append(_sizes(output))

        hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    for name, module in model.named_modules():
        watch(name, module)
    try:
        with torch.no_grad():
            model(**{name: value.expand(rows, *value.shape[1:]) for name, value in batch.items()})
    finally:
        for handle in hooks:
            handle.remove()
    return found


def _sizes(tree: Any) -> list[int | None]:
    leaves = pytree.tree_leaves(tree)
    return [leaf.shape[0] if isinstance(leaf, Tensor) and leaf.dim() else None for leaf in leaves]
