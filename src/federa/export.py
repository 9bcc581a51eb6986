"""Trained models in the formats that other people's tools read."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.checkpoint import RunFacts, RunFolder
from federa.errors import ConfigError, RunError
from federa.export_record import RECORD_FILE, ExportRecord
from federa.files import explained, write_atomically
from federa.model_card import Card, write_card
from federa.state_file import contiguous

if TYPE_CHECKING:
    from torch import nn

    from federa.config import RunConfig
    from federa.linalg import Factors
    from federa.types import LowRankPair, ServerState

EXPORT = "export"
"""In a run folder: what is exported, a folder for each format."""
NATIVE_FILE = "adapter.safetensors"
FORMATS = {
    "peft": "its change is no sum of low-rank products, so it has no LoRA form",
    "merged": "its adapters are not linear, so no weight can hold them",
    "native": "it has a form that other tools read",
}
"""The formats, each with the reason of a method that lacks it."""


def export_run(
    run: Path | str,
    format: str | None = None,
    out: Path | str | None = None,
    *,
    rank: int | None = None,
) -> Path:
    """Write the best state of the run folder ``run`` to the folder ``out``, and return it.

    format: ``peft`` (an ordinary LoRA on the untouched base model; for an SVD start of rank 2R,
    [B - B0, B0] [A; A - A0]), ``merged`` (a complete model) or ``native`` (bottleneck adapters and
    head, for ``federa.load``); the first of the method's ``exports`` by default; out:
    ``<run>/export/<format>`` by default, which is replaced, while any other folder must not exist;
    rank: of a compressed LoRA, whose relative error the model card states.
    Raises: ConfigError if the method has no such format; RunError if ``out`` is taken.
    """
    home = RunFolder.open(Path(run))
    config, facts = home.config(), home.facts()
    format = format or config.method.exports[0]
    _check_format(config, format, rank)
    own = home.path / EXPORT / (format if rank is None else f"{format}-rank{rank}")
    target = Path(out) if out is not None else own
    if target.exists() and target.resolve() != own.resolve():
        raise RunError(f"{target}: already exists; name a folder that does not")
    state = home.load_best()
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with explained(target):
            draft.mkdir(parents=True)
            error = _save(config, facts, state, draft, format, rank)
            record = ExportRecord.of(config, facts, format)
            write_atomically(draft / RECORD_FILE, record.model_dump_json(indent=2).encode())
            write_card(draft, Card.of(home, config, facts, state, format, error))
            _replace(draft, target)
    finally:
        with suppress(OSError):
            shutil.rmtree(draft, ignore_errors=True)
    return target


def _save(
    config: RunConfig,
    facts: RunFacts,
    state: ServerState,
    folder: Path,
    format: str,
    rank: int | None,
) -> float | None:
    """Write model and tokenizer; the relative error of a compressed adapter is returned."""
    from safetensors import SafetensorError
    from safetensors.torch import save

    from federa.models import quiet_transformers

    try:
        with quiet_transformers():
            _save_tokenizer(config, facts, folder)
            if format == "peft":
                return _save_peft(config, facts, state, folder, rank)
            if format == "native":
                write_atomically(folder / NATIVE_FILE, save(contiguous(state.params)))
                return None
            model: Any = trained_model(config, facts, state)
            model.save_pretrained(folder)
            return None
    except SafetensorError as error:  # how a full disk shows while weights are written
        raise RunError(f"{folder}: cannot write the weights ({error})") from error


def _check_format(config: RunConfig, format: str, rank: int | None) -> None:
    if format not in FORMATS:
        raise ConfigError(f"--format: {format!r}; allowed: {', '.join(FORMATS)}")
    if format not in config.method.exports:
        raise ConfigError(
            f"--format: {config.method.name} cannot be exported as {format} ({FORMATS[format]}); "
            f"use {' or '.join(config.method.exports)}"
        )
    if rank is not None and format != "peft":
        raise ConfigError("--rank: applies to --format peft only")
    if rank is not None and rank < 1:
        raise ConfigError(f"--rank: must be at least 1, not {rank}")


def _replace(draft: Path, target: Path) -> None:
    """Put ``draft`` in the place of ``target``; a kill between the steps loses no other file."""
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _save_tokenizer(config: RunConfig, facts: RunFacts, folder: Path) -> None:
    from federa.models import load_tokenizer

    tokenizer = load_tokenizer(facts.source, config.task.special_tokens)
    try:
        tokenizer.save_pretrained(folder)
    except OSError:
        raise
    except Exception as error:  # how tokenizers says that the disk is full
        raise RunError(f"{folder}: cannot write the tokenizer ({error})") from error


def plain_model(config: RunConfig, facts: RunFacts) -> nn.Module:
    """The base model with a head for the run's labels, as the run began with.

    Raises: ModelError if the weights are no longer those that the run began with.
    """
    from federa.local import require_same_base
    from federa.models import hash_encoder

    model = config.task.build_model(facts.source, facts.labels, config.seed)
    require_same_base(hash_encoder(model), facts.base_sha256, facts.source)
    return model


def trained_model(config: RunConfig, facts: RunFacts, state: ServerState) -> nn.Module:
    """A model, in float32, that computes what the run's state computes.

    Low-rank changes are added to the plain model's weights; what cannot be merged is attached.
    """
    model = plain_model(config, facts)
    if "merged" not in config.method.exports:
        config.method.attach(model, state.params)
        return model
    factors = {name for pair in state.layout.pairs for name in (pair.a, pair.b)}
    for name, value in state.params.items():
        if name not in factors:
            model.get_parameter(name).data.copy_(value)
    for pair in state.layout.pairs:
        left, right = pair_change(pair, state)
        rows = slice(*pair.rows) if pair.rows else slice(None)
        weight = model.get_parameter(pair.base).data
        weight[rows] += (pair.scaling * (left.double() @ right.double())).float()
    return model


def pair_change(pair: LowRankPair, state: ServerState) -> Factors:
    """B A - B0 A0 of one pair as factors, without the scaling (in LoRA B0 = 0)."""
    from federa.linalg import change

    return change(
        state.params[pair.b], state.params[pair.a], state.start[pair.b], state.start[pair.a]
    )


def module_changes(state: ServerState, model: nn.Module) -> dict[str, Factors]:
    """The change of every adapted module; parts of a fused projection become one product."""
    import torch

    from federa.linalg import stack

    grouped: dict[str, list[Factors]] = {}
    for pair in state.layout.pairs:
        left, right = pair_change(pair, state)
        if pair.rows:
            whole = torch.zeros(model.get_parameter(pair.base).shape[0], left.shape[1])
            whole[slice(*pair.rows)] = left
            left = whole
        grouped.setdefault(pair.base.removesuffix(".weight"), []).append((left, right))
    return {module: stack(products) for module, products in grouped.items()}


def _save_peft(
    config: RunConfig, facts: RunFacts, state: ServerState, folder: Path, rank: int | None
) -> float | None:
    """Write the adapter through peft itself; the relative error of a compressed one is returned."""
    from peft import LoraConfig, get_peft_model

    from federa.models import read_config

    model = plain_model(config, facts)
    changes = module_changes(state, model)
    error = None
    if rank is not None:
        largest = max(left.shape[1] for left, _ in changes.values())
        if rank > largest:
            raise ConfigError(f"--rank: {rank} exceeds {largest}, the rank of the whole change")
        changes, error = _compress(changes, rank)
    width = max(left.shape[1] for left, _ in changes.values())
    scaling = state.layout.pairs[0].scaling
    base_config: Any = copy(model.config)
    base_config.vocab_size = read_config(facts.source).vocab_size  # special tokens come after it
    base_config.save_pretrained(folder)
    added = _added_tokens(config, facts)
    lora = LoraConfig(
        task_type=config.task.peft_type,
        r=width,
        lora_alpha=scaling * width,
        target_modules=sorted(changes),
        modules_to_save=_head_modules(state),
        bias="none",
        trainable_token_indices=added or None,  # so that the adapter brings their embeddings
    )
    adapted: Any = get_peft_model(model, lora)
    _fill(adapted, changes, state)
    adapted.peft_config["default"].base_model_name_or_path = facts.source
    # peft made a set of it, whose order differs from process to process
    adapted.peft_config["default"].target_modules = sorted(changes)
    adapted.save_pretrained(folder, save_embedding_layers=False)  # added rows are in the adapter
    return error


def _added_tokens(config: RunConfig, facts: RunFacts) -> list[int]:
    """Ids of the special tokens that the base model's own vocabulary lacks."""
    from federa.models import load_tokenizer

    if not config.task.special_tokens:
        return []
    known = load_tokenizer(facts.source).get_vocab()
    tokenizer = load_tokenizer(facts.source, config.task.special_tokens)
    absent = [token for token in config.task.special_tokens if token not in known]
    return [int(tokenizer.convert_tokens_to_ids(token)) for token in absent]


