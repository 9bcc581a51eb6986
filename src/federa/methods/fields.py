"""Field types that several methods share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from federa.registry import Integer

Targets = Annotated[
    Literal["auto", "all_linear"] | Annotated[list[str], Field(min_length=1)],
    Field(description="modules to adapt: auto (query and value), all_linear, or the ends of names"),
]
Layers = Annotated[
    Annotated[str, Field(pattern=r"^(all|(first|last) [1-9]\d*)$")]
    | Annotated[list[Integer], Field(min_length=1)],
    Field(description="all, 'first n', 'last n', or layer indices"),
]
