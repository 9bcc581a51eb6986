"""Tiny randomly initialised models of every supported architecture, with tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertTokenizer,
    DebertaV2Tokenizer,
    DistilBertTokenizer,
    ElectraTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

WORDS = (
    *("the", "printer", "is", "out", "of", "paper", "again", "please", "reset", "my", "password"),
    *("new", "screen", "cannot", "reach", "mail", "server", "room", "booking", "lost", "badge"),
    *("phone", "wifi", "slow", "file", "deleted", "restore", "copy", "folder", "rights"),
)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ARCHITECTURES = (
    "bert",
    "roberta",
    "xlm-roberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "modernbert",
)


# The vocabularies are written out: trained ones break ties differently in each process.


def _wordpiece() -> dict[str, int]:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def _byte_bpe(special: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges that build each word, with the space before it, from the left."""
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        piece = "\u0120"  # how byte-level BPE writes a space
        for letter in word:
            merges[(piece, letter)] = None
            piece += letter
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*special, *alphabet, *(left + right for left, right in merges)]
    return {piece: number for number, piece in enumerate(pieces)}, list(merges)


def _unigram(special: list[str]) -> list[tuple[str, float]]:
    words = [f"\u2581{word}" for word in dict.fromkeys(WORDS)]
    pieces = [(piece, 0.0) for piece in special]
    return pieces + [(word, -2.0) for word in words] + [(x, -8.0) for x in ("\u2581", *LETTERS)]


def _tokenizer(model_type: str) -> Any:
    if model_type in ("bert", "distilbert", "electra"):
        kinds = {
            "bert": BertTokenizer,
            "distilbert": DistilBertTokenizer,
            "electra": ElectraTokenizer,
        }
        return kinds[model_type](vocab=_wordpiece())
    if model_type == "roberta":
        vocabulary, merges = _byte_bpe(["<s>", "<pad>", "</s>", "<mask>", "<unk>"])
        return RobertaTokenizer(vocab=vocabulary, merges=merges)
    if model_type == "xlm-roberta":
        return XLMRobertaTokenizer(vocab=_unigram(["<s>", "<pad>", "</s>", "<unk>"]))
    if model_type == "deberta-v2":
        return DebertaV2Tokenizer(vocab=_unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]"]), unk_id=3)
    vocabulary, merges = _byte_bpe(["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]"])
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="[UNK]"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, bpe.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, mask_token="[MASK]", model_input_names=inputs, **names
    )


def _config(model_type: str, tokenizer: Any, num_layers: int) -> Any:
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "max_position_embeddings": 66,
    }
    if model_type == "distilbert":
        shape |= {"dim": 32, "n_heads": 2, "n_layers": num_layers, "hidden_dim": 48}
    else:
        shape |= {
            "hidden_size": 32,
            "num_attention_heads": 2,
            "num_hidden_layers": num_layers,
            "intermediate_size": 48,
        }
    if model_type == "electra":
        shape |= {"embedding_size": 16}
    if model_type == "deberta-v2":  # as DeBERTaV3 is set up
        shape |= {
            "relative_attention": True,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "type_vocab_size": 0,
            "position_biased_input": False,
            "pooler_hidden_size": 32,
        }
    if model_type == "modernbert":
        ids = tokenizer.cls_token_id, tokenizer.sep_token_id
        shape |= {
            "bos_token_id": ids[0],
            "cls_token_id": ids[0],
            "eos_token_id": ids[1],
            "sep_token_id": ids[1],
            "global_attn_every_n_layers": 2,
            "local_attention": 8,
        }
    return AutoConfig.for_model(model_type, **shape)


def save_tiny(model_type: str, folder: Path, num_layers: int = 2) -> Path:
    """Write a tiny model and its tokenizer to ``folder``."""
    tokenizer = _tokenizer(model_type)
    config = _config(model_type, tokenizer, num_layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(model_type))
        model = AutoModelForSequenceClassification.from_config(config)
    model.base_model.save_pretrained(folder)  # an encoder without head, as pre-training leaves it
    tokenizer.save_pretrained(folder)
    return folder
