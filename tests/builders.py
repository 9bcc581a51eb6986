"""Small runs on tiny models, shared by the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from federa.config import RunConfig
from federa.tasks import TextClassification

load_classifier = TextClassification().build_model


def write_tiny_table(path: Path) -> Path:
    """A CSV of 120 short texts with 3 labels that one word decides, and a site column."""
    words = ["printer", "password", "screen"]
    lines = ["text,label,site"]
    for row in range(120):
        word = words[row % 3]
        lines.append(f"please the {word} number {row} again,{word},site{row % 5}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tiny_config(model: str, table: Path, **changes: Any) -> RunConfig:
    """Six clients, three a round, three rounds of two steps; ``changes`` replace whole sections."""
    content: dict[str, Any] = {
        "name": "tiny",
        "seed": 3,
        "model": model,
        "data": {"name": "files", "train": str(table)},
        "partition": {"name": "dirichlet", "alpha": 1.0, "min_examples": 4},
        "method": {"name": "federa", "rank": 4},
        "federation": {"num_clients": 6, "clients_per_round": 3, "num_rounds": 3},
        "train": {"max_steps": 2, "batch_size": 4, "max_length": 24, "learning_rate": 0.01},
        "engine": {"name": "sequential", "threads": 1, "device": "cpu"},
    }
    content |= changes
    # float32 on every machine, so that tolerances mean the same everywhere
    content["train"] = {"precision": "fp32", **content["train"]}
    return RunConfig.parse(content)


def write_tiny_sentences(path: Path) -> Path:
    """JSON lines of 90 tagged sentences: printer and screen are THINGs, room and folder PLACEs."""
    rows = []
    for row in range(90):
        thing, place = ("printer", "screen")[row % 2], ("room", "folder")[row // 2 % 2]
        words = ["the", "new", thing, "is", "out", "of", "the", place, "again", str(row)]
        tags = ["O", "B-THING", "I-THING", "O", "O", "O", "O", "B-PLACE", "O", "O"]
        rows.append({"id": f"s{row}", "words": words, "tags": tags, "site": f"site{row % 5}"})
    return _write_rows(path, rows)


def write_tiny_questions(path: Path) -> Path:
    """JSON lines of 90 questions on 45 passages, some longer than a window of 40 tokens."""
    rows = []
    for number in range(45):
        filler = "please restore the copy of the file " * (number % 3 * 3)
        context = f"the printer {number} is in the room {number + 7}. {filler}my badge is lost."
        for question, answer in (("the printer is in", f"room {number + 7}"), ("my badge", "lost")):
            found = [{"text": answer, "start": context.index(answer)}]
            name = f"q{number}-{len(rows)}"
            rows.append({"id": name, "question": question, "context": context, "answers": found})
    return _write_rows(path, rows)


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tiny_task_config(task: str, model: str, folder: Path, **changes: Any) -> RunConfig:
    """A tiny run of a task; its data are written to ``folder``."""
    if task == "token_classification":
        table, settings = write_tiny_sentences(folder / "sentences.jsonl"), {"stride": 4}
    else:
        table, settings = (
            write_tiny_questions(folder / "questions.jsonl"),
            {
                "stride": 8,
                "max_question_tokens": 12,
            },
        )
    content: dict[str, Any] = {
        "task": {"name": task, **settings},
        "data": {"name": "files", "train": str(table)},
        "partition": "iid",
        "federation": {"num_clients": 3, "num_rounds": 2},
        "train": {"max_steps": 4, "batch_size": 8, "max_length": 40, "learning_rate": 0.01},
    }
    return tiny_config(model, table, **{**content, **changes})
