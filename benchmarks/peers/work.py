"""One piece of federated work as files, so that every peer trains the same clients on the same
batches from the same start, and the measuring that the peers share. Only ``write_work`` needs
federa; the rest needs numpy, and torch where tensors are made.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from torch import Tensor

    from federa.config import RunConfig
    from federa.local import LocalSetup


@dataclass(frozen=True)
class Texts:
    """Token ids of N texts, one after the other, where each begins [N + 1], and labels [N]."""

    ids: numpy.ndarray
    offsets: numpy.ndarray
    labels: numpy.ndarray
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Sequence[int], length: int | None = None) -> dict[str, Tensor]:
        """input_ids and attention_mask [B, L], labels [B]; length: L, or None for the longest."""
        import torch

        pieces = [self.ids[self.offsets[row] : self.offsets[row + 1]] for row in rows]
        width = length or max(map(len, pieces))
        ids = numpy.full((len(pieces), width), self.pad_id, dtype=numpy.int64)
        mask = numpy.zeros_like(ids)
        for index, piece in enumerate(pieces):
            ids[index, : len(piece)] = piece
            mask[index, : len(piece)] = 1
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.from_numpy(self.labels[list(rows)]),
        }


@dataclass(frozen=True)
class Work:
    """What to train.

    source: the model's folder; cohorts: client ids of each round; num_examples: of each client;
    steps: rows of ``train`` of each optimiser step, by (round, client); evaluation: what is scored
    after each round.
    """

    folder: Path
    source: str
    num_labels: int
    rank: int
    alpha: float
    targets: list[str]
    learning_rate: float
    max_grad_norm: float
    max_length: int
    cohorts: list[list[int]]
    num_examples: list[int]
    steps: dict[tuple[int, int], list[list[int]]]
    train: Texts
    evaluation: Texts

    def start(self) -> dict[str, Tensor]:
        """The initial values of all that is trained, under the names that federa gives them."""
        from safetensors.torch import load_file

        return load_file(self.folder / "start.safetensors")


def write_work(setup: LocalSetup, config: RunConfig, folder: Path) -> None:
    """Write what the rounds of ``config`` do to ``folder``: work.json, work.npz, start.safetensors.

    Raises: ValueError if it is not plain LoRA on texts with FedAvg, which is all that peers do.
    """
    from safetensors.torch import save_file

    from federa.local import batches
    from federa.rounds import pick_cohort

    _require_plain(setup, config)
    num_rounds, per_round = config.federation.num_rounds, config.federation.clients_per_round
    num_clients = len(setup.clients)
    cohorts = [
        pick_cohort(range(num_clients), per_round, config.seed, r) for r in range(num_rounds)
    ]
    calls = [
        list(batches(setup, r, client)) for r, cohort in enumerate(cohorts) for client in cohort
    ]
    steps = [step for call in calls for step in call]
    chosen = setup.evaluation["validation"]
    windows, labels = chosen.encoded.windows, chosen.encoded.labels
    rows = numpy.arange(len(labels)) if chosen.subset is None else chosen.subset
    pieces = [windows.ids[windows.token_offsets[r] : windows.token_offsets[r + 1]] for r in rows]
    train = setup.examples.windows
    folder.mkdir(parents=True, exist_ok=True)
    numpy.savez(
        folder / "work.npz",
        ids=train.ids,
        offsets=train.token_offsets,
        labels=setup.examples.labels,
        evaluation_ids=numpy.concatenate(pieces),
        evaluation_offsets=_offsets(pieces),
        evaluation_labels=labels[rows],
        step_rows=numpy.concatenate(steps),
        step_offsets=_offsets(steps),
        call_offsets=_offsets(calls),
    )
    adapted = [name for name in setup.start if name.endswith(".lora_A")]
    facts = {
        "source": setup.source,
        "num_labels": len(setup.labels),
        "rank": setup.method.rank,
        "alpha": setup.method.rank * setup.method.scaling,
        "targets": sorted({name.split(".")[-2] for name in adapted}),
        "learning_rate": setup.train.learning_rate,
        "max_grad_norm": setup.train.max_grad_norm,
        "max_length": setup.train.max_length,
        "pad_id": train.pad_id,
        "cohorts": cohorts,
        "num_examples": [len(rows) for rows in setup.clients],
    }
    (folder / "work.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    tensors = {name: value.contiguous() for name, value in setup.start.items()}
    save_file(tensors, folder / "start.safetensors")


def _require_plain(setup: LocalSetup, config: RunConfig) -> None:
    train = setup.train
    found = {
        "task": setup.task.name,
        "method": setup.method.name,
        "rule": setup.rule.name,
        "optimizer": train.optimizer,
        "schedule": train.schedule,
        "warmup_rounds": train.warmup_rounds,
        "weight_decay": train.weight_decay,
        "dropout": train.dropout,
        "special_tokens": len(setup.task.special_tokens),
        "clipping": train.max_grad_norm is not None,
        "validation": "validation" in setup.evaluation,
    }
    wanted = {
        "task": "text_classification",
        "method": "lora",
        "rule": "fedavg",
        "optimizer": "adamw",
        "schedule": "constant",
        "warmup_rounds": 0,
        "weight_decay": 0.0,
        "dropout": False,
        "special_tokens": 0,
        "clipping": True,
        "validation": True,
    }
    wrong = {key: found[key] for key, value in wanted.items() if found[key] != value}
    if wrong:
        raise ValueError(f"{config.name}: peers do not do {wrong}")


def _offsets(parts: Sequence[Any]) -> numpy.ndarray:
    return numpy.cumsum([0, *map(len, parts)], dtype=numpy.int64)


def read_work(folder: Path | str) -> Work:
    """What ``write_work`` wrote to ``folder``."""
    folder = Path(folder).resolve()
    facts = json.loads((folder / "work.json").read_text(encoding="utf-8"))
    pad_id = facts.pop("pad_id")
    with numpy.load(folder / "work.npz") as file:
        arrays = dict(file)
    bounds, rows = arrays["step_offsets"], arrays["step_rows"]
    steps = [rows[begin:end].tolist() for begin, end in pairwise(bounds)]
    keys = [(r, client) for r, cohort in enumerate(facts["cohorts"]) for client in cohort]
    calls = arrays["call_offsets"].tolist()
    return Work(
        folder=folder,
        **facts,
        steps={key: steps[calls[i] : calls[i + 1]] for i, key in enumerate(keys)},
        train=Texts(arrays["ids"], arrays["offsets"], arrays["labels"], pad_id),
        evaluation=Texts(
            arrays["evaluation_ids"],
            arrays["evaluation_offsets"],
            arrays["evaluation_labels"],
            pad_id,
        ),
    )


@cache
def read_work_once(folder: Path) -> Work:
    """``read_work``, which each process that asks again does once."""
    return read_work(folder)


class Meter:
    """Seconds since the process began and of each round, scores, and the peak memory.

    Memory: resident bytes of this process and all below it, sampled; a page that several processes
    share counts in each of them.
    """

    def __init__(self) -> None:
        self.rounds: list[float] = []
        self.evaluations: list[float] = []
        self.accuracy: list[float] = []
        self.peak: int | None = None
        self._began = time.perf_counter()
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def begin(self) -> None:
        """The first round begins now, not when this was made."""
        self._began = time.perf_counter()

    def finish_round(self, accuracy: float, evaluation_seconds: float) -> None:
        """A round with its evaluation ends now, and the next begins."""
        now = time.perf_counter()
        self.rounds.append(now - self._began)
        self.evaluations.append(evaluation_seconds)
        self.accuracy.append(accuracy)
        self._began = now

    def report(self, work: Work, params: Mapping[str, Tensor]) -> str:
        """One line of JSON about the run that ended with ``params``.

        checksum: the sum of the absolute values of all that is trained; change: of what training
        added to it.
        """
        seconds = {
            "start_to_end": seconds_since_start(),
            "rounds": self.rounds,
            "evaluations": self.evaluations,
        }
        self._ended.set()
        self._sampler.join()
        found = {
            "seconds": seconds,
            "accuracy": self.accuracy,
            "peak_memory_bytes": self.peak,
            "checksum": _sum_absolute(params),
            "change": _sum_absolute({k: value - params[k] for k, value in work.start().items()}),
        }
        return json.dumps(found)

    def _sample(self, interval_seconds: float = 0.2) -> None:
        try:
            import psutil
        except ImportError:
            return
        own = psutil.Process()
        while True:
            total = 0
            for process in (own, *own.children(recursive=True)):
                with suppress(psutil.Error):  # it may have ended meanwhile
                    total += process.memory_info().rss
            self.peak = max(self.peak or 0, total)
            if self._ended.wait(interval_seconds):
                return


def seconds_since_start() -> float:
    """Wall seconds since this process began, so that its imports count (Linux)."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    began = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # since the system's start
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


def _sum_absolute(params: Mapping[str, Tensor]) -> float:
    return sum(float(value.double().abs().sum()) for value in params.values())
