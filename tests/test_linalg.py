"""The factored algebra against dense float64 matrices."""

import pytest
import torch

from federa import linalg


def factors(
    seed: int, d_out: int = 7, d_in: int = 5, rank: int = 2
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(d_out, rank, generator=generator, dtype=torch.float64)
    right = torch.randn(rank, d_in, generator=generator, dtype=torch.float64)
    return left, right


def dense(product: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return product[0] @ product[1]


def test_stack_is_the_sum() -> None:
    parts = [factors(i) for i in range(3)]
    torch.testing.assert_close(dense(linalg.stack(parts)), sum(dense(part) for part in parts))


@pytest.mark.parametrize("rank", [1, 2, 5, 9])  # also more columns than the matrix has rows
def test_norm_and_svd_equal_the_dense_ones(rank: int) -> None:
    product = factors(4, rank=rank)
    matrix = dense(product)
    assert float(linalg.product_norm(product)) == pytest.approx(float(matrix.norm()), rel=1e-12)
    u, s, vh = linalg.product_svd(product)
    torch.testing.assert_close(u * s @ vh, matrix)
    wanted = torch.linalg.svdvals(matrix)
    torch.testing.assert_close(s[: len(wanted)], wanted[: len(s)], atol=1e-12, rtol=1e-10)


def test_truncate_gives_the_best_approximation_and_its_error() -> None:
    product = factors(5, rank=4)
    matrix = dense(product)
    cut, error = linalg.truncate(product, 2)
    values = torch.linalg.svdvals(matrix)
    assert error == pytest.approx(float(values[2:].norm() / values.norm()), rel=1e-9)
    lost = (matrix - dense(cut).double()).norm() / matrix.norm()
    assert float(lost) == pytest.approx(error, rel=1e-5)
    assert cut[0].dtype == torch.float32
    assert cut[0].shape == (7, 2)


def test_truncate_of_nothing_has_no_error() -> None:
    cut, error = linalg.truncate((torch.zeros(4, 2), torch.zeros(2, 3)), 1)
    assert error == 0.0
    assert not dense(cut).any()


def test_change_equals_the_difference_of_products() -> None:
    b, a = factors(6)
    b_start, a_start = factors(7)
    left, right = linalg.change(b, a, b_start, a_start)
    assert left.shape == (7, 4)
    torch.testing.assert_close(left @ right, b @ a - b_start @ a_start)


def test_change_from_a_zero_start_keeps_the_rank() -> None:
    b, a = factors(6)
    left, right = linalg.change(b, a, torch.zeros_like(b), a)
    assert left.shape == (7, 2)
    torch.testing.assert_close(left @ right, b @ a)


def test_change_survives_half_precision_better_than_the_plain_form() -> None:
    """In bf16, [B, B0] [A; -A0] loses what the two large products have in common."""
    generator = torch.Generator().manual_seed(1)
    b_start, a_start = (
        torch.randn(64, 8, generator=generator),
        torch.randn(8, 48, generator=generator),
    )
    b = b_start + 1e-2 * torch.randn(64, 8, generator=generator)
    a = a_start + 1e-2 * torch.randn(8, 48, generator=generator)
    exact = b.double() @ a.double() - b_start.double() @ a_start.double()

    def error(left: torch.Tensor, right: torch.Tensor) -> float:
        rounded = left.bfloat16().double() @ right.bfloat16().double()
        return float((rounded - exact).norm() / exact.norm())

    plain = error(torch.cat([b, b_start], 1), torch.cat([a, -a_start]))
    assert plain > 0.1
    assert error(*linalg.change(b, a, b_start, a_start)) < 0.01


def test_averaging_gap_equals_both_dense_forms() -> None:
    weights = [0.2, 0.5, 0.3]
    products = [factors(i) for i in range(3)]
    mean_b = sum(w * b for w, (b, _) in zip(weights, products, strict=True))
    mean_a = sum(w * a for w, (_, a) in zip(weights, products, strict=True))
    first = sum(w * dense(p) for w, p in zip(weights, products, strict=True)) - mean_b @ mean_a
    torch.testing.assert_close(dense(linalg.averaging_gap(products, weights)), first)


def test_sum_weighted_by_hand() -> None:
    total = linalg.sum_weighted([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 5.0])], [0.25, 0.75])
    assert total.tolist() == [2.5, 4.25]
