"""The README of an exported model: what it is, how it was made, and the lines that load it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from federa.architectures import ALIASES
from federa.errors import RunError
from federa.files import write_atomically

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts, RunFolder
    from federa.config import RunConfig
    from federa.types import ServerState

LOAD_PEFT = """\
import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

folder = "."  # this folder
config = AutoConfig.from_pretrained(folder)  # carries the label names
base = AutoModelForSequenceClassification.from_pretrained(
    {base!r}, config=config, dtype=torch.float32
)
model = PeftModel.from_pretrained(base, folder).merge_and_unload()
tokenizer = AutoTokenizer.from_pretrained(folder)
classify = pipeline("text-classification", model=model, tokenizer=tokenizer)
print(classify("I cannot open my mail."))
"""
LOAD_NATIVE = """\
import federa

model = federa.load(".")  # this folder; elsewhere: base="a copy of the base model"
print(model.predict(["I cannot open my mail."]))
"""
LOAD_MERGED = """\
from transformers import pipeline

folder = "."  # this folder
classify = pipeline("text-classification", model=folder)
print(classify("I cannot open my mail."))
"""


@dataclass(frozen=True)
class Card:
    """What the card says; scores are those of the exported state on whole splits where known."""

    config: RunConfig
    facts: RunFacts
    round: int
    format: str
    scores: dict[str, dict[str, Any]]
    bytes_up: int
    bytes_down: int
    compression_error: float | None

    @classmethod
    def of(
        cls,
        home: RunFolder,
        config: RunConfig,
        facts: RunFacts,
        state: ServerState,
        format: str,
        compression_error: float | None,
    ) -> Card:
        """The card of a run's state."""
        import json

        records = [record for record in home.records() if record.round <= state.round]
        scores: dict[str, dict[str, Any]] = records[-1].scores if records else {}
        if (home.path / "summary.json").is_file():
            try:
                summary = json.loads((home.path / "summary.json").read_text(encoding="utf-8"))
            except ValueError as error:
                raise RunError(f"{home.path / 'summary.json'}: damaged") from error
            for part in (summary.get("best"), summary.get("latest")):
                if part and part["round"] == state.round:
                    scores = part["scores"]
                    break
        return cls(
            config=config,
            facts=facts,
            round=state.round,
            format=format,
            scores=scores,
            bytes_up=sum(record.up.serialised_bytes for record in records),
            bytes_down=sum(record.down.serialised_bytes for record in records),
            compression_error=compression_error,
        )


def write_card(folder: Path, card: Card) -> None:
    """Write README.md."""
    text = f"---\n{yaml.safe_dump(_front_matter(card), sort_keys=False)}---\n\n{_body(card)}"
    write_atomically(folder / "README.md", text.encode())


def _front_matter(card: Card) -> dict[str, Any]:
    tags = ["federated-learning", "federa"]
    if card.config.method.name not in tags:
        tags.append(card.config.method.name)
    front: dict[str, Any] = {
        "library_name": {"merged": "transformers", "native": "federa"}.get(card.format, "peft"),
        "pipeline_tag": "text-classification",
        "tags": tags,
    }
    if "/" in card.facts.source and not Path(card.facts.source).exists():
        front["base_model"] = card.facts.source
    return front


def _body(card: Card) -> str:
    config, facts = card.config, card.facts
    method = _inline(config.method)
    per_round = config.federation.clients_per_round or facts.num_clients
    lines = {"peft": LOAD_PEFT, "merged": LOAD_MERGED, "native": LOAD_NATIVE}[card.format]
    load = lines.format(base=facts.source)
    change = ""
    if card.compression_error is not None:
        change = (
            f"\nThe adapter was compressed: its weight change differs from the trained one by "
            f"{card.compression_error:.2%} (relative Frobenius norm).\n"
        )
    return f"""# {config.name}

A text classifier with {len(facts.labels)} labels, fine-tuned by federated learning with `federa`:
the training texts stayed with {facts.num_clients} clients.

| | |
|---|---|
| base model | `{config.model}`, encoder SHA-256 `{facts.base_sha256}` |
| method | {method} |
| aggregation | {_inline(config.rule)}, round {card.round}, {per_round} of {facts.num_clients} \
clients a round |
| split | {_inline(config.partition)} |
| precision | trained and scored with {facts.plan.precision} products of frozen weights; exported \
in float32 |
| data | {config.data.name}, {facts.num_train_examples} training examples |
| trained parameters | {facts.num_trained_parameters:,} of {facts.num_parameters:,} \
({facts.num_head_parameters:,} of them in the head) |
| traffic until then | {card.bytes_down:,} bytes down, {card.bytes_up:,} bytes up, all clients |
{_score_rows(card)}{change}
## Use
{_base_note(card)}
```python
{load}```

Labels: {", ".join(facts.labels)}
"""


def _inline(record: Any) -> str:
    """A record as ``federa (rank 8, targets auto)``; nulls are left out."""
    values = record.model_dump()
    name = values.pop("name")
    shown = ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)
    return f"{name} ({shown})" if shown else str(name)


def _base_note(card: Card) -> str:
    """Where the base model is, for an adapter whose base is a folder of this machine."""
    if card.format != "peft" or not Path(card.facts.source).exists():
        return ""
    hub = ALIASES.get(card.config.model, ("", ""))[0]
    also = f" (`{hub}` on the hub)" if hub else ""
    return (
        "\nThe path below is that of the base model where this was made; elsewhere, put that of "
        f"your own copy of `{card.config.model}`{also}.\n"
    )


def _score_rows(card: Card) -> str:
    rows = ""
    for split, scores in card.scores.items():
        shown = ", ".join(
            f"{name} {value:.4f}" for name, value in scores.items() if isinstance(value, float)
        )
        rows += f"| {split} ({scores.get('num_examples')} examples) | {shown} |\n"
    return rows
