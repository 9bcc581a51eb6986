"""A site at work: what it answers to a greeting, to work, and to a state to be scored.

The site decides what it reads and how much it does (``site.yaml``); the server says which model,
task and method. What leaves is the answer of ``Participant.answer``, logged before it does.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from federa.config import RunConfig
from federa.deploy.records import SiteConfig
from federa.devices import use_plan
from federa.errors import ConfigError, DataError, FederaError, ModelError
from federa.files import append_line, write_atomically
from federa.local import LocalSetup, load_params, require_same_base, train_client
from federa.seeding import numpy_generator
from federa.state_file import pack, unpack
from federa.version import __version__
from federa.wire import pack_upload, tensor_kinds, unpack_download

if TYPE_CHECKING:
    import numpy
    from torch import nn

    from federa.splitting import SplitData
    from federa.types import Download, Tensors

STATE, MESSAGES = "state", "logs/messages.jsonl"
HELLO, START, RESIDUAL = "hello.json", "start.safetensors", "residual.safetensors"
TOLD = {"run", "federa", "config", "labels", "base_sha256", "tokenizer_sha256", "of_base", "client"}


class Participant:
    """One site; ``folder`` holds its ``site.yaml`` and what must outlive a power cut.

    Raises: ConfigError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, SiteConfig.load(folder)
        self._run: SiteRun | None = None

    def answer(
        self, kind: str, header: dict[str, Any], blob: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """The answer to one message, logged; what goes wrong is an answer too (``failure``)."""
        began = time.monotonic()
        try:
            answer, packed = self._answer(kind, header, blob)
        except Exception as error:
            answer, packed = {"failure": failure_line(error)}, b""
            if type(error) is DataError or not isinstance(error, FederaError):
                print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
        self._log(kind, header, answer, packed, time.monotonic() - began)
        return answer, packed

    def _answer(
        self, kind: str, header: dict[str, Any], blob: bytes
    ) -> tuple[dict[str, Any], bytes]:
        if kind == "hello":
            return self._hello(header), b""
        run = self._of(header)
        if kind == "train":
            return {}, run.train(header, blob)
        if kind == "evaluate":
            return run.evaluate(blob), b""
        raise ValueError(f"unknown message {kind!r}")

    def _hello(self, header: dict[str, Any]) -> dict[str, Any]:
        """Check everything that the server says of the run, and say what is here.

        Raises: FederaError for whatever does not agree.
        """
        if set(header) != TOLD:
            raise ConfigError("the server's greeting is not that of this version of federa")
        if header["federa"] != __version__:
            raise ConfigError(f"federa {__version__} is here, {header['federa']} at the server")
        place = self.folder / STATE / _plain(header["run"])
        if self._run is not None and self._run.asked == header:
            return self._run.greeting()  # a server that lost sight of the site, or was started anew
        for other in (self.folder / STATE).glob("*"):
            if other != place:  # a site works for one run at a time
                shutil.rmtree(other, ignore_errors=True)
        self._run = None
        self._run = SiteRun(self.config, header, place)
        place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / HELLO, json.dumps(header).encode())
        return self._run.greeting()

    def _of(self, header: dict[str, Any]) -> SiteRun:
        """The run of a message; after a restart, as it was greeted.

        Raises: ConfigError if it was not.
        """
        if self._run is None or self._run.name != header["run"]:
            place = self.folder / STATE / _plain(header["run"])
            if not (place / HELLO).is_file():
                raise ConfigError("this run has not been greeted here")
            greeting = json.loads((place / HELLO).read_text(encoding="utf-8"))
            self._run = SiteRun(self.config, greeting, place)
        return self._run

    def _log(
        self,
        kind: str,
        header: dict[str, Any],
        answer: dict[str, Any],
        blob: bytes,
        seconds: float,
    ) -> None:
        """One line for auditors: what is about to leave."""
        (self.folder / MESSAGES).parent.mkdir(parents=True, exist_ok=True)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "answer_to": kind,
            "run": header.get("run"),
            "round": header.get("round"),
            "seconds": round(seconds, 3),
            "says": answer,
            "bytes": len(json.dumps(answer)) + len(blob),
            "tensors": tensor_kinds(blob) if blob else {},
        }
        append_line(self.folder / MESSAGES, json.dumps(line))


