"""How clients train, as a configuration says it: one rate or several to choose from."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator

from federa.errors import ConfigError
from federa.registry import RECORD, Flag, Integer, Real


class LearningRateGrid(BaseModel):
    """Learning rates to choose from on the validation split, each by a short run.

    grid: at least two different rates; num_rounds: of each short run, rounded up to a whole number
    of ``evaluation.every`` and at most the run's own.
    """

    model_config = RECORD

    grid: Annotated[list[Annotated[Real, Field(gt=0)]], Field(min_length=2)]
    num_rounds: Integer = Field(5, gt=0)

    @field_validator("grid")
    @classmethod
    def _all_different(cls, grid: list[float]) -> list[float]:
        if len(set(grid)) < len(grid):
            raise ValueError("must not name a rate twice")
        return sorted(grid)


SEARCH = "search"
"""The tag of a grid in place of a rate, as it stands in the places of pydantic's problems."""


def _rate_or_search(value: object) -> str:
    return SEARCH if isinstance(value, dict | LearningRateGrid) else "rate"


Rate = Annotated[
    Annotated[Real, Field(gt=0), Tag("rate")] | Annotated[LearningRateGrid, Tag(SEARCH)],
    Discriminator(_rate_or_search),
]


class TrainConfig(BaseModel):
    """How every client trains in a round; the optimiser starts afresh each round.

    learning_rate: a rate, or ``{grid: [...]}`` to search; null takes the method's default, which is
    for adamw; epochs and max_steps: whichever ends first,
    and one of them may be null; weight_decay: per step lr * weight_decay * (w - w_start), so that
    an SVD start is not shrunk; max_grad_norm: of the data's gradient, before the aggregation rule
    adds its own terms, and null switches clipping off; dropout: the model's own
    rates when true, none when false; precision auto: bf16 products of frozen weights where the
    hardware has them; gradient_checkpointing: compute each layer again in the backward pass, which
    takes less memory and more time and changes no result.
    """

    model_config = RECORD

    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Rate | None = Field(
        None, description="a rate, {grid: [...]} to search, or null: the method's default"
    )
    momentum: Real = Field(0.0, ge=0, lt=1, description="of sgd")
    weight_decay: Real = Field(0.0, ge=0, description="towards the start")
    max_grad_norm: Real | None = Field(1.0, gt=0)
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="of the learning rate, over the rounds"
    )
    warmup_rounds: Integer = Field(0, ge=0)
    batch_size: Integer = Field(8, gt=0)
    epochs: Integer | None = Field(1, gt=0)
    max_steps: Integer | None = Field(None, gt=0, description="optimiser steps a round, at most")
    max_length: Integer = Field(128, ge=4, description="tokens")
    dropout: Flag = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    gradient_checkpointing: Flag = Field(
        False, description="compute layers again in the backward pass: less memory, more time"
    )

    def rate(self, round: int, num_rounds: int) -> float:
        """The learning rate of ``round`` (from 0) of ``num_rounds``."""
        assert isinstance(self.learning_rate, float), "resolved by RunConfig, chosen by the search"
        if round < self.warmup_rounds:
            return self.learning_rate * (round + 1) / (self.warmup_rounds + 1)
        span = max(1, num_rounds - self.warmup_rounds)
        done = (round - self.warmup_rounds) / span
        if self.schedule == "linear":
            return self.learning_rate * (1 - done)
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        return self.learning_rate


def resolve_rate(config: TrainConfig, default: float) -> TrainConfig:
    """``config`` with the method's default learning rate where none is given.

    Raises: ConfigError if the optimiser is not the one that the defaults are for.
    """
    if config.learning_rate is not None:
        return config
    if config.optimizer != "adamw":
        raise ConfigError(
            f"train.learning_rate: null takes the method's default, which is for adamw; name one "
            f"for {config.optimizer}"
        )
    return config.model_copy(update={"learning_rate": default})
