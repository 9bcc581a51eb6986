"""Whole programs, from the start of the process to the end of the last round, evaluation included.

python benchmarks/whole.py --peers PYTHON [--rounds 5] [--steps 10] [--repeats 3]

``lora`` on SemEval-2010 Task 8 where $FEDERA_DATA has it, else on the built-in corpus, with MiniLM:
federa's engines, and the peers of ``benchmarks/peers`` if the Python of their environment is given.
All train the same clients on the same batches from the same start and score the same validation
rows after every round. Each run is a process of its own, and the programs take turns.

Seconds count from the start of the process, imports included. federa reads, splits and tokenises
the texts in that time, with an empty cache ($FEDERA_CACHE) each time, and saves its state every
round; peers read token ids that were prepared. Scoring everything and exporting, which federa does
at the end, are counted in "to exit" alone. Memory: the sum of the resident memory of a program's
processes, sampled until the end of the last round; a page that several share counts in each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from federa.config import RunConfig
from federa.measure import RoundRecord
from federa.progress import Item, Silent

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from work import Meter, Work, read_work, seconds_since_start, write_work

PEERS = Path(__file__).parent / "peers"
Run = dict[str, Any]
"""What a program said of itself, and ``exit``: its seconds to exit."""

FEDERA = {
    "federa, cohort bf16": "cohort,bf16",
    "federa, cohort fp32": "cohort,fp32",
    "federa, sequential fp32": "sequential,fp32",
}
REFERENCES = ("federa, cohort bf16", "federa, cohort fp32")
PEER_SCRIPTS = {
    "loop of PyTorch and peft": ("bare.py", "--pad", "longest", "--threads"),
    "Flower simulation": ("flower_sim.py", "--cpus"),
    "pfl simulation": ("pfl_sim.py", "--threads"),
}
TIMED = """
import json, runpy, sys, work

class Timed(work.Meter):
    def finish_round(self, *arguments):
        super().finish_round(*arguments)
        self.end = work.seconds_since_start()

    def report(self, *arguments):
        found = json.loads(super().report(*arguments))
        found["seconds"]["end"] = self.end
        return json.dumps(found)

work.Meter = Timed
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a peer, which shuts down in its own time, and notes when its last round ended."""


def configure(options: argparse.Namespace, engine: str, precision: str) -> RunConfig:
    """The work, as federa is told it."""
    return RunConfig.parse(
        {
            "data": "semeval2010task8" if has_semeval() else "servicedesk",
            "method": "lora",
            "partition": "iid",
            "federation": {
                "num_clients": options.num_clients,
                "clients_per_round": options.clients_per_round,
                "num_rounds": options.rounds,
            },
            "train": {
                "max_steps": options.steps,
                "epochs": None,
                "batch_size": options.batch,
                "max_length": options.length,
                "learning_rate": 2e-3,
                "precision": precision,
            },
            "evaluation": {"subset": options.subset, "final": "best"},
            "engine": {"name": engine, "threads": options.threads, "device": "cpu"},
        }
    )


def has_semeval() -> bool:
    root = os.environ.get("FEDERA_DATA")
    return root is not None and (Path(root) / "semeval2010task8").is_dir()


class Watch(Silent):
    """Tells the peers' meter of federa's rounds, and notes what is known at the end of the last."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.end = 0.0
        self.peak: int | None = None
        self.own_peak = 0

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        if round == 1:
            self.meter.begin()
        return arrivals

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        assert not record.failures, record.failures
        accuracy = record.scores["validation"]["accuracy"]
        self.meter.finish_round(accuracy, record.measured_seconds["evaluate"])
        self.end, self.peak = seconds_since_start(), self.meter.peak
        self.own_peak = max(self.own_peak, record.peak_memory_bytes or 0)


def run_federa(options: argparse.Namespace, kind: str) -> None:
    """In a process of its own: a whole run, and what peers say of theirs, as JSON."""
    meter = Meter()
    watch = Watch(meter)

    import federa
    from federa.checkpoint import RunFolder

    config = configure(options, *kind.split(","))
    with tempfile.TemporaryDirectory() as folder:
        result = federa.run(config, folder=folder, progress=watch)
        params = RunFolder(result.folder).load_state().params
        found = json.loads(meter.report(read_work(options.work), params))
    found["seconds"]["end"] = watch.end
    found |= {"peak_memory_bytes": watch.peak, "own_peak_bytes": watch.own_peak}
    print(json.dumps(found))


def prepare_work(options: argparse.Namespace, folder: Path) -> Work:
    """Write the work for the peers, and read it."""
    from federa.preparation import prepare

    config = configure(options, "sequential", "fp32")
    setup, *_ = prepare(config)
    write_work(setup, config, folder)
    return read_work(folder)


def commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """How each program is started."""
    own = [sys.executable, __file__, *sys.argv[1:], "--work", str(folder), "--federa"]
    found = {name: [*own, kind] for name, kind in FEDERA.items()}
    if options.peers is None:
        left_out = ", ".join(PEER_SCRIPTS)
        print(f"left out without --peers: {left_out}", file=sys.stderr)
        return found
    for name, (script, *arguments) in PEER_SCRIPTS.items():
        peer = [options.peers, "-c", TIMED, str(PEERS / script), str(folder)]
        found[name] = [*peer, *arguments, str(options.threads)]
    return found


def run_program(command: list[str]) -> Run | None:
    """Run a program with a cache of its own; None if it fails, and why on stderr."""
    with (
        tempfile.TemporaryDirectory() as cache,
        tempfile.TemporaryFile("w+") as output,  # a pipe could be held open by a program's servers
        tempfile.TemporaryFile("w+") as errors,
    ):
        offline = {"HF_HUB_OFFLINE": "1", "FEDERA_CACHE": cache, "PYTHONPATH": str(PEERS)}
        began = time.perf_counter()
        code = subprocess.call(command, env=os.environ | offline, stdout=output, stderr=errors)
        seconds = time.perf_counter() - began
        for file in (output, errors):
            file.seek(0)
        lines = output.read().splitlines()
        if code or not lines:
            print(f"ended with {code}: {errors.read()[-3000:]}", file=sys.stderr)
            return None
    found: Run = json.loads(lines[-1])
    return found | {"exit": seconds}


def print_table(options: argparse.Namespace, runs: dict[str, list[Run]], work: Work) -> None:
    rounds = len(work.cohorts)
    examples = sum(len(rows) for (r, _), steps in work.steps.items() if r for rows in steps)
    data = "SemEval-2010 Task 8" if has_semeval() else "the built-in corpus"
    print(
        f"lora with MiniLM on {data}, {options.length} tokens at most; {rounds} rounds, "
        f"{options.clients_per_round} of {options.num_clients} clients x {options.steps} steps of "
        f"{options.batch}, {len(work.evaluation)} rows scored after each; {options.threads} "
        f"threads; medians of {options.repeats}\n"
    )
    print(
        f"| program | seconds to the end of round {rounds} | lowest, highest "
        f"| of them before round 1 | to exit | seconds of rounds 2 to {rounds} "
        f"| examples/s in them | peak memory | accuracy after round {rounds} "
        "| cohort bf16's seconds of its | cohort fp32's |"
    )
    print("|---|" + "--:|" * 10)
    for name, own in runs.items():
        ends = [run["seconds"]["end"] for run in own]
        before = [run["seconds"]["end"] - sum(run["seconds"]["rounds"]) for run in own]
        later = statistics.median(sum(run["seconds"]["rounds"][1:]) for run in own)
        memory = [run["peak_memory_bytes"] for run in own if run["peak_memory_bytes"]]
        cells = [
            f"{statistics.median(ends):.1f}",
            f"{min(ends):.1f}, {max(ends):.1f}",
            f"{statistics.median(before):.1f}",
            f"{statistics.median(run['exit'] for run in own):.1f}",
            f"{later:.1f}",
            f"{examples / later:.1f}",
            f"{statistics.median(memory) / 1e6:.0f} MB" if memory else "",
            f"{statistics.median(run['accuracy'][-1] for run in own):.3f}",
            *(ratio(runs.get(reference, []), own) for reference in REFERENCES),
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    own_peaks = {
        name: f"{max(run['own_peak_bytes'] for run in runs[name]) / 1e6:.0f} MB"
        for name in FEDERA
        if name in runs
    }
    changes = {name: round(own[-1]["change"], 3) for name, own in runs.items()}
    print("\npeak memory with shared pages counted once: " + json.dumps(own_peaks))
    print("sum of the absolute changes of what was trained: " + json.dumps(changes))


def ratio(reference: list[Run], own: list[Run]) -> str:
    """The median, over the turns, of the seconds of ``reference`` by those of ``own``."""
    pairs = zip(reference, own, strict=False)
    ratios = [first["seconds"]["end"] / other["seconds"]["end"] for first, other in pairs]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="the Python of the peers' environment")
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--clients-per-round", type=int, default=10)
    parser.add_argument("--num-clients", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5, help="at least 2")
    parser.add_argument("--subset", type=int, default=500, help="validation rows that are scored")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--federa", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: at least 2")
    if options.federa:
        run_federa(options, options.federa)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = prepare_work(options, Path(folder))
        programs = commands(options, Path(folder))
        runs: dict[str, list[Run]] = {name: [] for name in programs}
        for turn in range(options.repeats):
            for name in list(runs):
                found = run_program(programs[name])
                if found is None:
                    print(f"left out: {name}", file=sys.stderr)
                    del runs[name]
                    continue
                runs[name].append(found)
                print(
                    f"turn {turn + 1} of {options.repeats}: {name}: "
                    f"{found['seconds']['end']:.1f} s, {found['exit']:.1f} s to exit",
                    file=sys.stderr,
                )
    print_table(options, runs, work)


if __name__ == "__main__":
    main()