def _compress(changes: dict[str, Factors], rank: int) -> tuple[dict[str, Factors], float]:
    """Every change cut to ``rank``, and the relative Frobenius error over all of them."""
    from federa.linalg import product_norm, truncate

    cut, lost, whole = {}, 0.0, 0.0
    for module, product in changes.items():
        cut[module], error = truncate(product, rank)
        size = float(product_norm(product))
        lost, whole = lost + (error * size) ** 2, whole + size**2
    return cut, (lost / whole) ** 0.5 if whole else 0.0


def _head_modules(state: ServerState) -> list[str]:
    """The outermost modules that hold nothing but head parameters."""
    return sorted({_outermost(name) for name in state.layout.head})


def _outermost(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[1] == "pooler" else parts[0]


def _fill(adapted: Any, changes: dict[str, Factors], state: ServerState) -> None:
    """Copy factors (padded with zeros to peft's rank) and head into peft's own modules."""
    base = adapted.base_model.model
    for module, (left, right) in changes.items():
        layer = base.get_submodule(module)
        a, b = layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data
        a.zero_()
        b.zero_()
        a[: right.shape[0]], b[:, : left.shape[1]] = right, left
    for name in state.layout.head:
        outer = _outermost(name)
        inner = base.get_submodule(outer).modules_to_save["default"]
        inner.get_parameter(name.removeprefix(outer + ".")).data.copy_(state.params[name])
