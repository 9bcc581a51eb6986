"""Solvers against a dense float64 SVD, on matrices with flat spectra like real ones."""

import math
from pathlib import Path

import pytest
import torch

from federa.errors import ConfigError, ModelError
from federa.methods import factorisation
from federa.methods.factorisation import factorise, factorise_cached


def flat_matrix(d_out: int = 96, d_in: int = 80, seed: int = 0) -> torch.Tensor:
    """A matrix whose neighbouring singular values differ by 0.5 %."""
    generator = torch.Generator().manual_seed(seed)
    u, _ = torch.linalg.qr(torch.randn(d_out, d_out, generator=generator, dtype=torch.float64))
    v, _ = torch.linalg.qr(torch.randn(d_in, d_in, generator=generator, dtype=torch.float64))
    s = 10 * 0.995 ** torch.arange(min(d_out, d_in), dtype=torch.float64)
    return (u[:, : len(s)] * s @ v[:, : len(s)].T).float()


def product_error(weight: torch.Tensor, found: factorisation.Triplets, rank: int) -> float:
    u, s, vh = torch.linalg.svd(weight.double(), full_matrices=False)
    best = u[:, :rank] * s[:rank] @ vh[:rank]
    return float(((found.u * found.s @ found.vh).double() - best).norm() / best.norm())


@pytest.mark.parametrize("solver", ["auto", "truncated", "exact"])
@pytest.mark.parametrize("shape", [(96, 80), (80, 96), (96, 96)])
def test_converged_solvers_find_the_leading_triplets(solver: str, shape: tuple[int, int]) -> None:
    weight = flat_matrix(*shape)
    found = factorise("w", weight, 6, solver, seed=0)
    assert product_error(weight, found, 6) < 1e-3
    torch.testing.assert_close(
        found.s.double(), torch.linalg.svdvals(weight.double())[:6], rtol=1e-5, atol=0
    )
    assert found.residual < 1e-5
    torch.testing.assert_close(found.u.T @ found.u, torch.eye(6), atol=1e-5, rtol=0)


def test_auto_takes_the_truncated_solver_for_a_small_rank_and_the_dense_one_otherwise() -> None:
    weight = flat_matrix()
    assert factorise("w", weight, 6, "auto", 0).solver == "truncated"
    assert factorise("w", weight, 40, "auto", 0).solver == "exact"


def test_a_solver_that_misses_its_tolerance_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = flat_matrix()
    monkeypatch.setattr(factorisation, "TOLERANCE", 0.0)
    found = factorise("w", weight, 6, "truncated", 0)
    assert found.solver == "exact"


def test_signs_are_fixed_so_the_largest_component_of_u_is_positive() -> None:
    found = factorise("w", flat_matrix(), 6, "auto", 0)
    peaks = found.u.gather(0, found.u.abs().argmax(0, keepdim=True))
    assert bool((peaks > 0).all())
    other = factorise("w", flat_matrix(), 6, "exact", 0)
    torch.testing.assert_close(found.u, other.u, atol=1e-3, rtol=0)


def test_the_randomised_solver_reports_how_far_off_it_is() -> None:
    weight = flat_matrix()
    found = factorise("w", weight, 6, "randomized", 0)
    exact = factorise("w", weight, 6, "exact", 0)
    assert found.residual > 100 * exact.residual
    again = factorise("w", weight, 6, "randomized", 0)
    assert torch.equal(found.u, again.u)


def test_rank_may_equal_the_matrix_and_a_zero_matrix_is_factored() -> None:
    weight = flat_matrix(12, 8)
    found = factorise("w", weight, 8, "auto", 0)
    torch.testing.assert_close(found.u * found.s @ found.vh, weight, atol=1e-5, rtol=0)
    zero = factorise("w", torch.zeros(12, 8), 1, "truncated", 0)
    assert zero.s.tolist() == [0.0]
    assert math.isfinite(zero.residual)


def test_errors_name_the_weight() -> None:
    with pytest.raises(ConfigError, match=r"method.rank: 9 exceeds 8.*layer.query"):
        factorise("layer.query", flat_matrix(12, 8), 9, "auto", 0)
    broken = flat_matrix(12, 8)
    broken[3, 3] = float("nan")
    with pytest.raises(ModelError, match=r"layer.query holds NaN"):
        factorise("layer.query", broken, 2, "auto", 0)


def test_the_cache_is_keyed_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path))
    weights = {"w": flat_matrix()}
    first = factorise_cached(weights, 4, "auto")
    (file,) = (tmp_path / "svd").iterdir()

    def fail(*_: object) -> None:
        raise AssertionError("factored again")

    with monkeypatch.context() as patch:
        patch.setattr(factorisation, "factorise", fail)
        second = factorise_cached(weights, 4, "auto")
    assert torch.equal(first[0].u, second[0].u)
    assert second[0].residual == first[0].residual
    factorise_cached({"w": flat_matrix(seed=1)}, 4, "auto")
    factorise_cached(weights, 5, "auto")
    assert len(list((tmp_path / "svd").iterdir())) == 3
    file.write_bytes(b"damaged")
    third = factorise_cached(weights, 4, "auto")
    assert torch.equal(first[0].vh, third[0].vh)


def test_an_unwritable_cache_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "file"))
    assert factorise_cached({"w": flat_matrix()}, 4, "auto")[0].s.shape == (4,)
