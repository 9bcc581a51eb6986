"""Every draw is a function of (seed, purpose, round, client) and of nothing else."""

from __future__ import annotations

import itertools
import random

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from federa.seeding import derive, numpy_generator, seeded_torch, torch_generator

KEYS = list(itertools.product((0, 1, 2**62), ("partition", "cohort"), (0, 1, 10), (0, 1, 10)))


def test_derive_is_pinned() -> None:
    # the first 8 bytes of SHA-256("1/partition/0/0"), halved: a change would alter every run
    assert derive(1, "partition") == 0x4ED48985374DB2C0
    assert derive(1, "cohort", 3, 7) == 0x43AB14F6CA2D4461


@given(
    seed=st.integers(0, 2**63 - 1),
    purpose=st.text(max_size=20),
    round=st.integers(0, 10**6),
    client=st.integers(0, 10**6),
)
def test_derive_fits_every_generator(seed: int, purpose: str, round: int, client: int) -> None:
    value = derive(seed, purpose, round, client)
    assert 0 <= value < 2**63
    assert value == derive(seed, purpose, round, client)


def test_every_argument_matters() -> None:
    assert len({derive(*key) for key in KEYS}) == len(KEYS)
    assert len({numpy_generator(*key).integers(2**63) for key in KEYS}) == len(KEYS)
    first = {int(torch.randint(2**62, (), generator=torch_generator(*key))) for key in KEYS}
    assert len(first) == len(KEYS)


def test_generators_neither_read_nor_move_the_global_state() -> None:
    def global_state() -> list[object]:
        return [
            random.getstate(),
            numpy.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
        ]

    draws = []
    for disturbance in (0, 5):
        random.seed(disturbance)
        numpy.random.seed(disturbance)
        torch.manual_seed(disturbance)
        before = global_state()
        numbers = numpy_generator(1, "a", 2, 3).integers(1000, size=3).tolist()
        draws.append(numbers + torch.rand(3, generator=torch_generator(1, "a", 2, 3)).tolist())
        assert global_state() == before
    assert draws[0] == draws[1]


def test_seeded_torch_seeds_inside_and_restores_outside() -> None:
    def inside() -> list[float]:
        with seeded_torch(1, "dropout", 2, 3):
            return torch.rand(3).tolist()

    torch.manual_seed(0)
    expected = torch.rand(2).tolist()
    torch.manual_seed(0)
    first = torch.rand(1).item()
    seeded = inside()
    assert [first, torch.rand(1).item()] == expected
    torch.manual_seed(99)
    assert inside() == seeded
    with seeded_torch(1, "dropout", 2, 4):
        assert torch.rand(3).tolist() != seeded


def test_seeded_torch_restores_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeded_torch(1, "dropout"):  # noqa: PT012
        torch.rand(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
