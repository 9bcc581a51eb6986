"""What the worker of a site holds in memory, for each model and method, and what recomputing costs.

python benchmarks/site_memory.py [--models minilm,roberta-base] [--methods federa,full] [--turns 3]

Each row is a process of its own: a site with a small CSV is greeted, trains --steps steps of
--batch texts of 128 tokens in float32 on one thread, and scores its held-out rows, answering the
letters that a server would send. Peak resident memory so far, as Linux counts it, after each, and
what is held at the end, as a warm worker does between rounds. The letters are made by another
process before. The last column is another process again, in which a site with recomputed layers
and one without take turns: the median of the ratios of their CPU seconds. The model is MiniLM as
published; the others have the published shapes, random weights and MiniLM's tokenizer. Needs no
flwr.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODELS = ("minilm", "roberta-base", "deberta-v3-base")
METHODS = ("federa", "lora", "bitfit", "houlsby", "full")
LABELS = [f"label{number}" for number in range(20)]
HELD_OUT = 24
TEXT = "the printer is out of paper again please reset my password for the new screen " * 12
"""More than 128 tokens."""


def save_model(name: str, folder: Path) -> str:
    """What the configurations call the model; those with random weights are written first."""
    if name == "minilm":
        return name
    from gpu import save_model as save_shape
    from transformers import AutoTokenizer

    from federa.models import locate

    save_shape(name, folder)
    AutoTokenizer.from_pretrained(locate("minilm")).save_pretrained(folder)
    return str(folder)


def configuration(source: str, method: str, recompute: bool, options: argparse.Namespace) -> Any:
    return {
        "model": source,
        "data": {"name": "sites", "labels": LABELS},
        "method": method,
        "federation": {"num_rounds": 1},
        "train": {
            "precision": "fp32",
            "max_length": 128,
            "batch_size": options.batch,
            "max_steps": options.steps,
            "gradient_checkpointing": recompute,
        },
        "engine": {"name": "flower", "mode": "deployment", "device": "cpu", "threads": 1},
    }


def write_site(folder: Path, options: argparse.Namespace) -> None:
    """A site's folder with rows of more than 128 tokens."""
    folder.mkdir()
    for name, number in (("train", options.steps * options.batch), ("validation", HELD_OUT)):
        lines = [f"{TEXT}{row},{LABELS[row % 20]}" for row in range(number)]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
    content = {
        "site": "benchmark",
        "server": "localhost:8443",
        "data": {"name": "files", "train": "train.csv", "validation": "validation.csv"},
        "device": "cpu",
        "threads": 1,
    }
    (folder / "site.yaml").write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML


class Postbox:
    """In place of the link to the sites: keeps the letters in files, and answers as a site would.

    greeting: the answer to a greeting; upload: to work.
    """

    def __init__(self, folder: Path, greeting: dict[str, Any], upload: bytes) -> None:
        self.folder, self.greeting, self.upload = folder, greeting, upload

    def free(self) -> list[int]:
        return [0]

    def send(self, kind: str, letters: Any, round: int, seconds: float | None) -> dict[str, int]:
        self._keep(kind, letters)
        return {kind: 0}

    def replies(self) -> list[Any]:
        from federa.engines.flower_link import Reply

        return [Reply("hello", 0, self.greeting)]

    def ask(self, kind: str, letters: Any, round: int, seconds: float | None) -> Iterator[Any]:
        from federa.engines.flower_link import Reply

        self._keep(kind, letters)
        if kind == "train":
            yield Reply(kind, 0, {}, self.upload)

    def _keep(self, kind: str, letters: Any) -> None:
        (self.folder / f"{kind}.json").write_text(json.dumps(letters[0].header), encoding="utf-8")
        (self.folder / f"{kind}.bin").write_bytes(letters[0].blob)


