"""Real federations on one machine: what a round costs beside training, and what is on the wire.

python benchmarks/deployment.py [--rounds 6] [--cases warm,cold] [--rate 20e6] [--upload fp32]

A server and three sites as ``federa deploy`` starts them, over TLS with site keys, MiniLM and
FeDeRA on SemEval-2010 Task 8 where $FEDERA_DATA has it, else on the built-in corpus, shared out
among the sites. cold: without the warm worker, so that every message loads the model anew. With
--rate each site is in a network namespace of its own behind a link of so many bits a second (needs
root), and the bytes at the server's interface are compared with those counted.

The first round is left out (greetings, and models loaded for the first time). Beside training: the
round's seconds without those that the slowest site needed for its answer; for cold sites without
those that warm ones need.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from deploy.federation import LOOPBACK, SITES, Federation, here
from deploy.network import RECEIVED, SENT, SERVER, Rig, Sampler, shaped_network
from federa.datasets import SemEval2010Task8, ServiceDesk
from federa.measure import RoundRecord
from federa.profiles import Network, download_seconds, upload_seconds

TASK = "text_classification"
IDLE_SECONDS = 20.0


@dataclass
class Found:
    """What one case came to."""

    records: list[RoundRecord]
    training: list[float]
    idle_bytes_a_second: float = 0.0
    busy: tuple[float, float] = (0.0, 0.0)
    wire: tuple[int, int, float] = (0, 0, 0.0)


def rows() -> tuple[list[str], list[str], tuple[str, ...], dict[str, Any]]:
    """Texts, labels, all labels, and what the task must know."""
    root = os.environ.get("FEDERA_DATA")
    data = (
        SemEval2010Task8() if root and (Path(root) / "semeval2010task8").is_dir() else ServiceDesk()
    )
    corpus = data.load(TASK)
    chosen = numpy.random.default_rng(1).permutation(len(corpus.train["text"]))[:2400]
    texts, labels = corpus.train["text"], corpus.train["label"]
    return (
        [texts[n] for n in chosen],
        [labels[n] for n in chosen],
        corpus.labels,
        data.task_settings(),
    )


def make(folder: Path, options: argparse.Namespace, rig: Rig | None, *, warm: bool) -> Federation:
    address, launch = (rig.addresses[SERVER], rig.run_in) if rig else (LOOPBACK, here)
    found = Federation(folder, address, launch)
    texts, labels, names, settings = rows()
    for number, name in enumerate(SITES):
        path = found.site(name) / "data" / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("text", "label"))
            table.writerows(zip(texts[number::3], labels[number::3], strict=True))
        found.write_site(name, data={"name": "files", "train": str(path)}, warm=warm)
    found.write_run(
        name="deployment",
        model="minilm",
        task={"name": TASK, **settings},
        data={"name": "sites", "labels": names},
        method={"name": "federa", "rank": 8},
        federation={"num_rounds": options.rounds, "min_uploads": 3},
        train={
            "max_steps": options.steps,
            "batch_size": 8,
            "max_length": 64,
            "learning_rate": 5e-3,
        },
        evaluation={"every": options.rounds},
        engine={
            **{"name": "flower", "mode": "deployment", "device": "cpu", "threads": 1},
            **{"upload": options.upload, "download": options.download},
        },
    )
    return found


@contextmanager
def network(rate: float | None) -> Iterator[Rig | None]:
    if rate is None:
        yield None
        return
    with shaped_network(dict.fromkeys(SITES, link(rate))) as rig:
        print(f"delay by {rig.delay}", file=sys.stderr)
        yield rig


def link(rate: float) -> Network:
    return Network(
        name="link", down_bits_per_second=rate, up_bits_per_second=rate, round_trip_seconds=0.01
    )


def run_case(options: argparse.Namespace, *, warm: bool) -> Found:
    """One federation from its start to its end."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        network(options.rate) as rig,
        ExitStack() as stack,
    ):
        federation = make(Path(scratch) / "federation", options, rig, warm=warm)
        stack.enter_context(federation.running("server", federation.server))
        for name in SITES:
            stack.enter_context(federation.running("site", federation.site(name)))
        federation.wait_until_ready()
        time.sleep(10)
        idle = 0.0
        if rig:
            before = sum(rig.wire_bytes(SERVER))
            time.sleep(IDLE_SECONDS)
            idle = (sum(rig.wire_bytes(SERVER)) - before) / IDLE_SECONDS
        federation.submit()
        federation.wait_for_round(1, pause_seconds=0.02)
        began, before_each = time.monotonic(), rig.wire_bytes(SERVER) if rig else (0, 0)
        with Sampler(rig, SITES[0]) if rig else nullcontext() as sampler:
            federation.wait_for_round(options.rounds - 1, pause_seconds=0.02)
        seconds, after = time.monotonic() - began, rig.wire_bytes(SERVER) if rig else (0, 0)
        federation.wait_for_end()
        records = federation.records()
        training = [
            max(
                message["seconds"]
                for name in SITES
                for message in federation.messages(name)
                if message["answer_to"] == "train" and message["round"] == number
            )
            for number in range(options.rounds)
        ]
    wire = (after[1] - before_each[1], after[0] - before_each[0], seconds)
    found = Found(records, training, idle, wire=wire)
    if sampler:
        down, up = (sampler.busy_seconds(way, options.rate) for way in (RECEIVED, SENT))
        found.busy = (down / (options.rounds - 2), up / (options.rounds - 2))
    return found