def failure_line(error: Exception) -> str:
    """What the server is told of an error: nothing that may quote the site's rows."""
    if isinstance(error, DataError):
        return "the site's data cannot be used for this run; its own log says why"
    if isinstance(error, FederaError | FloatingPointError | TimeoutError | MemoryError):
        return " ".join(str(error).split())[:300] or type(error).__name__
    return f"{type(error).__name__} at the site; its own log says more"


class SiteRun:
    """A run that the site takes part in: data, model, and what must outlive a restart.

    Raises: FederaError if the site cannot or may not take part.
    """

    def __init__(self, site: SiteConfig, greeting: dict[str, Any], place: Path) -> None:
        self.site, self.place, self.name = site, place, greeting["run"]
        self.asked = greeting
        self.client = int(greeting["client"])
        self.of_base = list(greeting["of_base"])
        self.config = config_here(site, greeting["config"], greeting["labels"])
        if self.config.task.name not in site.limits.tasks:
            allowed = ", ".join(site.limits.tasks)
            raise ConfigError(f"the task {self.config.task.name} is not allowed here ({allowed})")
        self._load(greeting)
        self._model: nn.Module | None = None

    def _load(self, greeting: dict[str, Any]) -> None:
        """Read the data, the tokenizer and the base weights, and compare them with the server's."""
        from federa.models import hash_encoder, hash_tokenizer, load_tokenizer, locate
        from federa.planning import make_plan
        from federa.preparation import encode_all
        from federa.splitting import split_data

        source = locate(self.site.model or self.config.model)
        data = with_labels(split_data(self.config), greeting["labels"])
        plan = make_plan(self.config)
        use_plan(plan)
        tokens = hash_tokenizer(load_tokenizer(source, self.config.task.special_tokens))
        if tokens != greeting["tokenizer_sha256"]:
            raise ModelError(f"model: the tokenizer of {source} is not the server's")
        model = self.config.task.build_model(source, greeting["labels"], self.config.seed)
        base_hash = hash_encoder(model)
        require_same_base(base_hash, greeting["base_sha256"], source)
        self.base = {name: model.get_parameter(name).detach() for name in self.of_base}
        examples, sets = encode_all(self.config, data, source)
        self.greeted = {
            "federa": __version__,
            "base_sha256": base_hash,
            "tokenizer_sha256": tokens,
            "labels": greeting["labels"],
        }
        layout = self.config.method.attach(model, self.config.method.start(model, 0))
        self.setup = LocalSetup(
            source=source,
            labels=tuple(greeting["labels"]),
            task=self.config.task,
            method=self.config.method,
            rule=self.config.rule,
            train=self.config.train,
            num_rounds=int(greeting["config"]["num_rounds"]),
            seed=self.config.seed,
            base_hash=base_hash,
            layout=layout,
            start={},
            plan=plan,
            examples=examples,
            clients={self.client: self._rows(data.clients[0])},
            evaluation=sets,
        )

    def _rows(self, rows: numpy.ndarray) -> numpy.ndarray:
        """All rows, or as many as the site allows: always the same ones."""
        most = self.site.limits.max_examples
        if most is None or most >= len(rows):
            return rows
        chosen = numpy_generator(self.config.seed, "site").choice(rows, most, replace=False)
        chosen.sort()
        return chosen

    def greeting(self) -> dict[str, Any]:
        """What the server is told of this site."""
        size = self.setup.size(self.client)
        return self.greeted | {
            "site": self.site.site,
            "num_examples": size.num_examples,
            "num_windows": size.num_windows,
            "holds_start": (self.place / START).is_file(),
        }

    def train(self, header: dict[str, Any], blob: bytes) -> bytes:
        """Train for one round; the packed update.

        Raises: ConfigError, ValueError, TimeoutError, FloatingPointError.
        """
        download = self._receive(blob)
        allowed = [s for s in (header["seconds"], self.site.limits.max_seconds) if s is not None]
        upload = train_client(
            self.setup,
            self._adapted(),
            int(header["round"]),
            self.client,
            download,
            min(allowed, default=None),
        )
        path = self.place / RESIDUAL
        residual = unpack(path)[0] if path.is_file() else None
        packed, lost = pack_upload(upload, download.params, header["upload"], residual)
        if lost:
            write_atomically(path, pack(lost, {}))
        return packed

    def evaluate(self, blob: bytes) -> dict[str, Any]:
        """Sums over what was held out, or why there are none."""
        import numpy

        from federa.engines.evaluation import predict_rows

        held = self.setup.evaluation["validation"].encoded
        least = self.site.limits.min_evaluation_examples
        if len(held) < least:
            return {"withheld": f"fewer than {least} examples are held out here"}
        download = self._receive(blob)
        model, task = self._adapted(), self.config.task
        load_params(model, download.params)
        model.eval()
        rows = numpy.arange(len(held))
        predictions = predict_rows(task, model, held, rows, self.setup.plan.device)
        return {"sums": task.tally(predictions, held, rows)}

    def _receive(self, blob: bytes) -> Download:
        """Read what was sent, and keep the start if this is the first contact."""
        path = self.place / START
        if not self.setup.start and path.is_file():
            self.setup = replace(self.setup, start=unpack(path)[0])
        download = unpack_download(blob, self.setup.start or self.base)
        if not self.setup.start:
            self.setup = replace(self.setup, start=self._start_of(download))
            write_atomically(path, pack(self.setup.start, {}))
        return download

    def _start_of(self, download: Download) -> Tensors:
        """The server's start: as sent, or the base model's own, or what training begins with."""
        missing = [name for name in self.setup.layout.shared if name not in download.params]
        if missing:
            raise ConfigError(f"the site needs its start: {missing[0]} was not sent")
        return {
            name: download.start.get(name, self.base.get(name, value))
            for name, value in download.params.items()
        }

    def _adapted(self) -> nn.Module:
        if self._model is None:
            self._model, _ = self.setup.build()
        return self._model