def write_letters(folder: Path, given: dict[str, Any], num_examples: int) -> None:
    """What the server sends a site in its first round: it plays one with a postbox."""
    from federa.config import RunConfig
    from federa.deploy.engine import TOLD
    from federa.engines.flower_sites import SitesSession, Welcome
    from federa.models import hash_tokenizer, load_tokenizer
    from federa.preparation import prepare
    from federa.types import Upload
    from federa.version import __version__
    from federa.wire import pack_upload

    config = RunConfig.parse(given)
    setup, state, *_ = prepare(config)
    hashed = hash_tokenizer(load_tokenizer(setup.source))
    told = config.model_dump(mode="json", include=set(TOLD)) | {"num_rounds": 1}
    welcome = Welcome("benchmark", told, hashed, {0: "benchmark"}, folder / "counts.json")
    greeting = {
        "federa": __version__,
        "base_sha256": setup.base_hash,
        "tokenizer_sha256": hashed,
        "labels": LABELS,
        "num_examples": num_examples,
        "num_windows": num_examples,
    }
    upload = Upload(0, state.params, num_examples, {}, {"loss": 0.0})
    packed, _ = pack_upload(upload, state.params, "fp32", None)
    session = SitesSession(config.engine, setup, Postbox(folder, greeting, packed), welcome)
    (client,) = session.present(1)
    (answer,) = session.train(0, {client: config.rule.download(state, client)})
    assert isinstance(answer, Upload), answer
    session.evaluate(state, ["validation"], whole=True, per_client=False)


def sent(site: Any, kind: str, folder: Path, **changes: Any) -> None:
    """Give a site a letter; its answer must not be a failure."""
    header = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8")) | changes
    answer, _ = site.answer(kind, header, (folder / f"{kind}.bin").read_bytes())
    assert "failure" not in answer, answer
    assert "withheld" not in answer, answer


def memory(kind: str) -> int:
    """VmHWM, the peak, or VmRSS, what is resident now: bytes. Unlike getrusage's, of this program
    alone and not of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1]) * 1024


def run_site(folder: Path) -> dict[str, int]:
    """Answer every letter; peaks of memory after each."""
    import torch  # noqa: F401  - as the worker does before the first letter
    import transformers  # noqa: F401

    from federa.deploy.participant import Participant

    found, site = {"imported": memory("VmHWM")}, Participant(folder)
    for kind in ("hello", "train", "evaluate"):
        sent(site, kind, folder)
        found[kind] = memory("VmHWM")
    return found | {"held": memory("VmRSS")}


def compare(plain: Path, recomputed: Path, turns: int) -> list[float]:
    """Ratios of the CPU seconds of a round, in turns after one that warms up."""
    from federa.deploy.participant import Participant

    sites = [(Participant(folder), folder) for folder in (plain, recomputed)]
    ratios = []
    for site, folder in sites:
        sent(site, "hello", folder)
    for turn in range(turns + 1):
        seconds = []
        for site, folder in sites:
            began = time.process_time()
            sent(site, "train", folder, round=turn)
            seconds.append(time.process_time() - began)
        ratios.append(seconds[1] / seconds[0])
    return ratios[1:]


def ask(*words: str) -> Any:
    """What this script says in a process of its own."""
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, source: str, method: str, folder: Path, options: Any) -> None:
    """Two rows of the table."""
    places = folder / "plain", folder / "recomputed"
    for place, recompute in zip(places, (False, True), strict=True):
        write_site(place, options)
        given = configuration(source, method, recompute, options)
        ask("--letters", str(place), json.dumps(given), str(options.steps * options.batch))
    found = [ask("--site", str(place)) for place in places]
    ratios = ask("--compare", *map(str, places), str(options.turns))
    cost = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}, {max(ratios):.2f})"
    for recompute, peaks in zip(("no", "yes"), found, strict=True):
        cells = [f"{peaks[key] / 1e6:,.0f}" for key in peaks]
        row = [name, method, recompute, *cells, cost if recompute == "yes" else ""]
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    for part, number in (("letters", 3), ("site", 1), ("compare", 3)):  # of processes started here
        parser.add_argument(f"--{part}", nargs=number, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.letters:
        place, given, number = options.letters
        write_letters(Path(place), json.loads(given), int(number))
        print("{}")
    elif options.site:
        print(json.dumps(run_site(Path(options.site[0]))))
    elif options.compare:
        plain, recomputed, turns = options.compare
        print(json.dumps(compare(Path(plain), Path(recomputed), int(turns))))
    else:
        print(
            "| model | method | recomputed | imported, MB | greeted, MB | trained, MB | scored, MB "
            "| held, MB | CPU seconds of a round, of those without |"
        )
        print("|---|---|---|--:|--:|--:|--:|--:|--:|")
        for name in options.models.split(","):
            with tempfile.TemporaryDirectory() as folder:
                source = save_model(name, Path(folder) / "model")
                for method in options.methods.split(","):
                    with tempfile.TemporaryDirectory() as place:
                        measure(name, source, method, Path(place), options)


if __name__ == "__main__":
    main()
