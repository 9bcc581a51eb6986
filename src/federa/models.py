"""Pre-trained models: finding, loading and hashing them, and the names of their heads."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.architectures import ALIASES, ARCHITECTURES, DEMO_PACKAGE, Architecture
from federa.errors import ModelError
from federa.files import user_path
from federa.registry import nearest
from federa.seeding import seeded_torch

if TYPE_CHECKING:
    from torch import nn

HEADS = {
    "AutoModelForSequenceClassification": "text classification",
    "AutoModelForTokenClassification": "token classification",
    "AutoModelForQuestionAnswering": "question answering",
}
"""What the heads of transformers' classes are for."""
TOKENIZER_PROBES = (
    "The Quick brown fox's 1,234.50 jumps - don't you?",
    "Zażółć gęślą jaźń; naïve CAFÉ ﬁne Ⅷ ①",
    "  two  blanks\tand a\nline  \u200b end ",
    "東京 Москва 🙂 @user #tag https://example.org/a_b",
)
"""Letter case, accents, blanks, scripts: where tokenizers with one vocabulary still differ."""


def locate(name: str) -> str:
    """The local folder or hub id that ``name`` (alias, folder or hub id) stands for.

    Raises: ModelError if ``name`` is neither an alias, nor a folder with a config.json, nor
    shaped like a hub id.
    """
    if name in ALIASES:
        if name == "minilm":
            spec = importlib.util.find_spec(DEMO_PACKAGE)
            for folder in (spec.submodule_search_locations or []) if spec else []:
                if (Path(folder) / "model" / "config.json").is_file():
                    return str(Path(folder) / "model")
        return ALIASES[name][0]
    folder_path = user_path(name)
    if os.path.isdir(folder_path):
        if not (folder_path / "config.json").is_file():
            raise ModelError(f"model: the folder {name} has no config.json, so it is not a model")
        return str(folder_path.resolve())
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not name.startswith((".", "/")):
        return name
    raise ModelError(
        f"model: {name!r} is not an alias, a model folder or a hub id (owner/name); "
        + nearest(name, ALIASES)
    )


def read_config(source: str) -> Any:
    """The transformers configuration at ``source`` (from ``locate``).

    Raises: ModelError if it cannot be found or read.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(source)
    except Exception as error:  # damaged configurations raise errors of several libraries
        raise ModelError(f"model: cannot load {source}: {first_line(error)}") from error


def load_tokenizer(source: str, special_tokens: Sequence[str] = ()) -> Any:
    """The fast tokenizer at ``source``, with a padding token and the special tokens added.

    Raises: ModelError if there is none.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:  # tokenizers raises bare Exception on damaged files
        raise ModelError(f"model: no tokenizer in {source}: {first_line(error)}") from error
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):  # transformers makes one up
        raise ModelError(f"model: no tokenizer in {source}: it has no vocabulary")
    if tokenizer.pad_token_id is None:
        raise ModelError(f"model: the tokenizer of {source} has no padding token")
    if special_tokens:
        tokenizer.add_tokens(list(special_tokens), special_tokens=True)
    return tokenizer


def load_model(
    source: str,
    auto_class: str,
    labels: Sequence[str],
    seed: int,
    special_tokens: Sequence[str] = (),
) -> nn.Module:
    """The model at ``source`` in float32 with a head, in evaluation mode.

    auto_class: the transformers class that chooses the head; labels: of the head, or none for a
    head of question answering, which gives two numbers a token. Head weights that the checkpoint
    lacks (or holds for another number of labels) are drawn from ``seed``; a checkpoint that lacks
    anything else is refused.
    Raises: ModelError.
    """
    import torch
    import transformers

    kind = getattr(transformers, auto_class)
    config = read_config(source)
    config.num_labels = len(labels) or 2
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
    if auto_class == "AutoModelForSequenceClassification":
        config.problem_type = "single_label_classification"
    if type(config) not in kind._model_mapping:
        raise ModelError(
            f"model: {source} ({config.model_type}) has no head for {HEADS[auto_class]}"
        )
    with seeded_torch(seed, "head"), quiet_transformers():
        try:
            model, report = kind.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,  # transformers 5 would keep a half-precision checkpoint
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except Exception as error:  # damaged weights raise errors of several libraries
            raise ModelError(f"model: cannot load {source}: {first_line(error)}") from error
    _refuse_incomplete(source, model, report)
    _refuse_non_finite(source, model)
    if special_tokens:
        _add_tokens(model, source, special_tokens)
    module: nn.Module = model.eval()
    return module


