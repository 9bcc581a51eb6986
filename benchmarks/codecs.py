"""What shorter numbers on the way cost in accuracy: every codec on the same runs, seed by seed.

python benchmarks/codecs.py [--seeds 1,2,3] [--rounds 10] [--codecs fp32:fp32,bf16:bf16,int8:bf16]

A recipe under the cohort engine, whose downloads and uploads are packed and unpacked by
``federa.wire`` as Flower would carry them, with what each client's upload lost added to its next
one. upload:download. Differences are within a seed, with a 95 % interval over seeds (Student's t).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from federa.config import RunConfig
from federa.engines import Cohort, Session
from federa.experiment import run
from federa.local import RunSetup
from federa.types import ClientFailure, Download, Tensors, Upload
from federa.wire import Codec, pack_download, pack_upload, received, unpack_upload

RECIPE = Path(__file__).parent.parent / "recipes" / "semeval2010task8-minilm.yaml"


class Coded:
    """A session whose letters are packed, counted and unpacked."""

    def __init__(self, session: Session, setup: RunSetup, up: Codec, down: Codec) -> None:
        self.session, self.setup, self.up, self.down = session, setup, up, down
        self.residuals: dict[int, Tensors] = {}
        self.sizes: dict[str, set[int]] = {"down": set(), "up": set()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        sent = {c: received(one, self.setup.start, self.down) for c, one in work.items()}
        for one in work.values():
            if not one.start:
                self.sizes["down"].add(len(pack_download(one, self.setup.start, self.down)))
        coded = {client: replace(work[client], params=params) for client, params in sent.items()}
        for answer in self.session.train(round, coded):
            if isinstance(answer, ClientFailure):
                yield answer
                continue
            client = answer.client
            blob, self.residuals[client] = pack_upload(
                answer, sent[client], self.up, self.residuals.get(client)
            )
            self.sizes["up"].add(len(blob))
            yield unpack_upload(blob, client, sent[client])


class CodedCohort:
    """The cohort engine with coded letters."""

    name, device, threads = "cohort", "cpu", "auto"

    def __init__(self, up: Codec, down: Codec) -> None:
        self.up, self.down = up, down

    def open(self, setup: RunSetup) -> Any:
        self.session = Coded(Cohort().open(setup), setup, self.up, self.down)
        return self.session


def scores_of(options: argparse.Namespace, seed: int, codec: str, folder: Path) -> dict[str, float]:
    up, _, down = codec.partition(":")
    changes = [
        *(f"seed={seed}", "engine=cohort", f"federation.num_rounds={options.rounds}"),
        *("train.learning_rate=5e-3", f"evaluation.every={options.rounds}"),
        "evaluation.final=best",
    ]
    engine = CodedCohort(up, down)  # type: ignore[arg-type]
    result = run(RunConfig.load(RECIPE, changes), engine=engine, folder=folder)  # type: ignore[arg-type]
    sizes = engine.session.sizes
    print(f"seed {seed}, {codec}: done", file=sys.stderr)
    return {
        "test": result.summary["best"]["scores"]["test"]["accuracy"],
        "down": max(sizes["down"]),
        "up": max(sizes["up"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--codecs", default="fp32:fp32,bf16:bf16,int8:bf16")
    options = parser.parse_args()
    seeds, codecs = [int(seed) for seed in options.seeds.split(",")], options.codecs.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        found = {c: [scores_of(options, s, c, Path(scratch)) for s in seeds] for c in codecs}
    plain = [one["test"] for one in found[codecs[0]]]
    print(
        f"\n| up:down | bytes up | bytes down | test accuracy, seeds {options.seeds} | mean | "
        f"difference to {codecs[0]}, 95 % interval |"
    )
    print("|---|--:|--:|--:|--:|--:|")
    for codec, rows in found.items():
        scores = [row["test"] for row in rows]
        apart = [score - base for score, base in zip(scores, plain, strict=True)]
        shown = ""
        if codec != codecs[0] and len(seeds) > 1:
            spread = statistics.stdev(apart) / len(apart) ** 0.5
            half = spread * student.ppf(0.975, len(apart) - 1)
            mean = statistics.mean(apart)
            shown = f"{mean:+.4f} ({mean - half:+.4f}, {mean + half:+.4f})"
        print(
            f"| {codec} | {rows[0]['up']:,} | {rows[0]['down']:,} | "
            f"{', '.join(f'{score:.4f}' for score in scores)} | {statistics.mean(scores):.4f} | "
            f"{shown} |"
        )


if __name__ == "__main__":
    main()
