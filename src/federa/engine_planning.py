"""Which engine a new run gets, and how it shares the work: decided once, frozen into the plan."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from federa.engines import Auto, Cohort
from federa.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from federa.config import RunConfig
    from federa.tasks import Encoded
    from federa.types import Layout, Plan

MAX_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Of one forward and backward pass. On a GPU more adds nothing (``benchmarks/gpu.py``); on a CPU
384 to 1,300 made little difference with MiniLM, and more takes more memory."""
STEPS_IN_STACK = 4
"""Passes that a step of a stack is cut into: windows of like length are found among so many."""
GIB = 1 << 30


def plan_engine(
    config: RunConfig,
    plan: Plan,
    model: nn.Module,
    layout: Layout,
    examples: Encoded,
    num_clients: int,
) -> Plan:
    """``plan`` with the engine, workers, size of a stack and frozen layers that suit the run.

    model: attached, on its device.
    Raises: ConfigError if the cohort engine is asked for and cannot train this run.
    """
    engine = config.engine
    if not isinstance(engine, Auto | Cohort):
        return plan
    settings = engine if isinstance(engine, Cohort) else Cohort()
    _check(settings, plan)
    obstacle = _obstacle(config, settings, plan, model, layout, examples)
    if obstacle is not None:
        if isinstance(engine, Cohort):
            raise ConfigError(
                f"engine: cohort cannot train this run: {obstacle}; use auto or sequential"
            )
        reason = f"sequential: {obstacle}"
        return replace(plan, engine="sequential", reasons=(*plan.reasons, reason))
    per_round = config.federation.clients_per_round or num_clients
    return _shared(config, settings, plan, model, layout, examples, per_round)


def _check(settings: Cohort, plan: Plan) -> None:
    """Refuse workers that there cannot be."""
    from federa.engines.workers import can_fork

    if settings.workers in {"auto", 1}:
        return
    assert isinstance(settings.workers, int)
    if settings.workers > plan.threads:
        raise ConfigError(
            f"engine.workers: {settings.workers} exceeds the {plan.threads} of engine.threads; "
            "each has one"
        )
    if plan.device != "cpu" or not can_fork():
        raise ConfigError(
            f"engine.workers: {settings.workers} need a CPU and a system with fork (Linux); use 1"
        )


def _obstacle(
    config: RunConfig,
    settings: Cohort,
    plan: Plan,
    model: nn.Module,
    layout: Layout,
    examples: Encoded,
) -> str | None:
    """Why the clients of this run cannot be stacked, or None."""
    from federa.engines.stacking import inputs_of, mapped_modules

    if config.train.dropout:
        return "train.dropout draws for every client by itself"
    if config.train.gradient_checkpointing:
        return "train.gradient_checkpointing is for one client at a time"
    least = 1 if settings.workers == "auto" else settings.workers
    own = client_bytes(config, model, layout)
    if least * own > memory_bytes(settings, plan):
        many = "one client" if least == 1 else f"{least} clients, one a worker,"
        return (
            f"engine.memory_gib: {memory_bytes(settings, plan) / GIB:.2g} GiB do not hold {many} "
            f"of {config.method.name}, {own / GIB:.2g} GiB each"
        )
    batch = inputs_of(config.task, examples, plan.device)
    try:
        mapped = mapped_modules(model, layout.shared, batch)
    except ValueError as error:
        return str(error)
    if settings.compile and mapped:
        return f"engine.compile cannot compile {mapped[0]}, which is mapped over the clients"
    return None


def client_bytes(config: RunConfig, model: nn.Module, layout: Layout) -> int:
    """What a client takes in a stack: values, what was received, gradient, optimiser state."""
    trained = sum(model.get_parameter(name).nbytes for name in layout.shared)
    copies = 3 + (2 if config.train.optimizer == "adamw" else 1)
    return trained * (copies + ("plain_sgd" in config.rule.traits))


def memory_bytes(settings: Cohort, plan: Plan) -> int:
    """For the stacks of all workers: as asked, else a quarter of the device's memory."""
    import torch

    if settings.memory_gib is not None:
        return int(settings.memory_gib * GIB)
    if plan.device != "cpu":
        return int(torch.cuda.get_device_properties(plan.device).total_memory) // 4
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def _shared(
    config: RunConfig,
    settings: Cohort,
    plan: Plan,
    model: nn.Module,
    layout: Layout,
    examples: Encoded,
    per_round: int,
) -> Plan:
    from federa.engines.workers import can_fork
    from federa.frozen_prefix import num_frozen_layers

    fit = memory_bytes(settings, plan) // client_bytes(config, model, layout)
    on_cpu = plan.device == "cpu"
    if settings.workers != "auto":
        workers = settings.workers
    else:
        workers = min(plan.threads, per_round, fit) if on_cpu and can_fork() else 1
    max_tokens = MAX_TOKENS[plan.device.partition(":")[0]]
    if settings.clients != "auto":
        clients = settings.clients
    else:
        clients = _stack_size(config, max_tokens, examples) if _gains(config, on_cpu) else 1
    clients = max(1, min(clients, fit // workers, math.ceil(per_round / workers)))
    frozen = num_frozen_layers(model, layout.shared) if on_cpu and settings.cache_gib else 0
    parts = [f"stacks of up to {clients} clients"]
    if workers > 1:
        parts.append(f"{workers} processes of one thread")
    if frozen:
        parts.append(f"the first {frozen} layers computed once a text")
    return replace(
        plan,
        engine="cohort",
        workers=workers,
        clients=clients,
        max_tokens=max_tokens,
        frozen_layers=frozen,
        cache_bytes=int(settings.cache_gib * GIB),
        compile=settings.compile,
        reasons=(*plan.reasons, ", ".join(parts)),
    )


def _gains(config: RunConfig, on_cpu: bool) -> bool:
    """Whether a stack saves work: on a CPU, only where weights are frozen and thus shared."""
    return not on_cpu or "freezes" in config.method.traits


def _stack_size(config: RunConfig, max_tokens: int, examples: Encoded) -> int:
    """Clients whose step has enough windows to be cut by length into ``STEPS_IN_STACK`` passes."""
    batch_tokens = config.train.batch_size * float(examples.windows.lengths().mean())
    return math.ceil(STEPS_IN_STACK * max_tokens / batch_tokens)