def _add_tokens(model: Any, source: str, special_tokens: Sequence[str]) -> None:
    """Give each token that the vocabulary lacks the mean embedding of its plain pieces.

    So every party that holds the base model makes the same rows, and nothing needs to be sent.
    """
    import torch

    plain = load_tokenizer(source)
    known = plain.get_vocab()
    absent = [token for token in special_tokens if token not in known]
    pieces = {token: plain(token, add_special_tokens=False)["input_ids"] for token in absent}
    for token in absent:
        if not pieces[token]:  # their mean would be NaN
            raise ModelError(f"task.special_tokens: {token!r} has no letters for this tokenizer")
    extended = load_tokenizer(source, special_tokens)
    with quiet_transformers():
        if len(extended) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(extended), mean_resizing=False)
    weight = model.get_input_embeddings().weight
    with torch.no_grad():
        for token in absent:
            weight[extended.convert_tokens_to_ids(token)] = weight[pieces[token]].mean(dim=0)


def load_encoder(source: str) -> nn.Module:
    """The pre-trained encoder at ``source`` without a head, in float32 and evaluation mode.

    Raises: ModelError.
    """
    import torch
    from transformers import AutoModel

    with seeded_torch(0, "head"), quiet_transformers():
        try:
            model = AutoModel.from_pretrained(source, dtype=torch.float32)
        except Exception as error:  # damaged weights raise errors of several libraries
            raise ModelError(f"model: cannot load {source}: {first_line(error)}") from error
    module: nn.Module = model.eval()
    return module


def _refuse_incomplete(source: str, model: nn.Module, report: dict[str, Any]) -> None:
    head = set(head_names(model))
    absent = {str(name) for name in report["missing_keys"]}
    absent |= {str(entry[0]) for entry in report["mismatched_keys"]}
    trained = {name for name, _ in model.named_parameters()}
    wrong = sorted((absent & trained) - head)
    if wrong:
        raise ModelError(
            f"model: the checkpoint {source} lacks {len(wrong)} encoder weights or has them in "
            f"another shape, the first {wrong[0]}"
        )


def _refuse_non_finite(source: str, model: nn.Module) -> None:
    for name, value in model.named_parameters():
        if not bool(value.isfinite().all()):
            raise ModelError(f"model: the weight {name} of {source} holds NaN or infinite values")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' log lines, progress bars and future warnings inside the block."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    """The first non-empty line of an error's message, with its type's name where that helps."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    text = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    if isinstance(error, LookupError | ArithmeticError | TypeError | AttributeError):
        return f"{type(error).__name__}: {text}"
    return text


def architecture_of(model: nn.Module) -> Architecture | None:
    """The record for the model's type, or None for one that is not listed."""
    return ARCHITECTURES.get(model_type(model))


def model_type(model: nn.Module) -> str:
    """The transformers model type, such as ``bert``."""
    return str(model.config.model_type)  # type: ignore[union-attr]


def base_prefix(model: nn.Module) -> str:
    """What the names of the encoder's parameters begin with; nothing in a bare encoder."""
    return "" if model.base_model is model else str(model.base_model_prefix) + "."


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the parameters of the task head, with the pooler that it reads."""
    prefix = base_prefix(model)
    known = architecture_of(model)
    poolers = tuple(f"{prefix}{name}." for name in (known.pooler if known else ("pooler",)))
    return tuple(
        name
        for name, _ in model.named_parameters()
        if not name.startswith(prefix) or name.startswith(poolers)
    )


def hash_encoder(model: nn.Module) -> str:
    """SHA-256 over the sorted (name, shape, fp32 bytes) of the encoder without its head.

    Names are relative to the base model, so the same weights hash alike under any head.
    """
    import torch

    prefix, head = base_prefix(model), set(head_names(model))
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        if name in head:
            continue
        values = parameter.detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name.removeprefix(prefix)}{tuple(values.shape)}".encode())
        digest.update(values.numpy().data)
    return digest.hexdigest()


def hash_tokenizer(tokenizer: Any) -> str:
    """SHA-256 over the sorted vocabulary and what the tokenizer makes of a few probes.

    Not over its file, which differs between versions of the tokenizers library.
    """
    digest = hashlib.sha256()
    for token, number in sorted(tokenizer.get_vocab().items()):
        digest.update(f"{len(token)} {token} {number} ".encode())
    for probe in TOKENIZER_PROBES:
        digest.update(str(tokenizer(probe)["input_ids"]).encode())
    return digest.hexdigest()


def max_positions(model: nn.Module) -> int | None:
    """The longest sequence, in tokens, that the model's position embeddings allow."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    known = architecture_of(model)
    return limit - (known.position_offset if known else 0)
