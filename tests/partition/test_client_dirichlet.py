"""Each client's own mixture: equal sizes, the mean is the prior, alpha sets the variance."""

from __future__ import annotations

from collections import Counter

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federa.partition import ClientDirichlet
from partition.splitting import adversarial, alphas, assert_sound, relaxed, seeds, split

KEYS = ["a"] * 5000 + ["b"] * 3000 + ["c"] * 2000
PRIOR = [0.5, 0.3, 0.2]


def _proportions(alpha: float, num_clients: int, seed: int) -> numpy.ndarray:
    """[num_clients, 3]"""
    parts = split(ClientDirichlet(alpha=alpha), KEYS, num_clients, seed)
    held = [Counter(KEYS[row] for row in part) for part in parts]
    return numpy.array([[counts[key] / counts.total() for key in "abc"] for counts in held])


@given(adversarial, alphas, st.data())
@relaxed
def test_sizes_differ_by_at_most_one(keys: list[str], alpha: float, data: st.DataObject) -> None:
    num_clients = data.draw(st.integers(1, len(keys)))
    parts = split(ClientDirichlet(alpha=alpha), keys, num_clients, data.draw(seeds))
    assert_sound(parts, len(keys), num_clients)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("alpha", [0.1, 1.0, 100.0])
def test_the_first_client_has_the_mean_and_variance_of_the_draw(alpha: float) -> None:
    # the first client is never short of rows: E[q] = p, Var[q] = p (1 - p) / (alpha + 1)
    found = numpy.array([_proportions(alpha, 100, seed)[0] for seed in range(400)])
    prior = numpy.array(PRIOR)
    variance = prior * (1 - prior) / (alpha + 1)
    error = numpy.sqrt(variance / 400)
    assert (abs(found.mean(axis=0) - prior) < 4 * error).all()
    assert found.var(axis=0) == pytest.approx(variance, rel=0.25)


@pytest.mark.parametrize("alpha", [0.01, 1.0, 1000.0])
def test_equal_clients_have_the_prior_on_average(alpha: float) -> None:
    # 100 clients of 100 rows hold everything, so the mean of their proportions is the prior
    assert _proportions(alpha, 100, 3).mean(axis=0) == pytest.approx(PRIOR, abs=1e-12)


def test_alpha_1000_is_near_iid() -> None:
    # standard deviation sqrt(0.25 / 1001) = 0.016; the last client's is larger, it takes the rest
    assert abs(_proportions(1000, 100, 0)[:90] - PRIOR).max() < 5 * 0.016 + 0.01


def test_alpha_one_hundredth_is_near_one_class_a_client() -> None:
    largest = _proportions(0.01, 100, 0).max(axis=1)
    assert numpy.median(largest) == 1.0
    assert (largest > 0.9).mean() > 0.9


def test_a_class_that_runs_out_is_made_up_from_the_others() -> None:
    # one class has 10 rows; whoever wants more of it gets rows of the other instead
    keys = ["rare"] * 10 + ["common"] * 90
    for seed in range(20):
        parts = split(ClientDirichlet(alpha=0.01), keys, 4, seed)
        assert_sound(parts, 100, 4)
        assert [len(part) for part in parts] == [25] * 4
