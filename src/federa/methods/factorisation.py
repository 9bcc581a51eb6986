"""Leading singular triplets of a pre-trained weight, converged, checked and reproducible.

The spectra of pre-trained projections are flat (neighbouring singular values differ by as
little as 0.15 %), so a solver that does not iterate to convergence returns other directions:
peft's ``pissa_niter_4`` and ``_16`` miss B0 A0 by 93 % and 51 % on MiniLM.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy
import scipy
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from federa.errors import ConfigError, FederaError, ModelError
from federa.files import cache_folder, write_atomically
from federa.seeding import derive, numpy_generator, seeded_torch

VERSION = 1
"""Of the cache's format; raise it when the algorithm changes."""
Solver = Literal["auto", "truncated", "exact", "randomized"]
TOLERANCE = 1e-4
"""Largest accepted ||W v - sigma u|| / sigma_1 of a truncated factorisation in float32."""


@dataclass(frozen=True)
class Triplets:
    """The R leading singular triplets: u [d_out, R], s [R] descending, vh [R, d_in], float32.

    residual: the largest ||W v - sigma u||, ||W^T u - sigma v|| over the triplets, relative to
    sigma_1; solver: the one that made them.
    """

    u: Tensor
    s: Tensor
    vh: Tensor
    residual: float
    solver: str


def factorise(name: str, weight: Tensor, rank: int, solver: Solver, seed: int) -> Triplets:
    """The leading ``rank`` singular triplets of ``weight`` [d_out, d_in].

    auto: truncated (ARPACK, run to convergence) on a CPU while the rank is small beside the
    matrix, else a dense SVD; a truncated result that fails or misses ``TOLERANCE`` is replaced
    by the dense one. Each u has its largest component positive.
    Raises: ConfigError if the rank exceeds the matrix; ModelError if the weight is not finite.
    """
    smallest = min(weight.shape)
    if rank > smallest:
        raise ConfigError(f"method.rank: {rank} exceeds {smallest}, the largest possible at {name}")
    if not bool(torch.isfinite(weight).all()):
        raise ModelError(f"model: the pre-trained weight {name} holds NaN or infinite values")
    weight = weight.detach().float()
    if solver == "auto":
        small = rank <= smallest // 8 and rank < smallest
        solver = "truncated" if small and weight.device.type == "cpu" else "exact"
    if solver == "truncated":
        found = _truncated(name, weight.cpu(), rank, seed)
        if found is not None and found.residual <= TOLERANCE:
            return found
        solver = "exact"
    if solver == "randomized":
        with seeded_torch(derive(seed, "svd"), name):
            u, s, v = torch.svd_lowrank(weight, q=min(rank + 8, smallest), niter=16)
        return _finish(weight, u[:, :rank], s[:rank], v[:, :rank].T, "randomized")
    u, s, vh = torch.linalg.svd(weight, full_matrices=False)
    return _finish(weight, u[:, :rank], s[:rank], vh[:rank], "exact")


def _truncated(name: str, weight: Tensor, rank: int, seed: int) -> Triplets | None:
    from scipy.sparse.linalg import ArpackError, svds
    from threadpoolctl import threadpool_limits

    matrix = weight.numpy()
    if rank >= min(matrix.shape) or not matrix.any():
        return None  # ARPACK accepts neither
    start = numpy_generator(derive(seed, "svd"), name).standard_normal(min(matrix.shape))
    try:
        # its products with one vector are too small to share: more BLAS threads make it slower
        with threadpool_limits(1, user_api="blas"):
            u, s, vh = svds(matrix, k=rank, v0=start.astype(numpy.float32), tol=0)
    except ArpackError:
        return None
    order = numpy.argsort(-s, kind="stable")  # svds returns them ascending
    u, s, vh = u[:, order].copy(), s[order].copy(), vh[order].copy()
    return _finish(
        weight, torch.from_numpy(u), torch.from_numpy(s), torch.from_numpy(vh), "truncated"
    )


def _finish(weight: Tensor, u: Tensor, s: Tensor, vh: Tensor, solver: str) -> Triplets:
    largest = u.abs().argmax(dim=0)
    signs = torch.sign(u[largest, torch.arange(u.shape[1], device=u.device)])
    signs[signs == 0] = 1
    u, vh = u * signs, vh * signs[:, None]
    forward = torch.linalg.vector_norm(weight @ vh.T - u * s, dim=0)
    backward = torch.linalg.vector_norm(weight.T @ u - vh.T * s, dim=0)
    scale = float(s[0]) or 1.0
    residual = float(torch.maximum(forward, backward).max()) / scale
    u, s, vh = (part.cpu().contiguous() for part in (u, s, vh))  # as the cache returns them
    return Triplets(u, s, vh, residual, solver)


def factorise_cached(
    weights: dict[str, Tensor], rank: int, solver: Solver, seed: int = 0
) -> list[Triplets]:
    """``factorise`` every weight, or read the result from the disk cache.

    The key is the content: the weights' bytes, the rank, the solver, the seed. A cache that
    cannot be read or written is passed over.
    """
    folder = cache_folder() / "svd"
    path = folder / f"{_content_key(weights, rank, solver, seed)}.safetensors"
    cached = _read(path, list(weights))
    if cached is not None:
        return cached
    found = [factorise(name, weight, rank, solver, seed) for name, weight in weights.items()]
    tensors = {
        f"{index}.{part}": getattr(triplets, part).cpu()
        for index, triplets in enumerate(found)
        for part in ("u", "s", "vh")
    }
    facts = {str(i): json.dumps([t.residual, t.solver]) for i, t in enumerate(found)}
    with suppress(FederaError, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(tensors, metadata=facts))
    return found


def _content_key(weights: dict[str, Tensor], rank: int, solver: str, seed: int) -> str:
    versions = f"{VERSION}/{rank}/{solver}/{seed}/{torch.__version__}/{scipy.__version__}"
    digest = hashlib.sha256(versions.encode())
    for name, weight in weights.items():
        values = weight.detach().to("cpu", torch.float32).contiguous()
        digest.update(f"{name}{tuple(values.shape)}{weight.device.type}".encode())
        digest.update(values.numpy().data)
    return digest.hexdigest()


def _read(path: Path, names: list[str]) -> list[Triplets] | None:
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
            found = []
            for index in range(len(names)):
                residual, solver = json.loads(facts[str(index)])
                u, s, vh = (file.get_tensor(f"{index}.{part}") for part in ("u", "s", "vh"))
                found.append(Triplets(u, s, vh, residual, solver))
            return found
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None
