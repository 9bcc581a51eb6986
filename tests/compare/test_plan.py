"""What a comparison runs: order, names, rates, and what methods share."""

from __future__ import annotations

from typing import Any

import pytest

from compare.plans import BASE, DIRICHLET, SPLITS, make
from federa.compare import Cell, Comparison
from federa.compare.plan import RATE
from federa.config import RunConfig
from federa.methods import BitFit, Federa, Full, Houlsby, Lora
from federa.train_config import LearningRateGrid


def cell(comparison: Comparison, key: str) -> Cell:
    (found,) = [one for one in comparison.cells() if one.key == key]
    return found


def test_runs_go_seed_by_seed_setting_by_setting_method_by_method() -> None:
    comparison = make(grid=SPLITS, num_seeds=2, pooled=True)
    wanted = []
    for seed in (7, 8):
        for setting in ("files, iid", "files, dirichlet alpha 0.1"):
            wanted += [f"{setting}/{method}/seed-{seed}" for method in ("federa", "full")]
        wanted.append(f"files, iid/pooled/seed-{seed}")
    cells = comparison.cells()
    assert [one.key for one in cells] == wanted
    folders = [one.folder for one in cells]
    assert folders[:3] == [
        "files-iid.federa.seed-7",
        "files-iid.full.seed-7",
        "files-dirichlet-alpha-0.1.federa.seed-7",
    ]
    assert len(set(folders)) == len(folders)
    for one in cells:
        assert one.config.name == one.folder
        assert one.config.seed == one.seed
        assert one.config.method.name == ("full" if one.method == "pooled" else one.method)


def test_a_setting_has_the_values_of_the_grid_and_the_rest_of_the_base() -> None:
    comparison = make(grid={**SPLITS, "federation.clients_per_round": [2, 3]}, num_seeds=1)
    assert list(comparison.settings()) == [
        "files, iid, clients_per_round 2",
        "files, iid, clients_per_round 3",
        "files, dirichlet alpha 0.1, clients_per_round 2",
        "files, dirichlet alpha 0.1, clients_per_round 3",
    ]
    config = cell(comparison, "files, dirichlet alpha 0.1, clients_per_round 3/full/seed-7").config
    assert config.partition.name == "dirichlet"
    assert config.federation.clients_per_round == 3
    assert config.federation.num_rounds == 12


@pytest.mark.parametrize(
    ("partition", "label"),
    [
        (None, "iid"),
        ("dirichlet", "dirichlet"),
        ({"name": "dirichlet", "alpha": 0.5}, "dirichlet"),
        ({"name": "dirichlet", "alpha": 0.1, "min_examples": 3}, "dirichlet alpha 0.1 "),
    ],
)
def test_without_a_grid_the_setting_is_called_after_the_split(partition: Any, label: str) -> None:
    base = BASE if partition is None else {**BASE, "partition": partition}
    (name,) = make(base=base).settings()
    assert name.startswith(f"files, {label}")
    assert name == f"files, {label}" or "min_examples 3" in name


def test_long_names_have_folders_of_their_own() -> None:
    grid: dict[str, list[Any]] = {
        "partition": [{"name": "dirichlet", "alpha": 0.123456789}],
        "federation.clients_per_round": [2],
        "train.max_grad_norm": [0.5],
        "train.batch_size": [4, 8],
        "train.max_length": [100, 101],
    }
    cells = make(("full",), grid, num_seeds=1).cells()
    assert len(cells) == 4
    assert len({one.folder for one in cells}) == 4
    assert all(len(one.folder) <= 80 for one in cells)
    assert [one.folder for one in make(("full",), grid, num_seeds=1).cells()] == [
        one.folder for one in cells
    ], "the same in every process"


def test_methods_take_what_they_share_with_the_base() -> None:
    record = {"name": "federa", "rank": 4, "alpha": 8.0, "solver": "exact", "layers": [0, 1]}
    comparison = make(
        ("federa", "lora", "houlsby", "bitfit", "full"), base={**BASE, "method": record}
    )
    methods: dict[str, Any] = {one.method: one.config.method for one in comparison.cells()}
    assert methods == {
        "federa": Federa(rank=4, alpha=8.0, solver="exact", layers=[0, 1]),
        "lora": Lora(rank=4, alpha=8.0, layers=[0, 1]),
        "houlsby": Houlsby(layers=[0, 1]),
        "bitfit": BitFit(),
        "full": Full(),
    }


def test_a_grid_may_name_a_field_of_methods_given_by_name() -> None:
    comparison = make(
        ("lora", "fedft"), {"method.rank": [2, 4]}, base={**BASE, "method": "lora"}, num_seeds=1
    )
    ranks = {one.key: getattr(one.config.method, "rank", None) for one in comparison.cells()}
    assert ranks == {
        "files, rank 2/lora/seed-7": 2,
        "files, rank 2/full/seed-7": None,
        "files, rank 4/lora/seed-7": 4,
        "files, rank 4/full/seed-7": None,
    }


def test_the_first_seed_searches_around_each_methods_default_and_the_others_follow() -> None:
    comparison = make()
    assert cell(comparison, "files, iid/federa/seed-7").config.search == LearningRateGrid(
        grid=[8e-4, 2e-3, 5e-3], num_rounds=3
    ), "a fifth of 12 rounds, rounded up"
    assert cell(comparison, "files, iid/full/seed-7").config.search == LearningRateGrid(
        grid=[8e-5, 2e-4, 5e-4], num_rounds=3
    )
    for one in comparison.cells():
        first = f"files-iid.{one.method}.seed-7"
        assert one.rate_from == (None if one.seed == 7 else first)


