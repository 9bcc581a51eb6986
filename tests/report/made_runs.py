"""Runs that nobody trained, with round numbers in their records, in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from federa.checkpoint import CLIENTS, CONFIG, END, ENVIRONMENT, FACTS, RECORDS, SUMMARY, RunFacts
from federa.config import RunConfig
from federa.measure import Bytes, ClientRecord, RoundRecord
from federa.report.findings import Findings
from federa.report.runs import PLACE, Run
from federa.training_cost import TrainingCost
from federa.types import ClientFailure, Plan

FIGURES = {
    "flops_per_token": 100.0,
    "flops_per_token_pair": 1.0,
    "flops_per_window": 10.0,
    "flops_per_step": 1000.0,
    "weight_bytes": 4000.0,
    "gradient_bytes": 400.0,
    "optimizer_bytes": 800.0,
    "activation_bytes_per_token": 10.0,
}
COST = TrainingCost(**{field.name: FIGURES.get(field.name, 0.0) for field in fields(TrainingCost)})
PEAK = 4000 + 400 + 800 + 10 * 8 * 64
"""Bytes at 8 windows of 64 tokens."""
WORK = {"num_steps": 2.0, "num_windows": 20.0, "num_tokens": 300.0, "num_token_pairs": 4800.0}
FLOPS = 100 * 300 + 1 * 4800 + 10 * 20 + 1000 * 2  # 37,000


def client(
    number: int,
    down: int = 1000,
    up: int | None = 500,
    *,
    first: bool = False,
    work: Mapping[str, float] = WORK,
) -> ClientRecord:
    """A client's part; a fifth of what it sends is the head's."""
    sent = None if up is None else Bytes(up - 50, up // 5, up)
    metrics = {} if up is None else {"loss": 1.0, **work}
    return ClientRecord(number, first, Bytes(down - 50, down // 5, down), sent, 10, metrics)


def rounds(
    scores: Sequence[float | None],
    clients: Sequence[ClientRecord] | None = None,
    failed: Sequence[int] = (),
) -> list[RoundRecord]:
    """A round a score, all with the same clients; None: not scored."""
    here = list(clients) if clients is not None else [client(0), client(1)]
    return [
        RoundRecord(
            number,
            clients=here,
            failures=[ClientFailure(who, "lost") for who in failed],
            scores={} if score is None else {"validation": {"accuracy": score}},
            measured_seconds={"train": 1.5, "total": 2.0},
        )
        for number, score in enumerate(scores, start=1)
    ]


def made_run(
    method: str = "federa",
    seed: int = 1,
    scores: Sequence[float | None] = (0.2, 0.5, 0.8, 0.8),
    *,
    setting: str = "skewed",
    name: str | None = None,
    test: float | None = 0.7,
    records: list[RoundRecord] | None = None,
    finished: bool = True,
    path: Path | None = None,
    config: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    summary: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    clients: dict[str, Any] | None = None,
) -> Run:
    """A run of ``method``; name: what its comparison calls the method; records: else of scores."""
    records = rounds(scores) if records is None else records
    best = max((one.scores for one in records if one.scores), key=_score, default={})
    final = (
        {**best, "test": {"accuracy": test, "macro_f1": test - 0.1, "loss": 1.0}} if test else best
    )
    told = {
        "main_score": "accuracy",
        "best": {"round": 1, "scores": final},
        "baseline": {"validation": 0.2, "test": 0.17},
        "search": None,
        **(summary or {}),
    }
    return Run(
        path=path or Path("runs") / setting / (name or method) / f"seed-{seed}",
        setting=setting,
        method=name or method,
        config=_config(method, seed, len(records), dict(config or {})),
        facts=_facts(dict(facts or {})),
        records=records,
        summary=told if finished else None,
        environment=dict(environment or {}),
        clients=clients,
    )


def said(findings: Findings) -> list[str]:
    """All notes, those of a setting with its name before them."""
    own = [f"{one.name}: {note}" for one in findings.settings for note in one.notes]
    return [*own, *findings.notes]


def _score(scores: Mapping[str, Any]) -> float:
    return float(scores["validation"]["accuracy"])


def _config(method: str, seed: int, num_rounds: int, changes: dict[str, Any]) -> RunConfig:
    content = {
        "name": "made",
        "seed": seed,
        "model": "minilm",
        "data": "semeval2010task8",
        "partition": {"name": "dirichlet", "alpha": 0.1},
        "method": method,
        "federation": {"num_clients": 4, "clients_per_round": 2, "num_rounds": max(1, num_rounds)},
        "train": {"batch_size": 8, "max_length": 64, "learning_rate": 0.01},
    }
    return RunConfig.parse({**content, **changes})


def _facts(changes: dict[str, Any]) -> RunFacts:
    content: dict[str, Any] = {
        "source": "a-model",
        "labels": ("x", "y"),
        "base_sha256": "b" * 64,
        "data_sha256": "d" * 64,
        "num_clients": 4,
        "num_train_examples": 480,
        "num_parameters": 1000,
        "num_trained_parameters": 100,
        "num_head_parameters": 20,
        "plan": Plan("cohort", "cpu", "fp32", 1),
        "cost": COST,
    }
    return RunFacts(**{**content, **changes})


def write_run(run: Run, path: Path) -> Path:
    """The small files of a run folder."""
    path.mkdir(parents=True)
    (path / CONFIG).write_text(run.config.to_yaml() + END, encoding="utf-8")
    (path / FACTS).write_text(run.facts.to_json(), encoding="utf-8")
    lines = "".join(record.to_json() + "\n" for record in run.records)
    (path / RECORDS).write_text(lines, encoding="utf-8")
    place = {"setting": run.setting, "method": run.method}
    others = {
        SUMMARY: run.summary,
        CLIENTS: run.clients,
        ENVIRONMENT: run.environment,
        PLACE: place,
    }
    for name, content in others.items():
        if content is not None:
            (path / name).write_text(json.dumps(content), encoding="utf-8")
    return path
