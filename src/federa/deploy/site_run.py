"""One run at a site: its data and model there, and what must outlive a restart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from federa.config import RunConfig
from federa.deploy.records import SiteConfig
from federa.devices import use_plan
from federa.errors import ConfigError, DataError, ModelError
from federa.files import write_atomically
from federa.local import LocalSetup, load_params, require_same_base, train_client
from federa.seeding import numpy_generator
from federa.state_file import layout_of, pack, unpack
from federa.version import __version__
from federa.wire import pack_upload, unpack_download

if TYPE_CHECKING:
    import numpy
    from torch import nn

    from federa.splitting import SplitData
    from federa.types import Download, Tensors

START, RESIDUAL = "start.safetensors", "residual.safetensors"


class SiteRun:
    """A run that the site takes part in: data, model, and what must outlive a restart.

    Raises: FederaError if the site cannot or may not take part.
    """

    def __init__(self, site: SiteConfig, greeting: dict[str, Any], place: Path) -> None:
        self.site, self.place, self.name = site, place, greeting["run"]
        self.asked = greeting
        self.client = int(greeting["client"])
        self.layout = layout_of(greeting["layout"])
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
        self.base = {name: model.get_parameter(name).detach() for name in self.layout.of_base}
        examples, sets = encode_all(self.config, data, source)
        self.greeted = {
            "federa": __version__,
            "base_sha256": base_hash,
            "tokenizer_sha256": tokens,
            "labels": greeting["labels"],
        }
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
            layout=self.layout,
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
        missing = [name for name in self.layout.shared if name not in download.params]
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
