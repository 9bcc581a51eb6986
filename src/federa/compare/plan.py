"""What a comparison runs: every method in every setting with every seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from federa.compare.naming import label_of, slug
from federa.config import RunConfig
from federa.config_errors import explain
from federa.errors import ConfigError
from federa.files import write_atomically
from federa.methods import METHODS
from federa.profiles import Profile
from federa.registry import RECORD, Flag, Integer, Real, canonical, names, nearest, once
from federa.yaml_text import apply_changes, dump_yaml, read_yaml

FILE = "comparison.yaml"
RATE, SHORT_RATE = "train.learning_rate", "train.lr"
FACTORS = {1: (1.0,), 2: (1.0, 2.5), 3: (0.4, 1.0, 2.5), 4: (0.4, 1.0, 2.5, 6.0)}
"""Learning rates that are tried, as multiples of a method's default, by their number."""
MAY_CHANGE = frozenset(("methods", "num_seeds", "targets", "pooled", "profile"))
"""What another call on the same folder may ask for anew; runs that are there stay what they are."""
ELSEWHERE = {"seed": "--seeds", "method": "--methods", "method.name": "--methods", "name": "--out"}
"""Keys that are no settings, and the options that say what they would."""
POOLED = "pooled"
"""The method's label for full fine-tuning of one client that holds everything: the ceiling."""


@dataclass(frozen=True)
class Cell:
    """One run of a comparison.

    config: complete but for the learning rate, which is the one that the cell ``rate_from`` chose
    where that is given; a pooled cell makes as many steps a round as the first of ``steps_from``
    that is finished did, and is the ceiling of the settings ``ceiling_of``.
    """

    setting: str
    method: str
    seed: int
    config: RunConfig
    rate_from: str | None = None
    steps_from: tuple[str, ...] = ()
    ceiling_of: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """setting/method/seed-n: how people and files refer to the run."""
        return f"{self.setting}/{self.method}/seed-{self.seed}"

    @property
    def folder(self) -> str:
        """The name of its run folder."""
        return self.config.name


