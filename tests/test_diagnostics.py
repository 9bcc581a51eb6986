"""Formulas of the diagnostics against their definitions, dense and in float64."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.linalg import subspace_angles

from dense import dense_drift_of, dense_variation
from federa.diagnostics import column_variation, dense_drift, factored_drift, mean_angle
from federa.linalg import Factors


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_variation_by_hand() -> None:
    weight = torch.tensor([[3.0, 1.0, 2.0], [4.0, 0.0, 0.0]])
    # (3, 4) becomes (6, 8), (1, 0) becomes (0, 1), (2, 0) becomes (-2, 0)
    move = torch.tensor([[3.0, -1.0, -4.0], [4.0, 1.0, 0.0]])
    magnitude, direction = column_variation(weight, (torch.eye(2) / 2, move), scaling=2.0)
    assert magnitude == pytest.approx((5 + 0 + 0) / 3)
    assert direction == pytest.approx((0 + 1 + 2) / 3)


@pytest.mark.parametrize("size", [10.0, 1.0, 1e-3])
def test_variation_equals_the_dense_one(size: float) -> None:
    weight, left, right = random(12, 9), random(12, 3, seed=1), size * random(3, 9, seed=2)
    weight[:, 4] = 0  # has no direction to turn from
    right[:, 7] = 0  # stays as it is
    right[:, 2] = 0
    weight[:, 2] = 0
    wanted = dense_variation(weight, weight + 0.5 * left @ right)
    assert column_variation(weight, (left, right), 0.5) == pytest.approx(wanted, rel=1e-9)


def test_a_column_may_become_zero() -> None:
    weight = torch.tensor([[3.0], [4.0]])
    assert column_variation(weight, (-weight, torch.ones(1, 1)), 1.0) == (5.0, 0.0)


def test_variation_of_a_tiny_change_keeps_its_digits() -> None:
    """1 - cos of an angle of 1e-9 is 5e-19, which float64 cannot tell from 1 - 1."""
    weight = torch.tensor([[2.0, 1.0], [0.0, 0.0]])
    move = torch.tensor([[0.0, 1e-9], [2e-9, 0.0]], dtype=torch.float64)
    found = column_variation(weight, (torch.eye(2, dtype=torch.float64), move), 1.0)
    assert found == pytest.approx((1e-9 / 2, 5e-19 / 2), rel=1e-6, abs=0)


def products(num_clients: int, seed: int = 5) -> list[Factors]:
    return [
        (random(7, 2, seed=seed + client), random(2, 6, seed=seed + 50 + client))
        for client in range(num_clients)
    ]


def test_both_drifts_equal_the_definition() -> None:
    moves, shares = products(4), [0.1, 0.2, 0.3, 0.4]
    dense = [left @ right for left, right in moves]
    wanted = dense_drift_of(dense, shares)
    assert factored_drift(moves, shares) == pytest.approx(wanted, rel=1e-9)
    assert dense_drift([[move] for move in dense], shares) == pytest.approx(wanted, rel=1e-9)
    in_parts = [[move[:3], move[3:].flatten()] for move in dense]
    assert dense_drift(in_parts, shares) == pytest.approx(wanted, rel=1e-9)


def test_drift_by_hand() -> None:
    one = torch.tensor([1.0, 0.0])
    other = torch.tensor([0.0, 1.0])
    assert dense_drift([[one], [other]], [0.5, 0.5]) == pytest.approx(math.sqrt(0.5))
    assert dense_drift([[one], [-one]], [0.5, 0.5]) == 1.0
    assert dense_drift([[one], [-one]], [0.75, 0.25]) == pytest.approx(math.sqrt(0.75))


def test_clients_that_move_alike_do_not_drift() -> None:
    """In the single precision of real updates too."""
    left, right = random(64, 4).float(), random(4, 48, seed=1).float()
    shares = [0.3, 0.33, 0.37]
    assert factored_drift([(left, right)] * 3, shares) == pytest.approx(0, abs=1e-6)
    assert dense_drift([[left @ right]] * 3, shares) == pytest.approx(0, abs=1e-6)


def test_there_is_no_drift_of_nothing() -> None:
    still = (random(5, 2), torch.zeros(2, 4, dtype=torch.float64))
    assert factored_drift([still, still], [0.5, 0.5]) is None
    assert dense_drift([[torch.zeros(3)], [torch.zeros(3)]], [0.5, 0.5]) is None


@pytest.mark.parametrize("degrees", [90.0, 60.0, 45.0, 10.0, 1.0, 1e-3, 1e-6, 0.0])
def test_a_known_rotation(degrees: float) -> None:
    """Both directions turn out of the space by the angle; the basis within it does not matter."""
    angle = math.radians(degrees)
    start = torch.eye(6, 2, dtype=torch.float64)
    turned = math.cos(angle) * start + math.sin(angle) * torch.eye(6, dtype=torch.float64)[:, 2:4]
    mixed = turned @ torch.tensor([[3.0, 1.0], [-2.0, 5.0]], dtype=torch.float64)
    assert mean_angle(mixed, start) == pytest.approx(degrees, rel=1e-6, abs=1e-13)
    assert mean_angle(start, mixed) == pytest.approx(degrees, rel=1e-6, abs=1e-13)


def test_the_mean_over_different_angles() -> None:
    """One direction stays, one turns by a right angle, one by 1e-5 degrees."""
    start = torch.eye(8, 3, dtype=torch.float64)
    other = torch.eye(8, dtype=torch.float64)[:, [0, 5, 2]]
    small = math.radians(1e-5)
    other[:, 2] = 0
    other[2, 2], other[7, 2] = math.cos(small), math.sin(small)
    assert mean_angle(other, start) == pytest.approx((90 + 1e-5) / 3, rel=1e-12)


def test_angles_equal_those_of_scipy() -> None:
    first, second = random(20, 4), random(20, 4, seed=1)
    wanted = math.degrees(subspace_angles(first.numpy(), second.numpy()).mean())
    assert mean_angle(first, second) == pytest.approx(wanted, rel=1e-9)


def test_a_space_of_zero_has_no_angle() -> None:
    some, none = random(6, 2), torch.zeros(6, 2)
    assert mean_angle(some, none) is None
    assert mean_angle(none, some) is None
