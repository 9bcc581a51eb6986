"""Which device computes, where nobody says."""

from __future__ import annotations


def default_device() -> str:
    """The first CUDA device if there is one, else the CPU."""
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"
