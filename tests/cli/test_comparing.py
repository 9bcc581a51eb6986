"""federa compare and federa report: what options come to, exit codes, errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from federa import cli
from federa.compare import Comparison, Outcome
from federa.compare.plan import FILE
from federa.profiles import Profile

RUN = "data: {name: files, train: own.csv}\nfederation: {num_clients: 4, num_rounds: 12}\n"
ERROR = "federa: error: "


class Called(NamedTuple):
    """What the libraries behind the commands were asked for, and what is said."""

    comparisons: list[tuple[Comparison, Path]]
    reports: list[tuple[list[Path], Path, dict[str, Any]]]
    outcome: list[Outcome]
    federa: Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Called:
    """The commands in a folder with ``run.yaml``; nothing is run, and no report is written."""

    def compare(comparison: Comparison, folder: Path, overview: Any) -> Outcome:
        overview.begun(comparison.cells(), {})
        comparisons.append((comparison, folder))
        return outcome[-1]

    def make_report(folders: Any, out: Path, **fields: Any) -> list[Path]:
        reports.append((list(folders), out, fields))
        return [out / "report.html"]

    def federa(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["federa", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, said.out, said.err

    comparisons: list[tuple[Comparison, Path]] = []
    reports: list[tuple[list[Path], Path, dict[str, Any]]] = []
    outcome = [Outcome(["files, iid/lora/seed-1"], {})]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("federa.compare.compare", compare)
    monkeypatch.setattr("federa.report.making.make_report", make_report)
    (tmp_path / "run.yaml").write_text(RUN)
    return Called(comparisons, reports, outcome, federa)


def test_compare_without_options(called: Called) -> None:
    code, out, _ = called.federa("compare", "run.yaml")
    assert code == 0
    ((comparison, folder),) = called.comparisons
    assert folder == Path("comparison")
    assert comparison.methods == ["federa", "lora", "bitfit", "houlsby", "full"]
    assert (comparison.num_seeds, comparison.num_rates, comparison.rates) == (3, 3, None)
    assert (comparison.grid, comparison.pooled, comparison.profile) == ({}, False, None)
    assert out.startswith("15 runs\n")
    ((folders, where, fields),) = called.reports
    assert (folders, where) == ([folder], folder / "report")
    assert (fields["target"], fields["kept_targets"]) == ({}, {})
    assert (fields["profile"], fields["title"]) == (None, "comparison")
    assert "wrote comparison/report/report.html" in out


def test_compare_with_every_option(called: Called) -> None:
    grid = "partition=[iid, {name: dirichlet, alpha: 0.1}]"
    options = [
        *("--methods", "lora, fedft", "--seeds", "2", "--rates", "1", "--search-rounds", "4"),
        *("--grid", grid, "--grid", "method.rank=4,8", "--grid", "train.learning_rate=1e-3,5e-3"),
        *("--pooled", "--target", "0.5", "--target", "files, iid, rank 4=0.75"),
        *("--profile", "jetson-agx-orin", "--network", "lte", "--set", "seed=5", "--out", "here"),
    ]
    code, *_ = called.federa("compare", "run.yaml", *options)
    assert code == 0
    ((comparison, folder),) = called.comparisons
    assert folder == Path("here")
    assert comparison.base["seed"] == 5
    assert comparison.methods == ["lora", "full"]
    assert comparison.grid == {
        "partition": ["iid", {"name": "dirichlet", "alpha": 0.1}],
        "method.rank": [4, 8],
    }
    assert comparison.rates == [0.001, 0.005]
    assert (comparison.num_seeds, comparison.num_rates, comparison.search_rounds) == (2, 1, 4)
    assert comparison.pooled
    assert comparison.targets == {"": 0.5, "files, iid, rank 4": 0.75}
    wanted = Profile.model_validate({"device": "jetson_agx_orin", "network": "lte"})
    assert comparison.profile == wanted
    ((_, _, fields),) = called.reports
    assert fields["profile"] == wanted
    assert fields["target"] == {}
    assert fields["kept_targets"] == {
        "files, iid, rank 4": 0.75,
        "files, iid, rank 8": 0.5,
        "files, dirichlet alpha 0.1, rank 4": 0.5,
        "files, dirichlet alpha 0.1, rank 8": 0.5,
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["phone"], {"device": "phone", "network": "wifi_50"}),
        (["phone", "--network", "5g"], {"device": "phone", "network": "5g"}),
        (
            ["{fleet: {phone: 3, laptop: 1}, network: lte, dropout: 0.1}"],
            {"fleet": {"phone": 3, "laptop": 1}, "network": "lte", "dropout": 0.1},
        ),
        (
            ["{fleet: {phone: 3, laptop: 1}}", "--network", "{lte: 1, 5g: 1}"],
            {"fleet": {"phone": 3, "laptop": 1}, "network": {"lte": 1, "5g": 1}},
        ),
    ],
)
def test_profiles_of_the_command_line(
    called: Called, given: list[str], wanted: dict[str, Any]
) -> None:
    called.federa("compare", "run.yaml", "--profile", *given)
    assert called.comparisons[0][0].profile == Profile.model_validate(wanted)


@pytest.mark.parametrize(
    ("outcome", "code", "reported"),
    [
        (Outcome(["files, iid/lora/seed-1"], {}), 0, True),
        (Outcome(["files, iid/lora/seed-1"], {"files, iid/full/seed-1": "no"}), 1, True),
        (Outcome([], {"files, iid/full/seed-1": "no"}), 1, False),
    ],
)
def test_the_exit_code_tells_of_failures(
    called: Called, outcome: Outcome, code: int, reported: bool
) -> None:
    called.outcome.append(outcome)
    assert called.federa("compare", "run.yaml")[0] == code
    assert bool(called.reports) == reported


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", "partition"], "--grid partition: expected KEY=VALUES, such as"),
        (["--grid", "=iid"], "--grid =iid: expected KEY=VALUES, such as"),
        (["--grid", "partition={"], "--grid partition:1: not valid YAML"),
        (["--grid", "partition="], "--grid partition: needs at least one value"),
        (["--grid", "seed=1,2"], "--grid seed: is no setting; use --seeds"),
        (["--methods", "loar"], "--methods: unknown name 'loar'; did you mean 'lora'?"),
        (["--methods", ","], "methods: must have at least 1 item"),
        (["--seeds", "0"], "num_seeds: must be greater than or equal to 1, not 0"),
        (["--target", "high"], "--target high: expected a score, such as 0.75"),
        (["--target", "iid=0.5"], "--target iid: no such setting; "),
        (["--network", "lte"], "--network: needs --profile"),
        (["--profile", "fone"], "profile.device: unknown name 'fone'"),
        (["--set", "sede=1"], "sede: unknown key; did you mean 'seed'?"),
    ],
)
def test_what_is_wrong_is_one_line(called: Called, options: list[str], message: str) -> None:
    code, out, err = called.federa("compare", "run.yaml", *options)
    assert (code, out) == (2, "")
    assert err.startswith(ERROR + message)
    assert err.count("\n") == 1
    assert not called.comparisons


def test_report_takes_targets_and_profile_from_the_comparisons(
    called: Called, tmp_path: Path
) -> None:
    """The first folder's come first; one for all settings is one for all of its own."""
    base = {"data": {"name": "files", "train": "own.csv"}}
    phone = {"device": "phone", "network": "lte"}
    for name, targets, grid, profile in (
        ("one", {"files, iid": 0.5}, {}, None),
        ("two", {"files, iid": 0.6, "": 0.7}, {"partition": ["iid", "dirichlet"]}, phone),
    ):
        (tmp_path / name).mkdir()
        made = Comparison.make(base, ["lora"], grid, targets=targets, profile=profile)
        made.save(tmp_path / name)
        assert (tmp_path / name / FILE).is_file()
    code, out, _ = called.federa("report", "one", "two")
    assert code == 0
    assert "wrote one/report/report.html" in out
    ((folders, where, fields),) = called.reports
    assert (folders, where) == ([Path("one"), Path("two")], Path("one/report"))
    assert fields["target"] == {}
    assert fields["kept_targets"] == {"files, iid": 0.5, "files, dirichlet": 0.7}
    assert fields["profile"] == Profile.model_validate(phone)
    assert fields["title"] == "one, two"
    assert fields["commands"] == ["federa report one two"]
    options = ["--target", "0.9", "--profile", "laptop", "--title", "All", "--out", "there"]
    called.federa("report", "two", *options)
    folders, where, fields = called.reports[-1]
    assert (folders, where) == ([Path("two")], Path("there"))
    assert fields["target"] == {"": 0.9}
    assert fields["profile"] == Profile.model_validate({"device": "laptop", "network": "wifi_50"})
    assert fields["title"] == "All"
    called.federa("report", ".", "--target", "files, iid=0.8")
    _, _, fields = called.reports[-1]
    assert fields["target"] == {"files, iid": 0.8}
    assert fields["kept_targets"]["files, dirichlet"] == 0.7, "at any depth"
