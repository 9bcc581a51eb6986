"""Flower carries the messages: to clients that its simulation runtime runs, or to real sites."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.errors import ConfigError
from federa.local import RunSetup, with_data
from federa.registry import RECORD, Integer, Real

if TYPE_CHECKING:
    from federa.engines.interface import Session


class Flower(BaseModel):
    """The same rounds, with Flower between server and clients.

    mode: simulation runs the clients of this process in Ray's, one GPU or several, or a Ray cluster
    ($RAY_ADDRESS); deployment is for sites that hold their own data (``federa deploy``).
    device: where a client trains, and where the server factors the model; threads: of the server,
    auto takes all cores that this process may use; client_cpus, client_gpus: what a simulated
    client gets of the machine; as many train at once as there is room for;
    round_timeout_seconds: after so long a round goes on without those that have not answered, null
    waits for all; wait_seconds: how long a deployment waits for enough sites;
    upload, download: how tensors travel. bf16, fp16 and int8 carry the difference from what the
    other side holds (the broadcast; the start), and what an upload loses is added to the client's
    next one.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("flwr",)
    summary: ClassVar[str] = "Flower carries the messages: Ray's simulation, or real sites"

    name: Literal["flower"] = "flower"
    mode: Literal["simulation", "deployment"] = "simulation"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)] = "auto"
    client_cpus: Annotated[Integer, Field(ge=1, le=1024)] = 1
    client_gpus: Real = Field(0.0, ge=0, le=1024)
    round_timeout_seconds: Real | None = Field(None, gt=0)
    wait_seconds: Real = Field(600.0, ge=0)
    upload: Literal["fp32", "bf16", "fp16", "int8"] = "fp32"
    download: Literal["fp32", "bf16", "fp16"] = "fp32"

    def open(self, setup: RunSetup) -> Session:
        """Start the simulation.

        Raises: ConfigError if Flower or Ray is missing, or the run is one for sites.
        """
        if self.mode == "deployment":
            raise ConfigError(
                "engine: sites are reached through a server; submit the run with: "
                "federa deploy submit"
            )
        for package in ("flwr", "ray"):
            if importlib.util.find_spec(package) is None:
                raise ConfigError(
                    f"engine: flower needs the package {package}; "
                    "pip install 'federa[flower-simulation]'"
                )
        from federa.engines.flower_simulation import SimulationSession

        return SimulationSession(self, with_data(setup))