def config_here(site: SiteConfig, told: dict[str, Any], labels: list[str]) -> RunConfig:
    """The server's configuration with the site's own data, device and share to hold out.

    Raises: ConfigError.
    """
    data = site.data
    assert isinstance(data, BaseModel)
    own = data.model_dump(mode="json")
    if labels and "labels" in own:  # a site need not have all of them
        own["labels"] = labels
    shared = {key: value for key, value in told.items() if key != "num_rounds"}
    return RunConfig.parse(
        shared
        | {
            "data": own,
            "partition": "iid",
            "federation": {"num_clients": 1, "num_rounds": told["num_rounds"]},
            "evaluation": {"validation_fraction": site.limits.evaluation_fraction},
            "engine": {"name": "sequential", "device": site.device, "threads": site.threads},
        }
    )


def with_labels(data: SplitData, labels: list[str]) -> SplitData:
    """The site's data under the labels that everybody uses.

    Raises: DataError if a row has another one.
    """
    surplus = sorted(set(data.corpus.labels) - set(labels))
    if surplus:
        raise DataError(
            f"data: the label {surplus[0]!r} is not among the server's {len(labels)}"
            + (f", nor are {len(surplus) - 1} others" if len(surplus) > 1 else "")
        )
    return replace(data, corpus=replace(data.corpus, labels=tuple(labels)))


def _plain(name: object) -> str:
    """A run's name, which becomes a folder's.

    Raises: ConfigError.
    """
    text = str(name)
    if not text.isalnum() or len(text) > 64:
        raise ConfigError("the server's greeting names no run")
    return text
