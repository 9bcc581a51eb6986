"""How fast and how exact the solvers are on a real model's query and value weights.

    python benchmarks/factorisation.py [--model minilm] [--rank 8] [--repeats 5]

Prints, for each solver, the median seconds for all target matrices, the ratio to the dense SVD run
in turn in the same process, the largest relative error of B0 A0 against a float64 SVD, and the
same for peft's own start.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from federa.methods.factorisation import factorise
from federa.methods.low_rank import target_weight
from federa.models import locate
from federa.targets import find_targets
from federa.tasks import TextClassification


def best(weight: torch.Tensor, rank: int) -> torch.Tensor:
    u, s, vh = torch.linalg.svd(weight.double(), full_matrices=False)
    return u[:, :rank] * s[:rank] @ vh[:rank]


def peft_product(weight: torch.Tensor, rank: int, init: str) -> torch.Tensor:
    """B0 A0 as peft computes it for one linear layer."""
    from peft import LoraConfig
    from peft.tuners.lora.layer import Linear

    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight.data.copy_(weight)
    config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=init)
    layer = Linear(linear, "default", config=config, r=rank, lora_alpha=rank)
    return (layer.lora_B["default"].weight @ layer.lora_A["default"].weight).detach()


def measure(
    work: Callable[[], list[torch.Tensor]], repeats: int
) -> tuple[float, list[torch.Tensor]]:
    seconds, products = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        products = work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), products


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = TextClassification().build_model(locate(options.model), ("a", "b"), 0)
    weights = [target_weight(model, target) for target in find_targets(model, "auto", "all")]
    rank = options.rank
    wanted = [best(weight, rank) for weight in weights]

    def ours(solver: str) -> Callable[[], list[torch.Tensor]]:
        def work() -> list[torch.Tensor]:
            found = [factorise("w", weight, rank, solver, 0) for weight in weights]
            return [triplets.u * triplets.s @ triplets.vh for triplets in found]

        return work

    def theirs(init: str) -> Callable[[], list[torch.Tensor]]:
        return lambda: [peft_product(weight, rank, init) for weight in weights]

    rows = {f"federa {solver}": ours(solver) for solver in ("exact", "truncated", "randomized")}
    rows |= {f"peft {init}": theirs(init) for init in ("pissa", "pissa_niter_4", "pissa_niter_16")}
    dense, _ = measure(rows["federa exact"], options.repeats)
    print(
        f"{options.model}: {len(weights)} matrices {tuple(weights[0].shape)}, rank {rank}, "
        f"{options.threads} threads, median of {options.repeats}"
    )
    print(f"{'start':<22}{'seconds':>9}{'dense / it':>12}{'error of B0 A0':>16}")
    for name, work in rows.items():
        seconds, products = measure(work, options.repeats)
        error = max(
            float((product.double() - exact).norm() / exact.norm())
            for product, exact in zip(products, wanted, strict=True)
        )
        print(f"{name:<22}{seconds:>9.3f}{dense / seconds:>12.2f}{error:>16.1e}")


if __name__ == "__main__":
    main()
