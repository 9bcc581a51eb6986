"""What diagnostics cost: their share of a round, for each method, in real rounds.

python benchmarks/diagnostics.py [--rounds 6] [--methods federa,lora,bitfit,houlsby,full]

SemEval-2010 Task 8 (FEDERA_DATA), MiniLM, 5 clients of 10 steps on 8 sentences; the seconds inside
``Diagnosis.of_round`` against those of the whole round without scoring, in the same process. The
averaging error, which every record has, is not counted: it is there without diagnostics too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from federa import RunConfig, run
from federa.diagnostics import Diagnosis

CONFIG = {
    "data": "semeval2010task8",
    "partition": {"name": "dirichlet", "alpha": 0.1},
    "train": {"max_steps": 10, "epochs": None, "max_length": 64},
    "evaluation": {"every": 1000, "subset": 50},
}


def share(method: str, num_rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of the diagnostics, and of the rounds."""
    inside: list[float] = []
    plain = Diagnosis.of_round

    def timed(self: Diagnosis, *arguments: Any) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            return plain(self, *arguments)
        finally:
            inside.append(time.perf_counter() - began)

    federation = {"num_clients": 20, "clients_per_round": 5, "num_rounds": num_rounds}
    config = RunConfig.parse({**CONFIG, "method": method, "federation": federation})
    Diagnosis.of_round = timed  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            records = run(config, folder=Path(folder)).records
    finally:
        Diagnosis.of_round = plain  # type: ignore[method-assign]
    rounds = [
        record.measured_seconds["total"] - record.measured_seconds.get("evaluate", 0.0)
        for record in records
    ]
    return inside, rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--methods", default="federa,lora,bitfit,houlsby,full")
    options = parser.parse_args()
    print("| method | diagnostics, ms a round | round, s | share, median | lowest, highest |")
    print("|---|--:|--:|--:|--:|")
    for method in options.methods.split(","):
        inside, rounds = share(method, options.rounds)
        shares = [part / whole for part, whole in zip(inside, rounds, strict=True)][1:]
        middle = statistics.median(shares)
        print(
            f"| `{method}` | {1000 * statistics.median(inside[1:]):.0f} | "
            f"{statistics.median(rounds[1:]):.2f} | {middle:.1%} | "
            f"{min(shares):.1%}, {max(shares):.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
