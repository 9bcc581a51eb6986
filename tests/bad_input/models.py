"""Damaged model folders, and settings that a model cannot have."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

WEIGHTS, SHAPE = "model.safetensors", "config.json"
Damage = Callable[[Path], None]


def _write(name: str, content: bytes) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


def _cut(name: str, share: float) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return damage


def _remove(*patterns: str) -> Damage:
    def damage(folder: Path) -> None:
        for pattern in patterns:
            for path in folder.glob(pattern):
                path.unlink()

    return damage


def _replace_by_folder(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def _set(**values: Any) -> Damage:
    """Other keys in config.json; None removes one."""

    def damage(folder: Path) -> None:
        content = json.loads((folder / SHAPE).read_bytes()) | values
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / SHAPE).write_text(json.dumps(kept), encoding="utf-8")

    return damage


def _tensors(change: Callable[[dict[str, Any]], None]) -> Damage:
    def damage(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})

    return damage


def _poison(tensors: dict[str, Any]) -> None:
    tensors[next(name for name in tensors if name.endswith("query.weight"))][0, 0] = float("nan")


def _forget(tensors: dict[str, Any]) -> None:
    del tensors[next(name for name in tensors if name.endswith("query.weight"))]


def _cut_vocabulary(tensors: dict[str, Any]) -> None:
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    tensors[name] = tensors[name][:9].clone()


def _small_vocabulary(folder: Path) -> None:
    _set(vocab_size=9)(folder)
    _tensors(_cut_vocabulary)(folder)


def _no_padding(folder: Path) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            content = json.loads((folder / name).read_bytes())
            content.pop("pad_token", None)
            content["pad_token"] = None
            (folder / name).write_text(json.dumps(content), encoding="utf-8")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 90868376\n"
LACKS = "encoder weights or has them in another shape"

DAMAGE: list[tuple[str, Damage, tuple[str, ...]]] = [
    ("config_removed", _remove(SHAPE), ("has no config.json, so it is not a model",)),
    ("config_folder", _replace_by_folder(SHAPE), ("has no config.json",)),
    ("config_empty", _write(SHAPE, b""), ("model: cannot load",)),
    ("config_cut", _cut(SHAPE, 0.5), ("model: cannot load",)),
    ("config_list", _write(SHAPE, b"[]"), ("model: cannot load",)),
    ("config_number", _write(SHAPE, b"5"), ("model: cannot load", "TypeError")),
    ("config_no_keys", _write(SHAPE, b"{}"), ("model: cannot load", "model_type")),
    ("config_not_utf8", _write(SHAPE, b'{"model_type": "\xff"}'), ("model: cannot load",)),
    ("config_unknown_type", _set(model_type="berd"), ("model: cannot load", "berd")),
    ("config_type_number", _set(model_type=5), ("model: cannot load",)),
    ("config_image_model", _set(model_type="sam"), ("model: ", "no head for text classification")),
    ("config_other_type", _set(model_type="distilbert"), ("model: ",)),
    ("config_wider", _set(hidden_size=64), ("model: the checkpoint", LACKS)),
    ("config_deeper", _set(num_hidden_layers=4), ("model: the checkpoint", LACKS)),
    ("config_longer", _set(max_position_embeddings=512), ("model: the checkpoint", LACKS)),
    ("config_uneven", _set(hidden_size=33), ("model: cannot load", "heads")),
    ("config_no_heads", _set(num_attention_heads=0), ("model: cannot load", "ZeroDivisionError")),
    ("config_no_layers", _set(num_hidden_layers=0), ("no linear layer",)),
    ("config_negative", _set(hidden_size=-32), ("model: cannot load",)),
    ("config_words", _set(hidden_size="wide"), ("model: cannot load", "'hidden_size'", "int")),
    ("config_activation", _set(hidden_act="sine"), ("model: cannot load", "KeyError", "sine")),
    ("weights_removed", _remove(WEIGHTS), ("model: cannot load",)),
    ("weights_empty", _write(WEIGHTS, b""), ("model: cannot load",)),
    ("weights_half", _cut(WEIGHTS, 0.5), ("model: cannot load",)),
    ("weights_short", _cut(WEIGHTS, 0.9999), ("model: cannot load",)),
    ("weights_text", _write(WEIGHTS, POINTER), ("model: cannot load",)),
    ("weights_nul", _write(WEIGHTS, bytes(4096)), ("model: cannot load",)),
    ("weights_long_header", _write(WEIGHTS, struct.pack("<Q", 2**62)), ("model: cannot load",)),
    ("weights_no_tensors", _write(WEIGHTS, struct.pack("<Q", 2) + b"{}"), ("model: ",)),
    ("weights_folder", _replace_by_folder(WEIGHTS), ("model: cannot load",)),
    ("weights_nan", _tensors(_poison), ("query.weight", "holds NaN or infinite values")),
    ("weights_one_missing", _tensors(_forget), (LACKS, "query.weight")),
    (
        "tokenizer_removed",
        _remove("tokenizer*", "vocab*", "special*"),
        ("model: no tokenizer in", "vocabulary"),
    ),
    ("tokenizer_cut", _cut("tokenizer.json", 0.5), ("model: no tokenizer in",)),
    ("tokenizer_empty", _write("tokenizer.json", b""), ("model: no tokenizer in",)),
    ("tokenizer_no_keys", _write("tokenizer.json", b"{}"), ("no tokenizer in", "KeyError")),
    ("tokenizer_config", _write("tokenizer_config.json", b"{"), ("model: no tokenizer in",)),
    ("tokenizer_no_padding", _no_padding, ("the tokenizer of", "has no padding token")),
    ("tokenizer_of_another", _small_vocabulary, ("model: the tokenizer of", "9 ")),
]
"""Id, what is done to a copy of a tiny BERT, and what must be said."""


SETTINGS: list[tuple[str, str, tuple[str, ...]]] = [
    (
        "model_hub_id",
        "model: nobody-here/no-such-model",
        ("model: cannot load nobody-here/no-such-model",),
    ),
    (
        "model_positions",
        "train: {max_length: 67}",
        ("train.max_length: 67 exceeds the model's 66 positions",),
    ),
    ("model_positions_huge", f"train: {{max_length: {10**30}}}", ("train.max_length: 1000",)),
    ("model_rank", "method: {rank: 33}", ("method.rank: 33 exceeds 32, the largest possible",)),
    ("model_rank_lora", "method: {name: lora, rank: 33}", ("method.rank: 33 exceeds 32",)),
    ("model_rank_huge", f"method: {{name: lora, rank: {10**30}}}", ("method.rank: 1000",)),
    ("model_layer", "method: {layers: [2]}", ("method.layers: no layer 2; the model has 0..1",)),
    ("model_layer_back", "method: {layers: [0, -3]}", ("method.layers: no layer -3",)),
    ("model_layers", "method: {layers: first 3}", ("method.layers: 'first 3'", "1..2")),
    ("model_layers_huge", f"method: {{layers: last {10**9}}}", ("method.layers: ", "1..2")),
    ("model_target", "method: {targets: [qurey]}", ("no module 'qurey' in bert", "query")),
    ("model_target_empty", 'method: {targets: [query, ""]}', ("no module '' in bert",)),
    ("model_target_part", "method: {targets: [uery]}", ("method.targets: no module 'uery'",)),
    ("model_device", 'engine: {device: "cuda:99"}', ("engine.device: 'cuda:99' cannot be used",)),
    ("model_device_huge", 'engine: {device: "cuda:99999999999999999999"}', ("engine.device: ",)),
    ("model_alpha_tiny", "method: {alpha: 1.0e-300}", ("method", "alpha may be out of range")),
    ("model_alpha_huge", "method: {alpha: 1.0e+300}", ("method", "alpha may be out of range")),
    ("model_alpha_lora", "method: {name: lora, alpha: 1.0e+300}", ("method", "out of range")),
]
"""Id, keys beside a tiny BERT, and what must be said."""