@pytest.mark.parametrize(
    ("num_rates", "rates"),
    [(1, None), (2, [2e-4, 5e-4]), (3, [8e-5, 2e-4, 5e-4]), (4, [8e-5, 2e-4, 5e-4, 1.2e-3])],
)
def test_the_number_of_rates(num_rates: int, rates: list[float] | None) -> None:
    config = make(("full",), num_rates=num_rates).cells()[0].config
    if rates is None:
        assert config.train.learning_rate == 2e-4
        assert {one.rate_from for one in make(("full",), num_rates=1).cells()} == {None}
    else:
        assert config.search == LearningRateGrid(grid=rates, num_rounds=3)


def test_rates_in_the_grid_are_no_settings() -> None:
    comparison = make(grid={RATE: [0.01, 0.001]}, search_rounds=2)
    assert list(comparison.settings()) == ["files, iid"]
    for method in ("federa", "full"):
        config = cell(comparison, f"files, iid/{method}/seed-7").config
        assert config.search == LearningRateGrid(grid=[0.001, 0.01], num_rounds=2)
    alone = make(grid={RATE: [0.01]})
    assert {one.config.train.learning_rate for one in alone.cells()} == {0.01}
    assert {one.rate_from for one in alone.cells()} == {None}


def test_the_short_name_of_the_learning_rate_is_no_setting_either() -> None:
    long = make(grid={"train.learning_rate": [0.01, 0.02]})
    assert make(grid={"train.lr": [0.01, 0.02]}) == long
    assert long.rates == [0.01, 0.02]


def test_a_short_run_is_of_the_settings_own_rounds() -> None:
    comparison = make(grid={"federation.num_rounds": [5, 50]}, num_seeds=1)
    rounds = [one.config.search.num_rounds for one in comparison.cells() if one.config.search]
    assert rounds == [1, 1, 10, 10]


def test_pooled_is_full_fine_tuning_of_one_client_with_as_many_steps() -> None:
    base = {
        **BASE,
        "partition": DIRICHLET,
        "federation": {
            "num_clients": 8,
            "clients_per_round": 4,
            "min_uploads": 3,
            "num_rounds": 12,
        },
    }
    pooled = cell(make(base=base, pooled=True), "files, dirichlet alpha 0.1/pooled/seed-8")
    federation = pooled.config.federation
    assert (federation.num_clients, federation.clients_per_round) == (1, None)
    assert (federation.min_uploads, federation.num_rounds) == (1, 12)
    assert pooled.config.partition.name == "iid"
    assert pooled.config.method == Full()
    folders = [f"files-dirichlet-alpha-0.1.{method}.seed-8" for method in ("federa", "full")]
    assert pooled.steps_from == tuple(folders)
    assert pooled.ceiling_of == ("files, dirichlet alpha 0.1",)
    assert pooled.rate_from == "files-dirichlet-alpha-0.1.pooled.seed-7"


def test_pooled_is_run_once_for_settings_that_differ_in_who_holds_what() -> None:
    comparison = make(grid={**SPLITS, "train.batch_size": [4, 8]}, num_seeds=1, pooled=True)
    pooled = [one for one in comparison.cells() if one.method == "pooled"]
    assert [one.ceiling_of for one in pooled] == [
        ("files, iid, batch_size 4", "files, dirichlet alpha 0.1, batch_size 4"),
        ("files, iid, batch_size 8", "files, dirichlet alpha 0.1, batch_size 8"),
    ]
    assert [one.setting for one in pooled] == [one.ceiling_of[0] for one in pooled]
    assert {one.ceiling_of for one in comparison.cells() if one.method != "pooled"} == {()}


def test_pooled_is_run_for_every_number_of_clients_as_their_steps_differ() -> None:
    grid = {**SPLITS, "federation.clients_per_round": [2, 4]}
    comparison = make(grid=grid, num_seeds=1, pooled=True)
    pooled = [one for one in comparison.cells() if one.method == "pooled"]
    assert [one.ceiling_of for one in pooled] == [
        (f"files, iid, clients_per_round {n}", f"files, dirichlet alpha 0.1, clients_per_round {n}")
        for n in (2, 4)
    ]


def test_pooled_averages_its_one_client_plainly() -> None:
    base = {**BASE, "rule": {"name": "fedprox", "mu": 0.5}}
    rules = {one.method: one.config.rule.name for one in make(base=base, pooled=True).cells()}
    assert rules == {"federa": "fedprox", "full": "fedprox", "pooled": "fedavg"}


def test_other_optimizers_take_rates_that_are_named() -> None:
    base = {**BASE, "rule": "scaffold", "train": {"optimizer": "sgd", "learning_rate": 0.1}}
    for one in make(base=base, grid={RATE: [0.1, 0.3]}, num_seeds=1, pooled=True).cells():
        assert one.config.search is not None
        assert one.config.search.grid == [0.1, 0.3]


def test_nobody_is_missing_from_a_pooled_run() -> None:
    profile = {"device": "phone", "network": "lte", "dropout": 0.3, "deadline_seconds": 9.0}
    for one in make(base={**BASE, "profile": profile}, num_seeds=1, pooled=True).cells():
        found = one.config.profile
        assert found is not None
        assert found.devices[0].name == "phone"
        pooled = one.method == "pooled"
        assert (found.dropout, found.deadline_seconds) == ((0.0, None) if pooled else (0.3, 9.0))


def test_the_base_is_left_as_it_was_given() -> None:
    base = {**BASE, "train": {"batch_size": 4}, "method": {"name": "lora", "rank": 2}}
    before = RunConfig.parse(base)
    make(("lora", "full"), {"method.rank": [2, 4], "train.epochs": [2]}, base=base, pooled=True)
    assert RunConfig.parse(base) == before
    assert base["train"] == {"batch_size": 4}
    assert base["method"] == {"name": "lora", "rank": 2}
