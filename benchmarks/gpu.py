"""Training speed on a GPU: the sequential engine and stacks of 1 to 64 clients.

python benchmarks/gpu.py [--models roberta-base,deberta-v3-base] [--batches 8,32] [--tokens 16384]

Shapes of the published models with random weights, texts of 128 random tokens, FeDeRA of rank 8 on
query and value, the head trained too, bf16 products of frozen weights. Examples a second are
medians over turns; the fraction of peak is the FLOPs of the sequential engine's step, counted by
torch, against an 8192 x 8192 x 8192 product in bf16 in the same call. Needs no flwr and no data.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel

from federa.devices import use_plan
from federa.engines.sequential import SequentialSession
from federa.engines.stacked_training import Work
from federa.engines.stacked_worker import StackedWorker
from federa.local import LocalSetup, batches
from federa.methods import Federa
from federa.models import hash_encoder, quiet_transformers
from federa.rules import FedAvg
from federa.tasks import TextClassification
from federa.tasks.text_classification import EncodedTexts
from federa.tasks.windows import Windows
from federa.train_config import TrainConfig
from federa.types import Plan, Upload

LENGTH, LABELS = 128, 20
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "roberta-base": (
        "roberta",
        {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
    ),
    "deberta-v3-base": (
        "deberta-v2",
        {
            "vocab_size": 128100,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "max_position_embeddings": 512,
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "pooler_hidden_size": 768,
        },
    ),
}


def save_model(name: str, folder: Path) -> str:
    """A model of the published shape with random weights."""
    kind, shape = SHAPES[name]
    torch.manual_seed(1)
    with quiet_transformers():
        AutoModel.from_config(AutoConfig.for_model(kind, **shape)).save_pretrained(folder)
    return str(folder)


def make_setup(
    source: str, batch: int, clients: int, steps: int, options: argparse.Namespace
) -> LocalSetup:
    """Clients of equal size on random texts of full length."""
    rng = numpy.random.default_rng(1)
    number = clients * steps * batch
    ids = rng.integers(5, 50000, number * LENGTH, dtype=numpy.int32)
    offsets = numpy.arange(number + 1, dtype=numpy.int64)
    windows = Windows(ids, offsets * LENGTH, offsets, pad_id=1)
    labels = rng.integers(0, LABELS, number)
    names = tuple(map(str, range(LABELS)))
    examples = EncodedTexts(windows, labels, names, ("",) * number)
    task, method = TextClassification(), Federa(rank=8, solver="exact")
    plan = Plan(
        "cohort",
        "cuda:0",
        "bf16",
        4,
        clients=clients,
        max_tokens=options.tokens,
        compile=options.compile,
    )
    use_plan(plan)
    model = task.build_model(source, names, 1)
    base_hash, start = hash_encoder(model), method.start(model.to("cuda:0"), 1)
    return LocalSetup(
        source=source,
        labels=names,
        task=task,
        method=method,
        rule=FedAvg(),
        train=TrainConfig(learning_rate=1e-3, batch_size=batch, max_length=LENGTH),
        num_rounds=1,
        seed=1,
        base_hash=base_hash,
        layout=method.attach(model, start),
        start=start,
        plan=plan,
        examples=examples,
        clients=tuple(numpy.split(numpy.arange(number), clients)),
        evaluation={},
    )


def seconds_of(turn: Callable[[], Any]) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    turn()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def difference(found: Any, wanted: Any, start: Any) -> float:
    """||found - wanted|| / ||wanted - start||."""
    apart = sum(float((found[name] - value).square().sum()) for name, value in wanted.items())
    move = sum(float((value - start[name]).square().sum()) for name, value in wanted.items())
    return (apart / move) ** 0.5


def train(worker: StackedWorker, group: list[Work]) -> None:
    answers = worker.train(0, group)
    assert all(isinstance(answer, Upload) for answer in answers), answers[0]


def peak_rate() -> float:
    """FLOP/s of a large product in bf16."""
    x = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    for _ in range(3):
        x @ x
    return 10 * 2 * 8192**3 / seconds_of(lambda: [x @ x for _ in range(10)])


def measure(options: argparse.Namespace, name: str, source: str, batch: int) -> None:
    """One row a cohort."""
    setup = make_setup(source, batch, max(options.cohorts), options.steps, options)
    sequential, worker = SequentialSession(setup), StackedWorker(setup)
    work = {c: setup.rule.download(_State(setup.start), c) for c in range(max(options.cohorts))}
    group = [Work(c, work[c], list(batches(setup, 0, c))) for c in work]
    with FlopCounterMode(display=False) as counter:
        list(sequential.train(0, {0: work[0]}))
    per_example = counter.get_total_flops() / (options.steps * batch)
    peak = peak_rate()
    found: dict[int, list[float]] = {number: [] for number in options.cohorts}
    plain, memory = [], {}
    began = time.perf_counter()
    for number in options.cohorts:
        train(worker, group[:number])
    print(f"{name}: warmed up in {time.perf_counter() - began:.1f} s", flush=True)
    for _ in range(options.repeats):
        torch.cuda.reset_peak_memory_stats()
        plain.append(
            seconds_of(lambda: list(sequential.train(0, {c: work[c] for c in (0, 1)}))) / 2
        )
        memory[0] = torch.cuda.max_memory_allocated()
        for number in options.cohorts:
            torch.cuda.reset_peak_memory_stats()
            found[number].append(seconds_of(lambda n=number: train(worker, group[:n])))  # type: ignore[misc]
            memory[number] = torch.cuda.max_memory_allocated()
    alone = options.steps * batch / statistics.median(plain)
    wanted = {upload.client: upload.params for upload in sequential.train(0, {0: work[0]})}  # type: ignore[union-attr]
    (first, *_) = worker.train(0, group[: min(4, len(group))])
    assert isinstance(first, Upload)
    apart = difference(first.params, wanted[0], setup.start)
    print(
        f"{name}, batch {batch}, {per_example / 1e9:.1f} GFLOP an example, "
        f"product {peak / 1e12:.0f} TFLOP/s; update of a client among four against alone, both in "
        f"bf16: {apart:.1e} of its norm"
    )
    print("| clients | examples/s | of sequential | of peak | memory |\n|---|--:|--:|--:|--:|")
    rows = [("sequential", alone, memory[0])]
    for number, own in found.items():
        rate = number * options.steps * batch / statistics.median(own)
        rows.append((str(number), rate, memory[number]))
    for label, rate, held in rows:
        print(
            f"| {label} | {rate:,.0f} | {rate / alone:.2f} | {rate * per_example / peak:.3f} "
            f"| {held / 2**30:.1f} GiB |",
            flush=True,
        )


class _State:
    """As much of a server's state as a download needs."""

    def __init__(self, params: Any) -> None:
        self.params, self.base_change = params, {}


def profile(options: argparse.Namespace, source: str) -> None:
    """Where the time of a large stack goes."""
    setup = make_setup(source, 8, 32, 2, options)
    worker = StackedWorker(setup)
    work = {c: setup.rule.download(_State(setup.start), c) for c in range(32)}
    group = [Work(c, work[c], list(batches(setup, 0, c))) for c in work]
    train(worker, group)
    with torch.profiler.profile() as found:
        train(worker, group)
        torch.cuda.synchronize()
    print(
        found.key_averages().table(
            sort_by="self_cuda_time_total", row_limit=32, max_name_column_width=60
        )
    )


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(SHAPES))
    parser.add_argument("--batches", type=numbers, default=[8, 32])
    parser.add_argument("--cohorts", type=numbers, default=[1, 4, 8, 16, 32, 64])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=16384, help="of one pass")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}", flush=True)
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            source = save_model(name, Path(folder))
            if options.profile:
                profile(options, source)
                continue
            for batch in options.batches:
                measure(options, name, source, batch)
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
