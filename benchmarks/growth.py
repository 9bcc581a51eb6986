"""What a run costs as it grows: in clients a round, clients in all, and rounds.

python benchmarks/growth.py [--part a,b,c] [--repeats 5] [--small]

a: 1 to 100 clients a round, each with 2 steps of 4 examples, ``lora`` on MiniLM with the engine
cohort, on SemEval-2010 Task 8 where $FEDERA_DATA has it, else on the built-in corpus. b: 10 to
100,000 clients in all, 10 a round, on 200,000 windows of 16 random tokens with a model of width 64.
c: whole runs of 1 to 1,000 rounds of 2 clients with that model, scored every 100 rounds.

Each row is a process of its own; seconds are medians. Memory is what the process holds, and in part
a its peak in a round and what its workers held beside it, as the records count them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy

from federa.checkpoint import LATEST, RunFolder
from federa.config import RunConfig
from federa.devices import use_plan
from federa.engines.workers import resident_bytes
from federa.experiment import run
from federa.local import LocalSetup
from federa.measure import RoundRecord
from federa.models import hash_encoder, quiet_transformers
from federa.partition.saved import write_split
from federa.planning import make_plan
from federa.preparation import data_hash, prepare
from federa.progress import Item, Silent
from federa.rounds import run_round
from federa.tasks.text_classification import EncodedTexts
from federa.tasks.windows import Windows
from federa.types import ServerState

Row = dict[str, Any]
Result = TypeVar("Result")

SIZES = {
    "a": (1, 2, 5, 10, 20, 50, 100),
    "b": (10, 100, 1000, 10_000, 100_000),
    "c": (1, 10, 100, 1000),
}
SMALL = {"a": (1, 2, 5), "b": (10, 100, 1000), "c": (1, 10)}
WINDOWS, LENGTH = 200_000, 16
MANY_ROUNDS = 10**6  # so that none is the last, which would be scored
WORDS = (
    *("the", "printer", "is", "out", "of", "paper", "reset", "my", "password", "new", "screen"),
    *("mail", "server", "room", "booking", "lost", "badge", "phone", "slow", "file", "deleted"),
)
LABELS = ("hardware", "software", "rooms")


def timed(turn: Callable[[], Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    found = turn()
    return found, time.perf_counter() - began


def save_tiny(folder: Path) -> str:
    """A BERT of width 64 with two layers and random weights, and its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    pieces = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=64,
    )
    torch.manual_seed(1)
    with quiet_transformers():
        BertModel(config).save_pretrained(folder)
        tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
        tokenizer.save_pretrained(folder)
    return str(folder)


def configure(options: argparse.Namespace, federation: dict[str, int], **changes: Any) -> RunConfig:
    given: dict[str, Any] = {
        "data": "servicedesk",
        "method": "lora",
        "partition": "iid",
        "federation": federation,
        "engine": {"name": "cohort", "threads": options.threads, "device": "cpu"},
    }
    return RunConfig.parse(given | changes)


def train_settings(options: argparse.Namespace, steps: int, batch: int, length: int) -> Row:
    return {
        "max_steps": steps,
        "epochs": None,
        "batch_size": batch,
        "max_length": length,
        "learning_rate": 2e-3,
        "precision": options.precision,
    }


# a: clients a round


def clients_per_round(options: argparse.Namespace, number: int) -> Row:
    root = os.environ.get("FEDERA_DATA")
    semeval = root is not None and (Path(root) / "semeval2010task8").is_dir()
    federation = {"num_clients": max(SIZES["a"]), "clients_per_round": number}
    config = configure(
        options,
        federation | {"num_rounds": MANY_ROUNDS},
        data="semeval2010task8" if semeval else "servicedesk",
        train=train_settings(options, 2, 4, 64),
        evaluation={"every": MANY_ROUNDS},
    )
    setup, state, *_ = prepare(config)
    session = config.engine.open(setup)
    records: list[RoundRecord] = []
    for _ in range(1 + options.repeats):
        state, record = run_round(config, setup, session, state, Silent())
        assert not record.failures, record.failures
        records.append(record)
    session.close()
    measured = [record.measured_seconds for record in records[1:]]
    total = statistics.median(seconds["total"] for seconds in measured)
    outside = statistics.median(seconds["total"] - seconds["train"] for seconds in measured)
    return {
        "clients a round": number,
        "plan": setup.plan.reasons[-1].replace(",", ";"),
        "seconds": f"{total:.3f}",
        "seconds a client": f"{total / number:.4f}",
        "of these outside training": f"{outside / number:.4f}",
        "peak memory": megabytes(max(record.peak_memory_bytes or 0 for record in records)),
    }


