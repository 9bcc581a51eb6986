"""The one schema behind YAML, command line and Python, and its one-line errors."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)

from federa.config_errors import explain
from federa.datasets import DATASETS, Sites
from federa.engines import ENGINES, Flower
from federa.errors import ConfigError
from federa.methods import METHODS
from federa.partition import PARTITIONERS
from federa.profiles import Profile
from federa.registry import RECORD, Flag, Integer, Real, canonical, names, nearest, shown, spellings
from federa.rules import RULES
from federa.tasks import TASKS
from federa.tracking import TRACKERS
from federa.train_config import LearningRateGrid, TrainConfig, resolve_rate
from federa.yaml_text import apply_changes, dump_yaml, read_yaml

__all__ = [
    "REGISTRIES",
    "EvaluationConfig",
    "FederationConfig",
    "PeftMethod",
    "RunConfig",
    "Task",
]

REGISTRIES: dict[str, tuple[type[BaseModel], ...]] = {
    "task": TASKS,
    "data": DATASETS,
    "partition": PARTITIONERS,
    "method": METHODS,
    "rule": RULES,
    "engine": ENGINES,
}
"""The keys of a configuration whose value is a registered record, with what is registered."""
OWN_CLIENTS = ("column", "file")
"""What a partitioner reads that says by itself how many clients there are."""


class FederationConfig(BaseModel):
    """Who takes part. num_clients: null takes the data's own clients; clients_per_round: null is
    all; min_uploads: the quorum of usable updates, below which a round fails; retries: how often
    such a round is tried again before the run ends."""

    model_config = RECORD

    num_clients: Integer | None = Field(None, gt=0)
    clients_per_round: Integer | None = Field(None, gt=0)
    num_rounds: Integer = Field(10, gt=0)
    min_uploads: Integer = Field(1, gt=0)
    retries: Integer = Field(0, ge=0, le=1000)


class EvaluationConfig(BaseModel):
    """When and on what the state is scored.

    every: rounds between evaluations (the last round always is one); splits: validation drives
    the best state, test is for reporting; subset: score a seeded sample of this size during the
    run (the end is always on everything); per_client: also client by client; diagnostics: see
    ``federa.diagnostics``; validation_fraction: of the training rows, where the data has no
    validation split; final: which states are scored on everything at the end.
    """

    model_config = RECORD

    every: Integer = Field(1, gt=0)
    splits: Annotated[list[Literal["validation", "test"]], Field(min_length=1)] = ["validation"]
    subset: Integer | None = Field(None, gt=0)
    per_client: Flag = False
    diagnostics: Flag = Field(
        True, description="how weights and clients move, by layer, in every round's record"
    )
    final: Literal["best", "best and latest"] = "best and latest"
    validation_fraction: Real = Field(0.1, gt=0, lt=0.5)


def _union(key: str) -> Any:
    """The discriminated union of a registry's records, for pydantic."""
    registry = REGISTRIES[key]
    if len(registry) == 1:
        return registry[0]
    return Annotated[Union[registry], Field(discriminator="name")]  # noqa: UP007


if typing.TYPE_CHECKING:
    from federa.datasets import DataSet
    from federa.engines import Engine
    from federa.methods import PeftMethod
    from federa.partition import Partitioner
    from federa.rules import AggregationRule
    from federa.tasks import Task
    from federa.tracking import Tracker
    from federa.wire import Codec
else:
    Tracker = Annotated[Union[TRACKERS], Field(discriminator="name")]  # noqa: UP007
    Task, DataSet, Partitioner = _union("task"), _union("data"), _union("partition")
    PeftMethod, AggregationRule, Engine = _union("method"), _union("rule"), _union("engine")


