"""The engine that suits the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.engines.cohort import Cohort
from federa.engines.sequential import Sequential
from federa.registry import RECORD, Integer

if TYPE_CHECKING:
    from federa.engines.interface import Engine, Session
    from federa.local import RunSetup


class Auto(BaseModel):
    """``cohort`` where it applies, else ``sequential``; the plan says which, and why.

    device: auto takes the first CUDA device if there is one; threads: of the CPU, auto takes all
    cores that this process may use.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "cohort where it applies, else sequential"

    name: Literal["auto"] = "auto"
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: Literal["auto"] | Annotated[Integer, Field(ge=1, le=1024)] = "auto"

    def open(self, setup: RunSetup) -> Session:
        """Open the engine that the plan names."""
        engine: Engine = Cohort() if setup.plan.engine == "cohort" else Sequential()
        return engine.open(setup)
