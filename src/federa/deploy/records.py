"""The two records of a deployment: the server's federation.yaml and a site's site.yaml."""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import typing
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from federa.config_errors import explain
from federa.datasets import DATASETS
from federa.errors import ConfigError
from federa.files import user_path
from federa.registry import RECORD, Flag, Integer, Real, canonical, names, nearest, once, shown
from federa.tasks import TASKS
from federa.yaml_text import dump_yaml, read_yaml

FEDERATION_FILE, SITE_FILE = "federation.yaml", "site.yaml"
DEFAULT_PORT, DEFAULT_INTERNAL_PORT = 8443, 18443
AT_THE_SITES = "sites"
"""The data record of a run whose rows are at the sites, which no site can name."""
SITE_DATA = tuple(record for record in DATASETS if names((record,)) != [AT_THE_SITES])
PLACES = ("train", "validation", "test", "folder")
"""The fields of data records that hold paths."""

if typing.TYPE_CHECKING:
    from federa.datasets import DataSet
else:
    DataSet = Annotated[Union[SITE_DATA], Field(discriminator="name")]  # noqa: UP007


def _site_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
        raise ValueError(
            "must be 1 to 63 small letters, digits and hyphens, the first one no hyphen"
        )
    return value


def _host(value: str) -> str:
    """A host name or IP address in its usual spelling."""
    reason = "must be a host name or an IP address that sites can reach, without scheme or port"
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        labels = value.lower().split(".")
        fits = all(re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", label) for label in labels)
        if not value.isascii() or not fits or len(value) > 253 or labels[-1].isdigit():
            raise ValueError(reason) from None
        return value.lower()
    if address.is_unspecified or address.is_multicast or "%" in value:
        raise ValueError(reason)
    return str(address)


def _server(value: str) -> str:
    """``host:port`` in its usual spelling, an IPv6 address in brackets."""
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError("must be host:port, such as fl.example.org:8443")
    bracketed = host.startswith("[") and host.endswith("]")
    if (":" in host) != bracketed:
        raise ValueError(
            "must be host:port, an IPv6 address in brackets, such as [2001:db8::1]:8443"
        )
    return host_and_port(_host(host[1:-1] if bracketed else host), int(port))


SiteName = Annotated[str, AfterValidator(_site_name)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[Integer, Field(ge=1, le=65535)]


def host_and_port(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Federation(BaseModel):
    """Who takes part and where the server is: server/federation.yaml.

    addresses: host names and IP addresses that sites reach the server by, the first for new sites;
    port: the one that sites connect to; internal_port: of Flower, on the loopback interface only;
    sites: a site's position is its client id, so that new ones are only ever appended.
    """

    model_config = RECORD

    name: str = Field("federation", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=40)
    addresses: Annotated[list[Host], Field(min_length=1), AfterValidator(once)]
    port: Port = DEFAULT_PORT
    internal_port: Port = DEFAULT_INTERNAL_PORT
    sites: Annotated[list[SiteName], Field(min_length=1), AfterValidator(once)]

    @model_validator(mode="after")
    def _two_ports(self) -> Federation:
        if self.internal_port == self.port:
            raise ConfigError(f"internal_port: {self.port} is the port that sites connect to")
        return self

    @property
    def server(self) -> str:
        """``host:port`` for new sites."""
        return host_and_port(self.addresses[0], self.port)

    @classmethod
    def parse(cls, given: Any) -> Federation:
        """The federation that a mapping describes.

        Raises: ConfigError naming the key, the value and what is allowed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, {})) from None

    @classmethod
    def load(cls, folder: Path) -> Federation:
        """The federation of a server folder.

        Raises: ConfigError naming the file too.
        """
        path = folder / FEDERATION_FILE
        given = read_yaml(path)
        try:
            return cls.parse(given)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def to_yaml(self) -> str:
        """Every key with its value."""
        return dump_yaml(self.model_dump(mode="json"))


class Limits(BaseModel):
    """What a site allows, whatever the server asks for.

    tasks: that it trains and evaluates; max_examples: of its rows, the most that are trained on,
    null is all; max_seconds: of a round's training, null is no limit; evaluation_fraction: of the
    rows, held out where the data has no validation split; min_evaluation_examples: below which no
    scores are given.
    """

    model_config = RECORD

    tasks: Annotated[list[str], Field(min_length=1)] = names(TASKS)
    max_examples: Integer | None = Field(None, gt=0)
    max_seconds: Real | None = Field(None, gt=0)
    evaluation_fraction: Real = Field(0.2, gt=0, lt=0.5)
    min_evaluation_examples: Integer = Field(20, gt=0)

    @field_validator("tasks")
    @classmethod
    def _known(cls, tasks: list[str]) -> list[str]:
        return once([canonical("limits.tasks", task, TASKS) for task in tasks])


class SiteConfig(BaseModel):
    """What a site's administrator decides: site.yaml.

    server: ``host:port``; data: any data record, for the rows that the site trains on;
    model: a local folder of the pre-trained model, null takes the name that the server gives;
    warm: keep the model in memory between rounds.
    """

    model_config = RECORD
    registries: ClassVar[dict[str, tuple[type[BaseModel], ...]]] = {"data": SITE_DATA}

    site: SiteName
    server: Annotated[str, AfterValidator(_server)]
    data: DataSet
    model: str | None = Field(None, min_length=1)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)] = "auto"
    warm: Flag = True
    limits: Limits = Limits()

    @field_validator("data", mode="before")
    @classmethod
    def _canonical(cls, given: Any) -> Any:
        """A name alone, or a mapping with an alias, spelt out."""
        if isinstance(given, BaseModel):
            return given
        described = {"name": given} if isinstance(given, str) else given
        if not isinstance(described, dict):
            raise ConfigError(f"data: expected a name or a mapping, not {shown(given)}")
        name = described.get("name")
        if name is None:
            raise ConfigError(f"data.name: missing; {nearest('', names(SITE_DATA))}")
        if not isinstance(name, str):
            raise ConfigError(f"data.name: expected a name, not {shown(name)}")
        if name == AT_THE_SITES:
            raise ConfigError(
                f"data.name: {AT_THE_SITES!r} is for the server's runs; a site names its own data, "
                f"{nearest('', names(SITE_DATA))}"
            )
        return {**described, "name": canonical("data.name", name, SITE_DATA)}

    @classmethod
    def parse(cls, given: Any) -> SiteConfig:
        """The site that a mapping describes, its paths as they are.

        Raises: ConfigError naming the key, the value and what is allowed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, cls.registries)) from None

    @classmethod
    def load(cls, folder: Path) -> SiteConfig:
        """The site of a folder, relative paths taken from that folder.

        Raises: ConfigError naming the file too.
        """
        path = folder / SITE_FILE
        given = read_yaml(path)
        try:
            return cls.parse(given)._placed(folder.resolve())
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def _placed(self, folder: Path) -> SiteConfig:
        data: Any = self.data
        fields = type(data).model_fields
        moved = {
            key: _from(folder, getattr(data, key))
            for key in PLACES
            if key in fields and getattr(data, key) is not None
        }
        hub = getattr(data, "hub", None)
        if hub is not None:
            moved["hub"] = _folder_from(folder, hub)
        changes: dict[str, Any] = {"data": data.model_copy(update=moved)}
        if self.model is not None:
            changes["model"] = _folder_from(folder, self.model)
        return self.model_copy(update=changes)


def _from(folder: Path, place: str) -> str:
    """The path or pattern ``place``, taken from ``folder`` unless it is absolute."""
    whole = folder / user_path(place)
    if glob.has_magic(place) and not os.path.exists(whole):
        return os.path.join(glob.escape(str(folder)), user_path(place))
    return str(whole)


def _folder_from(folder: Path, place: str) -> str:
    """``place`` in ``folder`` if there is such a folder; else it may be a name, and stays."""
    whole = folder / user_path(place)
    return str(whole) if os.path.isdir(whole) else place
