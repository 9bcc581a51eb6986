"""What a comparison refuses, and what its folder may become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compare.plans import BASE, DIRICHLET, SPLITS, make
from federa.compare import Cell, Comparison
from federa.compare.plan import FILE, RATE
from federa.errors import ConfigError
from federa.profiles import Profile
from federa.yaml_text import dump_yaml, read_yaml


def without_name(one: Cell) -> dict[str, Any]:
    return one.config.model_dump(exclude={"name"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"methods": ("federa", "loar")}, r"--methods: unknown name 'loar'; did you mean 'lora'\?"),
        ({"methods": ("lora", "fedlr")}, "methods: must not name anything twice"),
        ({"methods": ()}, "methods: must have at least 1 item"),
        ({"num_seeds": 0}, "num_seeds: must be greater than or equal to 1, not 0"),
        ({"num_rates": 5}, "num_rates: must be less than or equal to 4, not 5"),
        ({"search_rounds": 0}, "search_rounds: must be greater than or equal to 1, not 0"),
        ({"targets": {"": "high"}}, "targets: must be a valid number, not 'high'"),
        ({"targets": {"files, idd": 0.5}}, "--target files, idd: no such .* mean 'files, iid'"),
        (
            {"profile": {"device": "fone", "network": "lte"}},
            "unknown name 'fone'",
        ),
        ({"base": {**BASE, "sede": 1}}, "sede: unknown key; did you mean 'seed'"),
        ({"base": {**BASE, "train": None}}, "train: must be a mapping of keys, not None"),
        ({"base": {"seed": 1}}, "data: missing"),
        ({"grid": {"partition": []}}, "--grid partition: needs at least one value"),
        ({"grid": {RATE: []}}, r"--grid train\.learning_rate: needs at least one value"),
        ({"grid": {RATE: [0.1, 0.1]}}, r"learning_rate\.grid: must not name a rate twice"),
        ({"grid": {RATE: [0.1, -1.0]}}, "must be greater than 0, not -1.0"),
        ({"grid": {RATE: ["big"]}}, "rates: must be a valid number, not 'big'"),
        ({"grid": {"seed": [1, 2]}}, "--grid seed: is no setting; use --seeds"),
        ({"grid": {"method": ["lora"]}}, "--grid method: is no setting; use --methods"),
        ({"grid": {"method.name": ["lora"]}}, r"--grid method\.name: is no setting; use --methods"),
        ({"grid": {"name": ["a"]}}, "--grid name: is no setting; use --out"),
        ({"grid": {"patition": ["iid"]}}, "patition: unknown key; did you mean 'partition'"),
        ({"grid": {"partition": ["idd"]}}, "partition: unknown name 'idd'; did you mean 'iid'"),
        ({"grid": {"train": [None]}}, "train: must be a mapping of keys, not None"),
        ({"grid": {"method.rank": [4, 0]}}, r"method\.rank: must be greater than 0, not 0"),
        (
            {"base": {**BASE, "train": {"optimizer": "sgd", "learning_rate": 0.1}}},
            r"--grid train\.learning_rate: name the rates .* are for adamw, and .* is sgd",
        ),
        ({"grid": {"seed.x": [1]}}, "seed: must be a valid integer"),
        ({"grid": {"..": [1]}}, "expected key=value"),
        ({"grid": {"partition": ["iid", "iid"]}}, "--grid: files, iid is there twice"),
        (
            {"grid": {"partition": ["iid", "IID", DIRICHLET]}},
            "--grid: files, IID is the same as files, iid",
        ),
        (
            {"grid": {"method.rank": [4, 8]}, "methods": ("full",)},
            "--grid: files, rank 8 is the same as files, rank 4",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make(**fields)
    assert "\n" not in str(caught.value)


def test_a_folder_keeps_its_comparison(tmp_path: Path) -> None:
    profile = {"fleet": {"phone": 3, "laptop": 1}, "network": "lte", "dropout": 0.1}
    comparison = make(
        grid={**SPLITS, RATE: [1e-3, 2e-3]},
        base={**BASE, "profile": profile},
        targets={"files, iid": 0.75},
        profile=profile,
        pooled=True,
    )
    comparison.save(tmp_path)
    assert Comparison.load(tmp_path) == comparison
    assert comparison.profile == Profile.model_validate(profile)
    comparison.save(tmp_path)  # the same once more


@pytest.mark.parametrize(
    "changes",
    [
        {"methods": ("lora", "bitfit", "federa")},
        {"num_seeds": 9},
        {"targets": {"": 0.9}},
        {"pooled": True},
        {"profile": {"device": "phone", "network": "lte"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_folders_comparison_may_grow(tmp_path: Path, changes: dict[str, Any]) -> None:
    make(grid=SPLITS).save(tmp_path)
    grown = make(grid=SPLITS, **changes)
    grown.save(tmp_path)
    assert Comparison.load(tmp_path) == grown
    before = {one.key: without_name(one) for one in make(grid=SPLITS).cells()}
    after = {one.key: without_name(one) for one in grown.cells()}
    for key in before.keys() & after.keys():
        assert before[key] == after[key], "what is there stays what it is"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"base": {**BASE, "seed": 8}}, "base"),
        ({"grid": {"partition": ["iid"]}}, "grid"),
        ({"num_rates": 2}, "num_rates"),
        ({"grid": {**SPLITS, RATE: [0.1]}}, "rates"),
        ({"search_rounds": 1}, "search_rounds"),
        ({"base": {**BASE, "seed": 8}, "search_rounds": 1}, "base"),
    ],
)
def test_another_comparison_is_refused(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    make(grid=SPLITS).save(tmp_path)
    kept = (tmp_path / FILE).read_bytes()
    with pytest.raises(ConfigError, match=rf"another comparison \(its {key} differs\).*--out"):
        make(**{"grid": SPLITS, **changes}).save(tmp_path)
    assert (tmp_path / FILE).read_bytes() == kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_seeds": "many"}, "num_seeds: must be a valid integer, not 'many'"),
        ({"sedes": 3}, "sedes: unknown key"),
        ({"methods": ["lora", "sparse"]}, "unknown name 'sparse'"),
    ],
)
def test_a_damaged_comparison_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    make().save(tmp_path)
    (tmp_path / FILE).write_text(dump_yaml(read_yaml(tmp_path / FILE) | change))
    with pytest.raises(ConfigError, match=message) as caught:
        Comparison.load(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / FILE).unlink()
    with pytest.raises(ConfigError, match=r"comparison\.yaml: cannot read"):
        Comparison.load(tmp_path)