def show_rounds(found: dict[str, Found]) -> None:
    warm = found.get("warm")
    print("\n| sites | seconds a round | of them training at the slowest site | beside training |")
    print("|---|--:|--:|--:|")
    for name, case in found.items():
        rounds = [record.measured_seconds["train"] for record in case.records[1:]]
        training = statistics.median((warm or case).training[1:])
        total = statistics.median(rounds)
        print(f"| {name} | {total:.1f} | {training:.1f} | {total - training:.1f} |")


def show_wire(options: argparse.Namespace, found: dict[str, Found]) -> None:
    for name, case in found.items():
        between = case.records[1 : options.rounds - 1]
        number, (down, up, seconds) = len(between), case.wire
        print(
            f"\n{name}: rounds 2 to {options.rounds - 1}, {seconds:.1f} s; with nothing to do "
            f"{case.idle_bytes_a_second / 1e3:.1f} kB/s at the server, both ways, three sites"
        )
        print("\n| way | counted a round | on the wire a round | of them more | % more |")
        print("|---|--:|--:|--:|--:|")
        for way, wire in (("down", down), ("up", up)):
            counted = sum(getattr(record, way).serialised_bytes for record in between)
            more = wire - counted
            print(
                f"| {way} | {counted / number:,.0f} | {wire / number:,.0f} | "
                f"{more / number:,.0f} | {100 * more / counted:.1f} |"
            )
        client = between[0].clients[0]
        assert client.up is not None
        there = download_seconds(link(options.rate), client.down.serialised_bytes)
        back = upload_seconds(link(options.rate), client.up.serialised_bytes)
        down_seconds, up_seconds = case.busy
        print(
            f"\ntransfer, a site and round: {down_seconds:.2f} s down, {up_seconds:.2f} s up "
            f"(modelled {there:.2f} and {back:.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=6, help="at least 4")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cases", default="warm,cold")
    parser.add_argument("--rate", type=float, help="bits a second of each site's link")
    parser.add_argument("--upload", default="fp32")
    parser.add_argument("--download", default="fp32")
    options = parser.parse_args()
    found = {}
    for name in options.cases.split(","):
        found[name] = run_case(options, warm=name == "warm")
        print(f"{name}: done", file=sys.stderr)
    show_rounds(found)
    if options.rate:
        show_wire(options, found)


if __name__ == "__main__":
    main()