class RunConfig(BaseModel):
    """A complete run. A registered record may be given by its name alone.

    Raises: ConfigError from ``parse`` and ``load``; pydantic's ValidationError from the class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    seed: Integer = Field(1, ge=0, lt=2**63)
    model: str = Field("minilm", min_length=1, description="alias, hub id or folder")
    task: Task = Field(TASKS[0](), validate_default=True)
    data: DataSet
    partition: Partitioner = Field(PARTITIONERS[0](), validate_default=True)
    method: PeftMethod = Field(METHODS[0](), validate_default=True)
    rule: AggregationRule = Field(RULES[0](), validate_default=True)
    federation: FederationConfig = FederationConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    engine: Engine = Field(ENGINES[0](), validate_default=True)
    profile: Profile | None = Field(
        None, description="devices and networks, for modelled seconds and energy"
    )
    tracking: list[Tracker] = []

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, given: Any) -> Any:
        """Expand names to records, aliases to names, and choices that follow from others."""
        if not isinstance(given, dict):
            raise ConfigError(f"a configuration is a mapping of keys, not {type(given).__name__}")
        full = dict(given)
        for key, registry in REGISTRIES.items():
            if key in full:
                full[key] = _named(key, full[key], registry)
        if "tracking" in full:
            full["tracking"] = _trackers(full["tracking"])
        if "task" not in full and "data" in full:  # the data's own task
            full["task"] = _named("task", _record(full["data"]).tasks[0], TASKS)
        if "partition" not in full and _brings_clients(full.get("data")):
            full["partition"] = {"name": "natural"}
        return full

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema with what ``_spell_out`` allows too: a record given by its name alone."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for key, registry in REGISTRIES.items():
            alone = {"type": "string", "enum": list(spellings(registry))}
            record = schema["properties"][key]
            default = {"default": record.pop("default")} if "default" in record else {}
            schema["properties"][key] = {"anyOf": [alone, record], **default}
        alone = {"type": "string", "enum": list(spellings(TRACKERS))}
        listed = schema["properties"]["tracking"]
        listed["items"] = {"anyOf": [alone, listed["items"]]}
        return schema

    @model_validator(mode="after")
    def _agree(self) -> RunConfig:
        """Fill in what follows from other keys, and refuse keys that contradict each other."""
        federation, train = self.federation, self.train
        if federation.num_clients is None and self.partition.reads not in OWN_CLIENTS:
            federation = federation.model_copy(update={"num_clients": 10})
        total, sampled = federation.num_clients, federation.clients_per_round
        if total is not None and sampled is not None and sampled > total:
            raise ConfigError(
                f"federation.clients_per_round: {sampled} exceeds the {total} clients there are"
            )
        quorum = sampled if sampled is not None else total
        if quorum is not None and federation.min_uploads > quorum:
            raise ConfigError(
                f"federation.min_uploads: {federation.min_uploads} exceeds the {quorum} clients "
                "of a round"
            )
        if "validation" not in self.evaluation.splits:
            raise ConfigError(
                "evaluation.splits: validation must be among them (it picks the best)"
            )
        if train.warmup_rounds >= federation.num_rounds:
            raise ConfigError(
                f"train.warmup_rounds: {train.warmup_rounds} leaves none of the "
                f"{federation.num_rounds} rounds at the full learning rate"
            )
        if train.epochs is None and train.max_steps is None:
            raise ConfigError("train.epochs: epochs and max_steps cannot both be null")
        if train.optimizer != "sgd" and train.momentum:
            raise ConfigError(f"train.momentum: {train.momentum} needs optimizer sgd")
        if len(set(self.evaluation.splits)) < len(self.evaluation.splits):
            raise ConfigError("evaluation.splits: a split is named twice")
        if "plain_sgd" in self.rule.traits and (train.optimizer != "sgd" or train.momentum):
            raise ConfigError(
                f"rule: {self.rule.name} corrects the steps of plain SGD; set train.optimizer to "
                "sgd, train.momentum to 0 and a train.learning_rate"
            )
        if self.task.name not in self.data.tasks:
            raise ConfigError(
                f"task: the data set {self.data.name} is for {' or '.join(self.data.tasks)}, "
                f"not {self.task.name}"
            )
        if self.partition.reads == "label" and not self.task.one_label:
            raise ConfigError(
                f"partition: {self.partition.name} spreads labels, and {self.task.name} has no "
                "label for a whole example; use embedding, quantity, iid, natural or saved"
            )
        self._agree_on_place()
        object.__setattr__(self, "task", self._informed_task())
        object.__setattr__(self, "federation", federation)
        object.__setattr__(self, "train", resolve_rate(train, self.method.default_rate))
        return self

    def _agree_on_place(self) -> None:
        """Refuse a run whose data and engine are not in the same place.

        Raises: ConfigError.
        """
        far = isinstance(self.data, Sites)
        if far != (isinstance(self.engine, Flower) and self.engine.mode == "deployment"):
            raise ConfigError(
                f"engine: data {self.data.name} and engine {self.engine.name} do not go together; "
                "data sites needs {name: flower, mode: deployment}, and nothing else does"
            )
        if not far:
            return
        if self.profile is not None:
            raise ConfigError(
                "profile: the clients of a deployment are real; leave it out, and name one for the "
                "report (--profile)"
            )
        if self.rule.name == "scaffold":
            raise ConfigError(
                "rule: scaffold must know every client's examples before the first round, and "
                "sites may join later; use another rule"
            )
        if self.search is not None:
            raise ConfigError("train.learning_rate: sites train at one rate; give a number")
        if list(self.evaluation.splits) != ["validation"] or self.evaluation.subset is not None:
            raise ConfigError(
                "evaluation: sites score what they held out; splits must be [validation] and "
                "subset null"
            )

    def _informed_task(self) -> Task:
        """The task with what follows from the data in the fields that were left out."""
        record: Any = self.task
        fields, given = type(record).model_fields, record.model_fields_set
        left_out = {
            key: value
            for key, value in self.data.task_settings().items()
            if key in fields and key not in given
        }
        if not left_out:
            return self.task
        return typing.cast("Task", type(record).model_validate(record.model_dump() | left_out))

    @property
    def needs_whole_start(self) -> bool:
        """Whether a client must know every initial value: decay pulls towards it, or downloads are
        differences from it."""
        return self.train.weight_decay > 0 or self.codecs[0] != "fp32"

    @property
    def codecs(self) -> tuple[Codec, Codec]:
        """How tensors travel to the clients and back; exactly, but where Flower carries them."""
        engine = self.engine
        return (engine.download, engine.upload) if isinstance(engine, Flower) else ("fp32", "fp32")

    @property
    def search(self) -> LearningRateGrid | None:
        """The learning rates to choose from, where the configuration names several."""
        rate = self.train.learning_rate
        return rate if isinstance(rate, LearningRateGrid) else None

    def with_rate(self, rate: float) -> RunConfig:
        """This configuration with one learning rate."""
        train = self.train.model_copy(update={"learning_rate": rate})
        return self.model_copy(update={"train": train})

    @classmethod
    def parse(cls, given: Any) -> RunConfig:
        """The configuration that a mapping describes.

        Raises: ConfigError naming the key, the value and what is allowed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, REGISTRIES)) from None

    @classmethod
    def load(cls, path: Path, changes: typing.Sequence[str] = ()) -> RunConfig:
        """The configuration in a YAML file, with ``key=value`` changes made first.

        Raises: ConfigError.
        """
        return cls.parse(apply_changes(read_yaml(path), changes))

    def to_yaml(self) -> str:
        """Every key with its resolved value."""
        return dump_yaml(self.model_dump(mode="json"))


