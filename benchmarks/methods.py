"""What a round costs a client under each method: seconds, memory, parameters, bytes.

python benchmarks/methods.py [--steps 10] [--repeats 7] [--threads 2] [--precision auto]

One client of the SemEval recipe (of the built-in corpus without $FEDERA_DATA) trains --steps
batches. Seconds: the methods take turns in one process, --repeats times; medians, and medians of
the ratios to `full` within a turn. Memory: peak resident memory of a process of its own while it
trains, and by how much that is above what it held before (activations, gradients, optimiser).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from federa.config import RunConfig
from federa.engines.sequential import SequentialSession
from federa.measure import PeakMemory, count_bytes
from federa.methods import METHODS
from federa.preparation import prepare
from federa.registry import names
from federa.types import ServerState, Upload

RECIPE = Path(__file__).parents[1] / "recipes" / "semeval2010task8-minilm.yaml"


def configure(method: str, options: argparse.Namespace) -> RunConfig:
    changes = [
        f"method={method}",
        f"train.precision={options.precision}",
        f"engine.threads={options.threads}",
        "engine.device=cpu",
        f"train.max_steps={options.steps}",
        "train.epochs=null",
    ]
    if "FEDERA_DATA" not in os.environ:
        changes += ["data=servicedesk", "evaluation.splits=[validation]"]
    return RunConfig.load(RECIPE, changes)


def open_method(
    method: str, options: argparse.Namespace
) -> tuple[RunConfig, SequentialSession, ServerState]:
    config = configure(method, options)
    setup, state, *_ = prepare(config)
    return config, SequentialSession(setup), state


def train(config: RunConfig, session: SequentialSession, state: ServerState) -> Upload:
    (upload,) = session.train(0, {0: config.rule.download(state, 0)})
    assert isinstance(upload, Upload), upload
    return upload


def measure_memory(method: str, options: argparse.Namespace) -> None:
    """In a process of its own: resident bytes before the training and at its peak, as JSON."""
    config, session, state = open_method(method, options)
    before = PeakMemory("cpu").read()
    peak = PeakMemory("cpu")
    train(config, session, state)
    print(json.dumps({"before": before, "peak": peak.read()}))


def memory_of(method: str) -> dict[str, int]:
    command = [sys.executable, __file__, *sys.argv[1:], "--memory", method]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    content: dict[str, int] = json.loads(lines[-1])
    return content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        measure_memory(options.memory, options)
        return
    opened = {method: open_method(method, options) for method in names(METHODS)}
    seconds: dict[str, list[float]] = {method: [] for method in opened}
    uploads = {method: train(*parts) for method, parts in opened.items()}
    for turn in range(options.repeats):
        print(f"turn {turn + 1} of {options.repeats}", file=sys.stderr)
        for method, parts in opened.items():
            began = time.perf_counter()
            train(*parts)
            seconds[method].append(time.perf_counter() - began)
    print(
        "| method | precision | trained | without the head | bytes up | seconds | of full "
        "| peak memory | of it training |\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    for method, (_, session, state) in opened.items():
        layout, upload = state.layout, uploads[method]
        trained = sum(value.numel() for value in upload.params.values())
        head = sum(upload.params[name].numel() for name in layout.head)
        ratio = statistics.median(
            own / full for own, full in zip(seconds[method], seconds["full"], strict=True)
        )
        memory = memory_of(method)
        peak, rise = memory["peak"] / 1e6, (memory["peak"] - memory["before"]) / 1e6
        sent = count_bytes({"params": upload.params}, frozenset(layout.head)).serialised_bytes
        print(
            f"| {method} | {session.setup.plan.precision} | {trained:,} | {trained - head:,} "
            f"| {sent:,} | {statistics.median(seconds[method]):.2f} | {ratio:.2f} "
            f"| {peak:.0f} MB | {rise:.0f} MB |"
        )


if __name__ == "__main__":
    main()
