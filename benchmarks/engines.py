"""Training speed of the engines beside a bare loop of PyTorch and peft, in turns in one process.

python benchmarks/engines.py --length 128 --batch 8 --clients 10 --steps 10 --repeats 5

The clients of one round of ``lora`` on MiniLM: the same batches, steps and start for everybody.
Texts are 20 Newsgroups (length above 64) or SemEval-2010 Task 8 where $FEDERA_DATA has them, else
the built-in corpus. Ratios are medians of the ratios to ``bare, longest`` within a turn. FLOPs are
counted on the bare loop with torch's counter, padding to the longest window included, and set
against the matrix products of this machine, which are measured in the same turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from federa.config import RunConfig
from federa.measure import PeakMemory
from federa.preparation import prepare
from federa.types import Upload

sys.path.insert(0, str(Path(__file__).parent / "peers"))
import bare
from work import read_work, write_work

Turn = Callable[[], Any]
PRECISIONS = ("fp32", "bf16")


def configure(options: argparse.Namespace, precision: str, engine: str) -> RunConfig:
    """One round of plain LoRA."""
    data: Any = "servicedesk"
    if "FEDERA_DATA" in os.environ:
        short = {"name": "semeval2010task8"}
        data = short if options.length <= 64 else {"name": "20newsgroups"}
    return RunConfig.parse(
        {
            "data": data,
            "method": "lora",
            "partition": "iid",
            "federation": {"num_clients": options.clients, "num_rounds": 1},
            "train": {
                "max_steps": options.steps,
                "epochs": None,
                "batch_size": options.batch,
                "max_length": options.length,
                "learning_rate": 2e-3,
                "precision": precision,
            },
            "engine": {"name": engine, "threads": options.threads, "device": "cpu"},
        }
    )


def open_engine(options: argparse.Namespace, precision: str, engine: str) -> tuple[Any, ...]:
    config = configure(options, precision, engine)
    setup, state, *_ = prepare(config)
    work = {client: config.rule.download(state, client) for client in range(options.clients)}
    return config, setup, state, work, config.engine.open(setup)


def engine_turn(opened: tuple[Any, ...], memory: dict[str, int], name: str) -> Turn:
    *_, work, session = opened

    def turn() -> list[Upload]:
        peak = PeakMemory("cpu")
        answers = list(session.train(0, work))
        assert all(isinstance(answer, Upload) for answer in answers), answers
        memory[name] = (peak.read() or 0) + session.other_peak_bytes()
        return answers

    return turn


def product_rate(dtype: torch.dtype, threads: int) -> float:
    """FLOP/s of a product of a model's size, on all threads."""
    torch.set_num_threads(threads)
    x, w = torch.randn(1024, 384, dtype=dtype), torch.randn(1536, 384, dtype=dtype)
    torch.nn.functional.linear(x, w)
    began = time.perf_counter()
    for _ in range(50):
        torch.nn.functional.linear(x, w)
    return 50 * 2 * x.shape[0] * w.numel() / (time.perf_counter() - began)


def update_difference(found: list[Upload], wanted: list[Upload], start: Any) -> float:
    """The largest ||found - wanted|| / ||wanted - start|| over the clients."""
    worst = 0.0
    by_client = {upload.client: upload.params for upload in found}
    for upload in wanted:
        pairs = [(by_client[upload.client][n], v, start[n]) for n, v in upload.params.items()]
        apart = sum(float((a - b).square().sum()) for a, b, _ in pairs)
        worst = max(worst, (apart / sum(float((b - s).square().sum()) for _, b, s in pairs)) ** 0.5)
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    memory: dict[str, int] = {}
    opened = {
        f"{engine}, {precision}": open_engine(options, precision, engine)
        for precision in PRECISIONS
        for engine in ("cohort", "sequential")
    }
    config, setup, state, *_ = opened["sequential, fp32"]
    folder = Path(tempfile.mkdtemp())
    write_work(setup, config, folder)
    work = read_work(folder)
    model, params = bare.build_model(work), work.start()
    turns: dict[str, Turn] = {
        "bare, longest": lambda: bare.train_round(work, model, params, 0),
        "bare, maximum": lambda: bare.train_round(work, model, params, 0, work.max_length),
        **{name: engine_turn(parts, memory, name) for name, parts in opened.items()},
    }
    torch.set_num_threads(options.threads)
    with FlopCounterMode(display=False) as counter:
        turns["bare, longest"]()
    flops = counter.get_total_flops()
    answers = {name: turns[name]() for name in opened}
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    rates: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for number in range(options.repeats):
        print(f"turn {number + 1} of {options.repeats}", file=sys.stderr)
        for name, turn in turns.items():
            torch.set_num_threads(options.threads)
            began = time.perf_counter()
            turn()
            seconds[name].append(time.perf_counter() - began)
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            rates[precision].append(product_rate(dtype, options.threads))
    report(options, opened, seconds, memory, rates, flops, answers, work, state.params)
    for *_, session in opened.values():
        session.close()


def report(
    options: argparse.Namespace,
    opened: dict[str, Any],
    seconds: dict[str, list[float]],
    memory: dict[str, int],
    rates: dict[str, list[float]],
    flops: int,
    answers: dict[str, list[Upload]],
    work: Any,
    start: Any,
) -> None:
    """Print the table."""
    examples = sum(len(rows) for steps in work.steps.values() for rows in steps)
    plan = opened["cohort, bf16"][1].plan
    rate = {precision: statistics.median(found) for precision, found in rates.items()}
    print(
        f"{options.length} tokens at most, batch {options.batch}, {options.clients} clients x "
        f"{options.steps} steps, {examples} examples of {flops / examples / 1e9:.2f} GFLOP; "
        f"{plan.reasons[-1]}; products fp32 {rate['fp32'] / 1e9:.0f}, bf16 "
        f"{rate['bf16'] / 1e9:.0f} GFLOP/s\n"
    )
    print("| | seconds | examples/s | of bare | lowest, highest | of its products' rate | memory |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, own in seconds.items():
        ratios = [b / o for b, o in zip(seconds["bare, longest"], own, strict=True)]
        median = statistics.median(own)
        achieved = flops / median / rate["bf16" if name.endswith("bf16") else "fp32"]
        held = f"{memory[name] / 1e6:.0f} MB" if name in memory else ""
        print(
            f"| {name} | {median:.2f} | {examples / median:.1f} | {statistics.median(ratios):.2f} "
            f"| {min(ratios):.2f}, {max(ratios):.2f} | {achieved:.2f} | {held} |"
        )
    reference = answers["sequential, fp32"]
    apart = {
        name: f"{update_difference(found, reference, start):.1e}"
        for name, found in answers.items()
        if found is not reference
    }
    print("\nupdates against `sequential, fp32`, relative: " + json.dumps(apart))


if __name__ == "__main__":
    main()
