"""Measuring the present machine as a device: training steps against their counted operations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from itertools import count
from typing import TYPE_CHECKING

from federa.config import RunConfig
from federa.devices import default_device
from federa.environment import processor
from federa.errors import ModelError
from federa.local import LocalSetup, train_client, with_data
from federa.preparation import prepare
from federa.profiles import Device
from federa.profiles.machine import PowerMeter, available_bytes, find_meter
from federa.training_cost import TrainingCost, Work
from federa.types import Download

if TYPE_CHECKING:
    from torch import nn

MIN_TURNS = 3
STEPS, BATCH_SIZE, MAX_LENGTH = 8, 8, 64
PRODUCTS = 3
SIDES = {"cpu": 2048, "cuda": 8192}
"""Rows and columns of the matrices whose product is taken for the peak."""
IDLE_SECONDS = 2.0
SETTLING_SECONDS, POWER_SECONDS = 2.0, 5.0
"""Of training before its power is read, and while it is.

NVIDIA's cards since Ampere, the A100 apart, tell the mean of the last second: NVML,
nvmlDeviceGetPowerUsage.
"""
Note = Callable[[str], None]


@dataclass(frozen=True)
class Trainer:
    """A model that is trained as a client of a run would train it."""

    setup: LocalSetup
    model: nn.Module
    download: Download
    cost: TrainingCost

    def turn(self, number: int) -> float:
        """Counted floating-point operations a second of one client's round."""
        began = time.perf_counter()
        upload = train_client(self.setup, self.model, number, 0, self.download)
        seconds = time.perf_counter() - began
        work = Work(**{field.name: upload.metrics[field.name] for field in fields(Work)})
        return self.cost.flops(work) / seconds


def calibrate(
    name: str,
    model: str = "minilm",
    threads: int | None = None,
    seconds: float = 30.0,
    note: Note = lambda _: None,
) -> Device:
    """The present machine, as the device ``name``: its CUDA device if it has one, else its CPU.

    Rounds of one client (LoRA, float32, the built-in corpus) and large matrix products take turns
    for ``seconds``, three times at least. Peak: median rate of the products; efficiency: median
    ratio of the two within a turn; memory: what is free before anything is loaded; power: where it
    can be read, over some seconds of rounds alone that follow. note: told what goes on.
    Raises: ConfigError, ModelError.
    """
    device = default_device()
    memory_bytes = _free_bytes(device)
    note("loading the model and the built-in corpus")
    trainer = prepare_trainer(model, threads)
    meter = find_meter(_gpu_id(device))
    idle_watts = _idle_watts(meter)
    trainer.turn(0)  # the first makes plans and takes memory
    turns = _take_turns(trainer, device, seconds, note)
    power_watts = _training_watts(trainer, meter)
    if power_watts is None:
        note("power: nothing that can be read here tells it, so no energy is modelled; add")
        note("power_watts and idle_watts to the file if you know them")
    return Device(
        name=name,
        peak_flops_per_second=_digits(statistics.median(product for product, _ in turns)),
        efficiency=_digits(min(1.0, statistics.median(rate / product for product, rate in turns))),
        memory_bytes=memory_bytes,
        power_watts=None if power_watts is None else _digits(power_watts),
        idle_watts=None if idle_watts is None else _digits(idle_watts),
        source=_source(device, model, trainer.setup.plan.threads, len(turns), meter),
    )


def prepare_trainer(model: str, threads: int | None) -> Trainer:
    """A client with the whole built-in corpus, and what its training costs.

    Raises: ConfigError, ModelError.
    """
    train = {"precision": "fp32", "batch_size": BATCH_SIZE, "max_length": MAX_LENGTH}
    config = RunConfig.parse(
        {
            "model": model,
            "data": "servicedesk",
            "partition": "iid",
            "method": "lora",
            "federation": {"num_clients": 1},
            "train": {**train, "max_steps": STEPS, "learning_rate": 1e-4},
            "engine": {"name": "sequential", "threads": threads or "auto"},
        }
    )
    shared, state, facts, _ = prepare(config)
    if facts.cost is None:
        raise ModelError(f"model: what a step of {model} costs cannot be counted; take another")
    setup = with_data(shared)
    adapted, _ = setup.build()
    return Trainer(setup, adapted, setup.rule.download(state, 0), facts.cost)


def _take_turns(
    trainer: Trainer, device: str, seconds: float, note: Note
) -> list[tuple[float, float]]:
    """Rates of products and of training, in turns, so that other load on the machine meets both."""
    turns: list[tuple[float, float]] = []
    until = time.monotonic() + seconds
    while len(turns) < MIN_TURNS or time.monotonic() < until:
        product = _product_rate(device)
        turns.append((product, trainer.turn(len(turns) + 1)))
        note(
            f"turn {len(turns)}: product {product / 1e9:,.0f} GFLOP/s, "
            f"training {turns[-1][1] / 1e9:,.0f} GFLOP/s"
        )
    return turns


def _product_rate(device: str) -> float:
    """Floating-point operations a second of a product of large float32 matrices, at best."""
    import torch

    kind = device.partition(":")[0]
    side = SIDES[kind]
    a, b = (torch.ones(side, side, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(PRODUCTS):
        began = time.perf_counter()
        a @ b
        if kind == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def _digits(value: float) -> float:
    """Three digits, which is more than is repeatable."""
    return float(f"{value:.3g}")


def _free_bytes(device: str) -> int:
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    return available_bytes()


def _gpu_id(device: str) -> str | None:
    """What nvidia-smi knows a CUDA device by."""
    import torch

    if not device.startswith("cuda"):
        return None
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def _idle_watts(meter: PowerMeter | None) -> float | None:
    if meter is None:
        return None
    meter.start()
    time.sleep(IDLE_SECONDS)
    return meter.stop()


def _training_watts(trainer: Trainer, meter: PowerMeter | None) -> float | None:
    """Mean power of rounds one after another, with no products among them."""
    if meter is None:
        return None
    _train_for(trainer, SETTLING_SECONDS)
    meter.start()
    _train_for(trainer, POWER_SECONDS)
    return meter.stop()


def _train_for(trainer: Trainer, seconds: float) -> None:
    """Rounds until so many seconds are over, one at least."""
    until = time.monotonic() + seconds
    for number in count():
        trainer.turn(number)
        if time.monotonic() >= until:
            return


def _source(device: str, model: str, threads: int, num_turns: int, meter: PowerMeter | None) -> str:
    """What was measured, on what and how."""
    import torch

    where = f"{processor()}, {threads} threads"
    if device.startswith("cuda"):
        where = torch.cuda.get_device_name(device)
    power = "" if meter is None else f"; power: {meter.what}"
    return (
        f"federa profile calibrate, {date.today():%Y-%m-%d}, {where}: LoRA on {model}, batches of "
        f"{BATCH_SIZE}, medians of {num_turns} turns{power}"
    )
