"""Who trains on what, over which link, and who is slow or gone in a round."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from federa.errors import ConfigError
from federa.files import user_path
from federa.profiles.devices import DEVICES, Device
from federa.profiles.networks import NETWORKS, Network
from federa.profiles.round_model import RoundSeconds
from federa.registry import RECORD, Real, canonical, names, nearest, shown, spellings
from federa.seeding import numpy_generator
from federa.yaml_text import read_yaml

PRESETS: dict[str, tuple[type[BaseModel], ...]] = {"device": DEVICES, "network": NETWORKS}
RECORDS: dict[str, type[BaseModel]] = {"device": Device, "network": Network}
FILES = (".yaml", ".yml")
NOT_FIGURES = ("source", "assumed")
"""What a preset says of its figures, which does not hold of changed ones."""


def spell_out(kind: str, given: Any) -> Any:
    """The fields of a device or network (``kind``) given as a name, a file, a record or fields.

    Fields beside a preset's name replace the preset's.
    Raises: ConfigError if the name is unknown or the file cannot be read.
    """
    if isinstance(given, BaseModel):
        return given.model_dump()
    if isinstance(given, str) and given.endswith(FILES):
        return read_yaml(user_path(given))
    fields = {"name": given} if isinstance(given, str) else given
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        return given
    registry = PRESETS[kind]
    folded = fields["name"].lower().replace("-", "_")
    if len(fields) > 1 and folded not in map(str.lower, spellings(registry)):
        return fields  # figures of one's own under a name of one's own
    name = canonical(f"profile.{kind}", fields["name"], registry)
    preset = registry[names(registry).index(name)]().model_dump()
    if len(fields) > 1:
        preset = {key: value for key, value in preset.items() if key not in NOT_FIGURES}
    return {**preset, **fields, "name": name}


def share_out(kind: str, given: Any) -> Any:
    """The shares of a mix, given as weights by name or file, or as one device or network."""
    if isinstance(given, list | tuple):
        return given
    if isinstance(given, dict) and not RECORDS[kind].model_fields.keys() & given.keys():
        return [{kind: name, "weight": weight} for name, weight in given.items()]
    return [{kind: given, "weight": 1.0}]


class DeviceShare(BaseModel):
    """A device, and how many clients have it relative to the other weights."""

    model_config = RECORD

    device: Annotated[
        Device,
        BeforeValidator(partial(spell_out, "device"), json_schema_input_type=str | Device),
    ]
    weight: Real = Field(gt=0)


class NetworkShare(BaseModel):
    """A network, and how many clients have it relative to the other weights."""

    model_config = RECORD

    network: Annotated[
        Network,
        BeforeValidator(partial(spell_out, "network"), json_schema_input_type=str | Network),
    ]
    weight: Real = Field(gt=0)


@dataclass(frozen=True)
class Fate:
    """What becomes of a client in a round: whether it drops out, and how slowly it trains."""

    dropped: bool
    slowdown: float


class Profile(BaseModel):
    """Devices and networks of the clients: seconds and energy are modelled from them.

    device: of all clients, or fleet: of a mix; network: of all, or a mix; each is a preset's name,
    a file of ``federa profile calibrate``, or figures. dropout: the part of the clients of a round
    that return nothing; straggler_fraction: the part that trains straggler_slowdown times as long;
    deadline_seconds: modelled, after which an update is not used.
    Raises: ConfigError, whichever way it is made.
    """

    model_config = RECORD

    device: (
        Annotated[
            Device,
            BeforeValidator(partial(spell_out, "device"), json_schema_input_type=str | Device),
        ]
        | None
    ) = None
    fleet: Annotated[
        tuple[DeviceShare, ...],
        BeforeValidator(
            partial(share_out, "device"),
            json_schema_input_type=dict[str, float] | list[DeviceShare],
        ),
    ] = ()
    network: Annotated[
        tuple[NetworkShare, ...],
        Field(min_length=1),
        BeforeValidator(
            partial(share_out, "network"),
            json_schema_input_type=str | Network | dict[str, float] | list[NetworkShare],
        ),
    ]
    dropout: Real = Field(0.0, ge=0, lt=1)
    straggler_fraction: Real = Field(0.0, ge=0, le=1)
    straggler_slowdown: Real = Field(1.0, ge=1, le=1e6)
    deadline_seconds: Real | None = Field(None, gt=0)

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, given: Any, handler: ModelWrapValidatorHandler[Profile]) -> Profile:
        try:
            return handler(given)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None

    @model_validator(mode="after")
    def _agree(self) -> Profile:
        if (self.device is None) == (not self.fleet):
            raise ConfigError("profile: needs a device, or a fleet of several, and not both")
        if (self.straggler_fraction > 0) != (self.straggler_slowdown > 1):
            raise ConfigError(
                "profile.straggler_fraction: stragglers need a fraction above 0 and a "
                f"straggler_slowdown above 1, not {self.straggler_fraction:g} and "
                f"{self.straggler_slowdown:g}"
            )
        return self

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that clients may have."""
        return tuple(share.device for share in self._fleet)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks that clients may have."""
        return tuple(share.network for share in self.network)

    @property
    def _fleet(self) -> tuple[DeviceShare, ...]:
        if self.device is None:
            return self.fleet
        return (DeviceShare(device=self.device, weight=1.0),)

    def client(self, seed: int, client: int) -> tuple[Device, Network]:
        """What ``client`` has in every round of a run, drawn by the weights."""
        fleet, links = self._fleet, self.network
        device = _draw([share.weight for share in fleet], seed, "profile/device", client)
        network = _draw([share.weight for share in links], seed, "profile/network", client)
        return fleet[device].device, links[network].network

    def fate(self, seed: int, round: int, client: int) -> Fate:
        """What becomes of ``client`` in ``round``; the two draws do not depend on each other."""
        drawn = numpy_generator(seed, "profile/fate", round, client).random(2)
        slow = bool(drawn[1] < self.straggler_fraction)
        return Fate(bool(drawn[0] < self.dropout), self.straggler_slowdown if slow else 1.0)

    def in_time(self, seconds: RoundSeconds) -> bool:
        """Whether a client that takes so long is back before the deadline."""
        return self.deadline_seconds is None or seconds.total <= self.deadline_seconds


def _draw(weights: Sequence[float], seed: int, purpose: str, client: int) -> int:
    total = sum(weights)
    generator = numpy_generator(seed, purpose, client=client)
    return int(generator.choice(len(weights), p=[weight / total for weight in weights]))


def _explain(error: ValidationError) -> str:
    """The first problem: key, what is wrong, what is allowed."""
    problem = error.errors(include_url=False)[0]
    place = [str(part) for part in problem["loc"]]
    key = ".".join(["profile", *place])
    if problem["type"] == "missing":
        return f"{key}: missing"
    if problem["type"] == "extra_forbidden":
        owner = next((RECORDS[part] for part in reversed(place[:-1]) if part in RECORDS), Profile)
        return f"{key}: unknown key; {nearest(place[-1], owner.model_fields)}"
    if problem["type"] == "model_type":
        reason = "must be a mapping of keys"
    else:
        reason = str(problem["msg"]).partition(" after validation")[0]
        reason = re.sub(r"^(Input|Tuple) should", "must", reason)
    return f"{key}: {reason}, not {shown(problem['input'])}"