class Comparison(BaseModel):
    """A grid of runs, as its folder keeps it.

    base: a run's configuration as a mapping, from which the grid departs; grid: values by dotted
    key, every combination a setting; num_rates: learning rates tried for each method (1: its
    default alone), unless ``rates`` names them for all; search_rounds: of every short run; pooled:
    also full fine-tuning without a federation; targets: score to reach, by setting ("" for all);
    profile: what the report models seconds and energy on. Targets and profile touch no run.
    """

    model_config = RECORD

    base: dict[str, Any]
    methods: list[str] = Field(min_length=1)
    num_seeds: Integer = Field(3, ge=1, le=100)
    grid: dict[str, list[Any]] = {}
    num_rates: Integer = Field(3, ge=1, le=len(FACTORS))
    rates: list[Real] | None = None
    search_rounds: Integer | None = Field(None, ge=1)
    pooled: Flag = False
    targets: dict[str, Real] = {}
    profile: Profile | None = None

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: list[str]) -> list[str]:
        return once([canonical("--methods", method, METHODS) for method in methods])

    @classmethod
    def make(
        cls, base: dict[str, Any], methods: list[str], grid: dict[str, list[Any]], **fields: Any
    ) -> Comparison:
        """A comparison; learning rates in ``grid`` are not settings but rates to choose from.

        Raises: ConfigError, also where one of the runs could not be configured.
        """
        for key, values in grid.items():
            if key in ELSEWHERE:
                raise ConfigError(f"--grid {key}: is no setting; use {ELSEWHERE[key]}")
            if not values:
                raise ConfigError(f"--grid {key}: needs at least one value")
        spelt_out = {RATE if key == SHORT_RATE else key: values for key, values in grid.items()}
        rates = spelt_out.pop(RATE, None)
        try:
            made = cls(base=base, methods=methods, grid=spelt_out, rates=rates, **fields)
        except ValidationError as error:
            raise ConfigError(explain(error, cls, {})) from None
        made.cells()
        for name in made.targets.keys() - made.settings().keys() - {""}:
            raise ConfigError(f"--target {name}: no such setting; {nearest(name, made.settings())}")
        return made

    def settings(self) -> dict[str, dict[str, Any]]:
        """A run's configuration for every setting, by the setting's name.

        Raises: ConfigError if one of them cannot be, or two have one name.
        """
        found: dict[str, dict[str, Any]] = {}
        whole = RunConfig.parse(self.base)
        data = whole.data.name
        if not self.grid:
            partition = whole.model_dump(mode="json")["partition"]
            return {f"{data}, {label_of('partition', partition)}": dict(self.base)}
        for values in itertools.product(*self.grid.values()):
            full, parts = dict(self.base), []
            for key, value in zip(self.grid, values, strict=True):
                full = _with(full, key, value)
                parts.append(label_of(key, value))
            name = ", ".join([str(data), *parts])
            if slug(name) in map(slug, found):
                raise ConfigError(f"--grid: {name} is there twice")
            RunConfig.parse(full)
            found[name] = full
        return found

    def targets_by_setting(self) -> dict[str, float]:
        """The target of every setting that has one."""
        named = {name: self.targets.get(name, self.targets.get("")) for name in self.settings()}
        return {name: target for name, target in named.items() if target is not None}

    def cells(self) -> list[Cell]:
        """Every run, seed by seed, so that a grid that is stopped has whole seeds.

        Raises: ConfigError, also if two settings are the same under different names.
        """
        first = RunConfig.parse(self.base).seed
        cells: list[Cell] = []
        same: dict[str, str] = {}
        for seed in range(first, first + self.num_seeds):
            pooled: dict[str, Cell] = {}
            for setting, full in self.settings().items():
                of_setting = [self._cell(setting, full, m, seed, first) for m in self.methods]
                cells += of_setting
                other = same.setdefault(_content(of_setting), setting)
                if other != setting:
                    raise ConfigError(f"--grid: {setting} is the same as {other}")
                if self.pooled:
                    ceiling = self._pooled(setting, full, seed, first, of_setting)
                    same_one = pooled.setdefault(_budget(ceiling, of_setting[0]), ceiling)
                    served = (*same_one.ceiling_of, setting)
                    pooled[_budget(ceiling, of_setting[0])] = replace(same_one, ceiling_of=served)
            cells += pooled.values()
        return cells

    def _cell(
        self,
        setting: str,
        full: dict[str, Any],
        method: str,
        seed: int,
        first: int,
        label: str | None = None,
        steps_from: tuple[str, ...] = (),
    ) -> Cell:
        """One run; label: what its method is called, if not by its name."""
        label = label or method
        stem = f"{slug(setting)}.{label}.seed-"
        record = _method(full.get("method"), method)
        given = {**full, "method": record, "seed": seed, "name": f"{stem}{seed}"}
        given["train"] = {**given.get("train", {}), "learning_rate": self._rate(full, method)}
        config = RunConfig.parse(given)
        begun = seed == first or config.search is None
        start = None if begun else f"{stem}{first}"
        return Cell(setting, label, seed, config, rate_from=start, steps_from=steps_from)

    def _rate(self, full: dict[str, Any], method: str) -> Any:
        """One rate, or a grid to choose from.

        Raises: ConfigError if the rates are to be a method's own and the optimizer is not theirs.
        """
        (kind,) = (kind for kind in METHODS if names((kind,)) == [method])
        optimizer = full.get("train", {}).get("optimizer", "adamw")
        if self.rates is None and optimizer != "adamw":
            raise ConfigError(
                f"--grid {RATE}: name the rates to choose from; the methods' own are for adamw, "
                f"and train.optimizer is {optimizer}"
            )
        rates = self.rates or [_round(kind.default_rate * f) for f in FACTORS[self.num_rates]]
        if len(rates) == 1:
            return rates[0]
        train = {**full.get("train", {}), "learning_rate": rates[0]}
        num_rounds = RunConfig.parse({**full, "train": train}).federation.num_rounds
        rounds = self.search_rounds or max(1, math.ceil(num_rounds / 5))
        return {"grid": rates, "num_rounds": rounds}

    def _pooled(
        self, setting: str, full: dict[str, Any], seed: int, first: int, beside: list[Cell]
    ) -> Cell:
        """One client with everything; its steps are set when one of ``beside`` has run."""
        federation = full.get("federation", {})
        kept = {key: federation[key] for key in ("num_rounds",) if key in federation}
        alone = {
            **full,
            "partition": "iid",
            "rule": "fedavg",
            "federation": {**kept, "num_clients": 1, "min_uploads": 1},
        }
        steps = tuple(cell.folder for cell in beside)
        if full.get("profile") is not None:  # nobody is waited for, and nobody is missing
            alone["profile"] = {**full["profile"], "dropout": 0.0, "deadline_seconds": None}
        return self._cell(setting, alone, "full", seed, first, POOLED, steps)

    def save(self, folder: Path) -> None:
        """Write it into ``folder``, or check that what is there may become this.

        Raises: ConfigError if another comparison is there; RunError.
        """
        path = folder / FILE
        if path.exists():
            before, after = Comparison.load(folder).model_dump(), self.model_dump()
            for key in sorted(before.keys() - MAY_CHANGE):
                if before[key] != after[key]:
                    raise ConfigError(
                        f"{path}: holds another comparison (its {key} differs); name another "
                        "folder with --out"
                    )
        write_atomically(path, dump_yaml(self.model_dump(mode="json")).encode())

    @classmethod
    def load(cls, folder: Path) -> Comparison:
        """The comparison in ``folder``.

        Raises: ConfigError.
        """
        try:
            return cls.model_validate(read_yaml(folder / FILE))
        except ValidationError as error:
            raise ConfigError(f"{folder / FILE}: {explain(error, cls, {})}") from None


def _with(full: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """``full`` with the value at a dotted key."""
    import json

    return apply_changes(full, [f"{key}={json.dumps(value)}"])


def _method(given: Any, method: str) -> dict[str, Any]:
    """The record of ``method``, with what the base says of fields that it shares."""
    (kind,) = (kind for kind in METHODS if names((kind,)) == [method])
    shared = given if isinstance(given, Mapping) else {}
    same = {key: value for key, value in shared.items() if key in kind.model_fields}
    return {**same, "name": method}


def _budget(pooled: Cell, federated: Cell) -> str:
    """What a pooled run is and how long: the same where settings differ in who holds what alone."""
    federation = federated.config.federation
    return f"{_content([pooled])} {federation.num_clients} {federation.clients_per_round}"


def _content(cells: list[Cell]) -> str:
    """What runs do, whatever they are called."""
    return str([cell.config.model_dump(exclude={"name"}) for cell in cells])


def _round(value: float) -> float:
    return float(f"{value:.2g}")