# b: clients in all


def random_examples(number: int) -> EncodedTexts:
    """Windows of random tokens, one an example."""
    rng = numpy.random.default_rng(1)
    offsets = numpy.arange(number + 1, dtype=numpy.int64)
    ids = rng.integers(5, 5 + len(WORDS), number * LENGTH, dtype=numpy.int32)
    windows = Windows(ids, offsets * LENGTH, offsets, pad_id=0)
    labels = rng.integers(0, len(LABELS), number)
    return EncodedTexts(windows, labels, LABELS, tuple(map(str, range(number))))


def make_setup(
    config: RunConfig, examples: EncodedTexts, number: int, seconds: dict[str, float]
) -> tuple[LocalSetup, ServerState]:
    """What ``federa.preparation.prepare`` makes, without texts; ``seconds`` gets what it took."""
    task, method = config.task, config.method
    model = task.build_model(config.model, LABELS, config.seed)
    base_hash, start = hash_encoder(model), method.start(model, config.seed)
    layout = method.attach(model, start)
    plan = make_plan(config)
    use_plan(plan)
    workers = min(plan.threads, 10)
    plan = replace(plan, workers=workers, clients=-(-10 // workers), max_tokens=1024)
    keys, rng = [LABELS[label] for label in examples.labels], numpy.random.default_rng(1)
    clients, seconds["iid split"] = timed(lambda: config.partition.split(keys, number, rng))
    _, seconds["its hash"] = timed(lambda: data_hash(examples, clients, {}))
    sizes = {client: len(rows) for client, rows in enumerate(clients)}
    state, seconds["rule's start"] = timed(lambda: config.rule.start(start, layout, sizes))
    setup = LocalSetup(
        source=config.model,
        labels=LABELS,
        task=task,
        method=method,
        rule=config.rule,
        train=config.train,
        num_rounds=MANY_ROUNDS,
        seed=config.seed,
        base_hash=base_hash,
        layout=layout,
        start=start,
        plan=plan,
        examples=examples,
        clients=tuple(clients),
        evaluation={},
    )
    return setup, state


def clients_in_all(options: argparse.Namespace, number: int) -> Row:
    examples = random_examples(WINDOWS // 100 if options.small else WINDOWS)
    table = {"id": list(examples.texts), "text": list(examples.texts)}
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = configure(
            options,
            {"num_clients": number, "clients_per_round": 10, "num_rounds": MANY_ROUNDS},
            model=save_tiny(folder / "model"),
            train=train_settings(options, 2, 2, LENGTH),
            evaluation={"every": MANY_ROUNDS},
        )
        before = resident_bytes()
        setup, state = make_setup(config, examples, number, seconds)
        session, seconds["engine opened"] = timed(lambda: config.engine.open(setup))
        prepared, held, met = resident_bytes(), [], {}
        for kind in ("a round", "a round, all met"):  # met: as late in a run
            totals = []
            for _ in range(1 + options.repeats):
                state, record = run_round(config, setup, session, state, Silent())
                assert not record.failures, record.failures
                totals.append(record.measured_seconds["total"])
                held.append(resident_bytes())
            met[kind] = statistics.median(totals[1:])
            state = replace(state, contacted=frozenset(range(number)))
        session.close()
        home, path = RunFolder(folder), folder / "split.json"
        saves = [timed(lambda: home.save_state(state))[1] for _ in range(options.repeats)]
        seconds |= met | {"state saved": statistics.median(saves)}
        _, seconds["split written"] = timed(lambda: write_split(path, table, setup.clients, None))
        files = {"state": (folder / LATEST).stat().st_size, "split file": path.stat().st_size}
    return {
        "clients in all": f"{number:,}",
        "examples of one": len(examples) // number,
        **{f"{what}, s": f"{found:.4f}" for what, found in seconds.items()},
        **{what: megabytes(size) for what, size in files.items()},
        "held before": megabytes(before),
        "prepared": megabytes(prepared),
        "after round 1": megabytes(held[0]),
        f"after round {len(held)}": megabytes(held[-1]),
    }


# c: rounds


class Watch(Silent):
    """Notes when each round was finished, and the memory then."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.measured: list[float] = []
        self.held: list[int] = []
        self.path: Path | None = None

    def started(self, config: RunConfig, facts: Any, folder: Path, done: int) -> None:
        self.path = folder

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        if round == 1:
            self.times.append(time.perf_counter())
        return arrivals

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        assert not record.failures, record.failures
        self.times.append(time.perf_counter())
        self.measured.append(record.measured_seconds["total"])
        self.held.append(resident_bytes())
        if record.round % 100 == 0:
            print(f"round {record.round}", file=sys.stderr, flush=True)


def write_rows(path: Path, number: int) -> None:
    """A table of short random texts."""
    draw = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        for row in range(number):
            writer.writerow((" ".join(draw.choices(WORDS, k=8)), LABELS[row % len(LABELS)]))


def rounds(options: argparse.Namespace, number: int) -> Row:
    watch = Watch()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.csv", 200)
        config = configure(
            options,
            {"num_clients": 2, "num_rounds": number},
            data={"name": "files", "train": str(folder / "rows.csv")},
            model=save_tiny(folder / "model"),
            train=train_settings(options, 1, 4, LENGTH),
            evaluation={"every": 100, "final": "best"},
        )
        result, seconds = timed(lambda: run(config, folder=folder / "runs", progress=watch))
        size = sum(path.stat().st_size for path in result.folder.rglob("*") if path.is_file())
        records = (result.folder / "rounds.jsonl").stat().st_size
    wall = numpy.diff(watch.times)
    tenth = max(1, number // 10)
    own = {
        f"{kind}, {place}": f"{statistics.median(part) * 1e3:.2f}"
        for kind, values in (("measured, ms", watch.measured), ("wall clock, ms", wall.tolist()))
        for place, part in (("first tenth", values[:tenth]), ("last tenth", values[-tenth:]))
    }
    return {
        "rounds": number,
        "whole run, s": f"{seconds:.1f}",
        **own,
        "run folder": megabytes(size),
        "of it rounds.jsonl": megabytes(records),
        "held after round 1": megabytes(watch.held[0]),
        "after the last": megabytes(watch.held[-1]),
    }


PARTS = {"a": clients_per_round, "b": clients_in_all, "c": rounds}


def megabytes(number: int) -> str:
    return f"{number / 1e6:.2f} MB" if number < 1e7 else f"{number / 1e6:.0f} MB"


def in_own_process(part: str, size: int) -> Row:
    command = [sys.executable, __file__, *sys.argv[1:], "--row", f"{part},{size}"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    content: Row = json.loads(lines.splitlines()[-1])
    return content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", default="a,b,c")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that are timed, in a and b")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--small", action="store_true", help="a few small sizes, to try it")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        part, size = options.row.split(",")
        print(json.dumps(PARTS[part](options, int(size))))
        return
    for part in options.part.split(","):
        heading = True
        for size in (SMALL if options.small else SIZES)[part]:
            print(f"{part}: {size}", file=sys.stderr)
            row = in_own_process(part, size)
            if heading:
                print("\n| " + " | ".join(row) + " |\n|" + "--:|" * len(row))
            heading = False
            print("| " + " | ".join(map(str, row.values())) + " |", flush=True)


if __name__ == "__main__":
    main()