def _trackers(given: Any) -> list[BaseModel]:
    """The trackers of a list of names and records.

    Raises: ConfigError.
    """
    if not isinstance(given, list):
        raise ConfigError(f"tracking: expected a list, not {shown(given)}")
    records: dict[str, type[BaseModel]] = dict(zip(names(TRACKERS), TRACKERS, strict=True))
    found: dict[str, BaseModel] = {}
    for place, value in enumerate(given):
        key = f"tracking.{place}"
        if isinstance(value, dict) and "name" not in value:
            raise ConfigError(f"{key}.name: missing; {nearest('', records)}")
        told = _named(key, value, TRACKERS)
        try:
            tracker = told if isinstance(told, BaseModel) else records[told["name"]](**told)
        except ValidationError as error:
            raise ConfigError(f"{key}.{explain(error, records[told['name']], {})}") from None
        name = str(getattr(tracker, "name", key))
        if name in found:
            raise ConfigError(f"{key}: {name} is named twice")
        found[name] = tracker
    return list(found.values())


def _record(described: Any) -> Any:
    """The class of the data record that is described, by its canonical name."""
    if isinstance(described, BaseModel):
        return described
    return dict(zip(names(DATASETS), DATASETS, strict=True))[described["name"]]


def _brings_clients(data: Any) -> bool:
    """Whether a data record or its description names clients of its own."""
    given = data if isinstance(data, dict) else getattr(data, "__dict__", {})
    return given.get("name") == "sites" or bool(given.get("client") or given.get("file_per_client"))


def _named(key: str, value: Any, registry: tuple[type[BaseModel], ...]) -> Any:
    if isinstance(value, str):
        return {"name": canonical(key, value, registry)}
    if isinstance(value, BaseModel):
        return value
    if not isinstance(value, dict):
        raise ConfigError(f"{key}: expected a name or a mapping, not {shown(value)}")
    name = value.get("name")
    if name is None:
        if key == "data":
            raise ConfigError(f"data.name: missing; {nearest('', names(registry))}")
        name = str(registry[0].model_fields["name"].default)
    if not isinstance(name, str):
        raise ConfigError(f"{key}.name: expected a name, not {shown(name)}")
    return {**value, "name": canonical(f"{key}.name", name, registry)}
