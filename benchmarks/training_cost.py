"""Whether counted operations foretell seconds, and counted bytes memory, for each method.

python benchmarks/training_cost.py [--steps 10] [--repeats 5] [--part seconds,memory]
    [--methods lora,full] [--set train.max_length=128]

seconds: one client of the SemEval recipe, as changed by --set, trains --steps batches in float32 on
one thread; the methods take turns in one process, --repeats times. Needs $FEDERA_DATA.
Counted operations, median CPU seconds (other work on the machine would show in those of a clock),
and both relative to `lora`, the seconds within a turn.
memory: counted bytes of a step of 8 texts of 128 tokens, for the models of site_memory.py, whose
results the measured ones are in.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from federa.config import RunConfig
from federa.engines.sequential import SequentialSession
from federa.methods import METHODS
from federa.models import locate
from federa.preparation import prepare
from federa.registry import names
from federa.training_cost import TrainingCost, Work, count_cost, plain_batch
from federa.types import ServerState, Upload

RECIPE = Path(__file__).parents[1] / "recipes" / "semeval2010task8-minilm.yaml"
BATCH_SIZE, LENGTH = 8, 128
MODELS = ("minilm", "roberta-base", "deberta-v3-base")
LABELS = tuple(f"label{number}" for number in range(20))


def counted(model: Any, config: RunConfig, source: str, labels: Any) -> TrainingCost:
    batch = plain_batch(config.task, source, labels, config.train.max_length)
    found = count_cost(model, config.task, config.train, batch)
    assert found is not None
    return found


def show(cells: list[Any]) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def open_method(
    method: str, options: argparse.Namespace
) -> tuple[RunConfig, SequentialSession, ServerState]:
    changes = [f"method={method}", "train.precision=fp32", "train.epochs=null"]
    changes += [f"train.max_steps={options.steps}", "engine={name: sequential, device: cpu}"]
    config = RunConfig.load(RECIPE, [*changes, "engine.threads=1", *options.set])
    setup, state, *_ = prepare(config)
    return config, SequentialSession(setup), state


def train(config: RunConfig, session: SequentialSession, state: ServerState) -> Upload:
    (upload,) = session.train(0, {0: config.rule.download(state, 0)})
    assert isinstance(upload, Upload), upload
    return upload


def compare_seconds(options: argparse.Namespace) -> None:
    opened = {name: open_method(name, options) for name in options.methods.split(",")}
    flops, seconds = {}, {method: [] for method in opened}
    for method, (config, session, state) in opened.items():
        setup = session.setup
        cost = counted(session.model, config, setup.source, setup.labels)
        metrics = train(config, session, state).metrics
        flops[method] = cost.flops(Work(**{f.name: metrics[f.name] for f in fields(Work)}))
    for turn in range(options.repeats):
        print(f"turn {turn + 1} of {options.repeats}", file=sys.stderr)
        for method, parts in opened.items():
            began = time.process_time()
            train(*parts)
            seconds[method].append(time.process_time() - began)
    show(
        [
            "method",
            "counted GFLOP",
            "CPU seconds",
            "GFLOP/s",
            "counted, of lora",
            "seconds, of lora",
        ]
    )
    print("|---|--:|--:|--:|--:|--:|")
    for method, taken in seconds.items():
        ratios = [own / lora for own, lora in zip(taken, seconds["lora"], strict=True)]
        middle = statistics.median(taken)
        spread = f"({min(ratios):.2f}, {max(ratios):.2f})"
        show(
            [
                method,
                f"{flops[method] / 1e9:.1f}",
                f"{middle:.2f}",
                f"{flops[method] / middle / 1e9:.0f}",
                f"{flops[method] / flops['lora']:.2f}",
                f"{statistics.median(ratios):.2f} {spread}",
            ]
        )


def count_memory() -> None:
    from site_memory import METHODS as MEASURED
    from site_memory import save_model

    parts = ["weights", "gradients", "optimiser", "activations", "all", "recomputed"]
    show(["model", "method", *(f"{part}, MB" for part in parts)])
    print("|---|---|" + "--:|" * len(parts))
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            source = locate(save_model(name, Path(folder) / "model"))
            for method in MEASURED:
                plain, recomputed = (cost_of(source, method, again) for again in (False, True))
                shape = BATCH_SIZE, LENGTH
                sizes = [plain.weight_bytes, plain.gradient_bytes, plain.optimizer_bytes]
                sizes += [plain.activation_bytes(*shape), plain.peak_bytes(*shape)]
                sizes.append(recomputed.peak_bytes(*shape))
                show([name, method, *(f"{size / 1e6:,.0f}" for size in sizes)])


def cost_of(source: str, method: str, again: bool) -> TrainingCost:
    from federa.recomputation import recompute_layers

    train_config = {"precision": "fp32", "max_length": LENGTH, "gradient_checkpointing": again}
    config = RunConfig.parse(
        {"model": source, "data": "servicedesk", "method": method, "train": train_config}
    )
    model = config.task.build_model(source, LABELS, 1)
    config.method.attach(model, config.method.start(model, 1))
    if again:
        recompute_layers(model)
    return counted(model, config, source, LABELS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--part", default="seconds,memory")
    parser.add_argument("--methods", default=",".join(names(METHODS)))
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    parts = options.part.split(",")
    if "seconds" in parts:
        compare_seconds(options)
    if "memory" in parts:
        count_memory()


if __name__ == "__main__":
    main()
