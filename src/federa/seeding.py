"""Randomness: every draw is a function of (seed, purpose, round, client)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    import torch


def derive(seed: int, purpose: str, round: int = 0, client: int = 0) -> int:
    """A 63-bit seed that depends on all four arguments and nothing else."""
    text = f"{seed}/{purpose}/{round}/{client}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(
    seed: int, purpose: str, round: int = 0, client: int = 0
) -> numpy.random.Generator:
    """A NumPy generator (PCG64) for one purpose."""
    import numpy

    return numpy.random.Generator(numpy.random.PCG64(derive(seed, purpose, round, client)))


def torch_generator(seed: int, purpose: str, round: int = 0, client: int = 0) -> torch.Generator:
    """A CPU torch generator for one purpose."""
    import torch

    return torch.Generator().manual_seed(derive(seed, purpose, round, client))


@contextmanager
def seeded_torch(seed: int, purpose: str, round: int = 0, client: int = 0) -> Iterator[None]:
    """Seed torch's own generators inside the block only, for libraries that draw from them."""
    import torch

    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = list(range(torch.cuda.device_count())) if used else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive(seed, purpose, round, client))
        yield
