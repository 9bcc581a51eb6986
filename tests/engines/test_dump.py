"""Tensors on their way between processes."""

import pickle

import pytest
import torch

from federa.engines.workers import dump


def bits(value: torch.Tensor) -> torch.Tensor:
    return value.contiguous().view(-1).view(torch.uint8) if value.dim() else value.reshape(1)


@pytest.mark.parametrize(
    "value",
    [
        torch.randn(3, 4),
        torch.randn(3, 4, dtype=torch.float64),
        torch.tensor([1 << 62, -1]),
        torch.tensor([True, False]),
        torch.empty(0, 3),
        torch.empty(0, dtype=torch.int64),
        torch.tensor(2.5),
        torch.tensor(7),
        torch.randn(4, 6).T,
        torch.randn(4, 6)[:, ::2],
        torch.randn(1, 3).expand(4, 3),
        torch.randn(3, 4).to(torch.bfloat16),
        torch.randn(4, 6).to(torch.bfloat16)[::2].T,
        torch.randn(3).half(),
        torch.tensor([float("nan"), float("inf"), -0.0]),
        torch.randn(3).requires_grad_(),
    ],
    ids=lambda value: f"{value.dtype} {list(value.shape)} {value.stride()}",
)
def test_tensors_survive(value: torch.Tensor) -> None:
    content = {"params": [value], "again": (value, 3), "text": "x"}
    found = pickle.loads(dump(content))
    assert (list(found), found["text"], found["again"][1]) == (list(content), "x", 3)
    tensor = found["params"][0]
    assert tensor is found["again"][0]
    assert (tensor.dtype, tensor.shape) == (value.dtype, value.shape)
    assert torch.equal(bits(tensor.detach()), bits(value.detach()))
    tensor.detach().contiguous().zero_()  # without a warning of memory that is not its own
