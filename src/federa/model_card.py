"""The README of an exported model: what it is, how it was made, and the lines that load it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from federa.architectures import ALIASES
from federa.files import write_atomically

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts, RunFolder
    from federa.config import RunConfig
    from federa.types import ServerState

LOAD_PEFT = """\
import torch
from peft import PeftModel
from transformers import AutoConfig, {auto}, AutoTokenizer{pipeline}

folder = "."  # this folder
config = AutoConfig.from_pretrained(folder)  # carries the label names
tokenizer = AutoTokenizer.from_pretrained(folder)
base = {auto}.from_pretrained({base!r}, config=config, dtype=torch.float32)
{resize}model = PeftModel.from_pretrained(base, folder).merge_and_unload()
{use}"""
RESIZE = """\
if len(tokenizer) > base.get_input_embeddings().num_embeddings:  # special tokens were added
    base.resize_token_embeddings(len(tokenizer), mean_resizing=False)
"""
LOAD_NATIVE = """\
import federa

model = federa.load(".")  # this folder; elsewhere: base="a copy of the base model"
print(model.predict([{example}]))
"""
LOAD_MERGED = """\
from transformers import {merged}

folder = "."  # this folder
{load}{use}"""
EXAMPLES = {
    "text_classification": "I cannot open my mail.",
    "token_classification": "Olivia Stone cannot open Ledgerline in the Juniper room.",
    "question_answering": {
        "question": "Where is the printer?",
        "context": "The new printer stands in the Juniper room. The old one was sold.",
    },
}
KINDS = {
    "text_classification": "A text classifier with {labels} labels",
    "token_classification": "A tagger of entities ({labels} tags)",
    "question_answering": "A model that finds the answers to questions in a passage",
}


def load_lines(config: RunConfig, source: str, format: str) -> str:
    """The Python lines, ready to run in the export's folder, that load it and answer something."""
    task = config.task
    example = repr(EXAMPLES[task.name])
    if format == "native":
        return LOAD_NATIVE.format(example=example)
    piped = task.pipeline != "question-answering"  # transformers 5 has no such pipeline
    options = ', aggregation_strategy="first"' if task.pipeline == "token-classification" else ""
    answer = f"print(answer({example}))\n"
    if format == "merged":
        return LOAD_MERGED.format(
            merged="pipeline" if piped else f"{task.auto_class}, AutoTokenizer",
            load=""
            if piped
            else f"model = {task.auto_class}.from_pretrained(folder)\n"
            "tokenizer = AutoTokenizer.from_pretrained(folder)\n",
            use=f'answer = pipeline("{task.pipeline}", model=folder{options})\n{answer}'
            if piped
            else _decoder(example),
        )
    return LOAD_PEFT.format(
        auto=task.auto_class,
        pipeline=", pipeline" if piped else "",
        base=source,
        resize=RESIZE if task.special_tokens else "",
        use=f'answer = pipeline("{task.pipeline}", model=model, tokenizer=tokenizer{options})\n'
        f"{answer}"
        if piped
        else _decoder(example),
    )


def _decoder(example: str) -> str:
    """How the two numbers a token become an answer, for a task without a pipeline."""
    return (
        "\n# the best span over overlapping windows, by federa's decoder:\nimport federa\n\n"
        f"print(federa.load(folder).predict([{example}])[0].answer)\n"
    )


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
        records = [record for record in home.records() if record.round <= state.round]
        scores: dict[str, dict[str, Any]] = records[-1].scores if records else {}
        summary = home.summary() or {}
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
        "pipeline_tag": card.config.task.pipeline,
        "tags": tags,
    }
    if "/" in card.facts.source and not Path(card.facts.source).exists():
        front["base_model"] = card.facts.source
    return front


def _body(card: Card) -> str:
    config, facts = card.config, card.facts
    method = _inline(config.method)
    per_round = config.federation.clients_per_round or facts.num_clients
    load = load_lines(config, facts.source, card.format)
    kind = KINDS[config.task.name].format(labels=len(facts.labels))
    at_sites = config.data.name == "sites"
    own = f"{config.data.name}, {facts.num_train_examples} training examples"
    labels = f"\nLabels: {', '.join(facts.labels)}\n" if facts.labels else ""
    change = ""
    if card.compression_error is not None:
        change = (
            f"\nThe adapter was compressed: its weight change differs from the trained one by "
            f"{card.compression_error:.2%} (relative Frobenius norm).\n"
        )
    return f"""# {config.name}

{kind}, fine-tuned by federated learning with `federa`:
the training texts stayed with {facts.num_clients} clients.

| | |
|---|---|
| base model | `{config.model}`, encoder SHA-256 `{facts.base_sha256}` |
| method | {method} |
| aggregation | {_inline(config.rule)}, round {card.round}, {per_round} of {facts.num_clients} \
clients a round |
| split | {"as the data lies" if at_sites else _inline(config.partition)} |
| precision | trained and scored with {facts.plan.precision} products of frozen weights; exported \
in float32 |
| data | {"kept at the sites" if at_sites else own} |
| trained parameters | {facts.num_trained_parameters:,} of {facts.num_parameters:,} \
({facts.num_head_parameters:,} of them in the head) |
| traffic until then | {card.bytes_down:,} bytes down, {card.bytes_up:,} bytes up, all clients |
{_score_rows(card)}{change}
## Use
{_base_note(card)}
```python
{load}```
{labels}"""


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
