"""A server and its sites in one process: same numbers as ``sequential``, and what goes wrong."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flwr", reason="needs the flower extra")

import torch

from deploy.sites import (
    Answer,
    LocalGrid,
    change_site,
    deployment,
    sites_config,
    write_sites,
)
from federa.checkpoint import RunFolder
from federa.config import RunConfig
from federa.deploy.participant import Participant
from federa.engines import flower_link
from federa.errors import ClientError, ConfigError
from federa.experiment import RunResult, run
from federa.wire import pack_upload, unpack_upload

pytestmark = pytest.mark.flower


@pytest.fixture
def places(tiny_table: Path, tmp_path: Path) -> list[Path]:
    return write_sites(tmp_path / "sites", tiny_table)


def grid_of(places: list[Path]) -> LocalGrid:
    return LocalGrid({number: Participant(place) for number, place in enumerate(places)})


def deployed(
    tmp_path: Path, grid: LocalGrid, config: RunConfig, name: str = "run1", **more: Any
) -> RunResult:
    engine = deployment(tmp_path / "server", grid, config, name)
    return run(config, engine=engine, folder=tmp_path / "runs", **more)


def together(places: list[Path], folder: Path) -> dict[str, Any]:
    """The data of all sites as one table with a client column, for the sequential engine."""
    for name in ("train", "validation"):
        rows = ["text,label,client"]
        for number, place in enumerate(places):
            for line in (place / f"{name}.csv").read_text(encoding="utf-8").splitlines()[1:]:
                text, label, _ = line.split(",")
                rows.append(f"{text},{label},c{number}")
        (folder / f"all-{name}.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    train, validation = (str(folder / f"all-{n}.csv") for n in ("train", "validation"))
    return {"name": "files", "train": train, "validation": validation, "client": "client"}


@pytest.mark.parametrize("method", ["federa", "lora", "bitfit", "houlsby", "full"])
def test_same_numbers_as_sequential(
    method: str, tiny_model: Callable[[str], str], places: list[Path], tmp_path: Path
) -> None:
    config = sites_config(tiny_model("bert"))
    if method != "federa":
        config = RunConfig.parse(config.model_dump(mode="json") | {"method": method})
    result = deployed(tmp_path, grid_of(places), config)
    content = config.model_dump(mode="json")
    content["data"] = together(places, tmp_path)
    content["partition"] = {"name": "natural"}
    content["engine"] = {"name": "sequential", "device": "cpu", "threads": 1}
    expected = run(RunConfig.parse(content), folder=tmp_path / "sequential")
    ours, theirs = RunFolder(result.folder).load_state(), RunFolder(expected.folder).load_state()
    assert ours.round == theirs.round == 3
    for name, value in theirs.params.items():
        assert torch.equal(ours.params[name], value), name
    for mine, other in zip(result.records, expected.records, strict=True):
        assert mine.down == other.down
        assert mine.up == other.up
        for score in ("accuracy", "macro_f1", "loss"):
            wanted = other.scores["validation"][score]
            assert mine.scores["validation"][score] == pytest.approx(wanted, abs=1e-6)
    assert result.exports[0].exists()


def test_wrong_sites_are_refused_before_training(
    tiny_model: Callable[[str], str],
    places: list[Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO", logger="federa")
    other = tmp_path / "sites" / "site1" / "train.csv"
    other.write_text(
        other.read_text(encoding="utf-8").replace("password", "toaster"), encoding="utf-8"
    )
    change_site(places[2], limits={"tasks": ["question_answering"]})
    config = sites_config(tiny_model("bert"), federation={"min_uploads": 1})
    grid = grid_of(places)
    deployed(tmp_path, grid, config)
    assert "site site1 is refused: the site's data cannot be used" in caplog.text
    assert "toaster" not in caplog.text  # it may be anything, in a wrong column
    assert "the label 'toaster' is not among data.labels (3)" in capsys.readouterr().err
    assert "site2 is refused: the task text_classification is not allowed here" in caplog.text
    assert {site for kind, site in grid.asked if kind == "train"} == {0}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base_sha256", "0" * 64),
        ("tokenizer_sha256", "0" * 64),
        ("labels", ["a", "b"]),
        ("federa", "0.0.0"),
        ("num_examples", -3),
        ("num_examples", 1e12),
        ("num_windows", None),
    ],
)
def test_the_server_checks_what_a_site_says(
    key: str,
    value: object,
    tiny_model: Callable[[str], str],
    places: list[Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="federa")
    grid = grid_of(places)

    def lie(kind: str, header: dict[str, Any], answer: Answer) -> Answer:
        return ({**answer[0], key: value}, b"") if kind == "hello" else answer

    grid.spoil[1] = lie
    deployed(tmp_path, grid, sites_config(tiny_model("bert"), federation={"num_rounds": 1}))
    assert f"site site1 is refused: its {key} is" in caplog.text
    assert {site for kind, site in grid.asked if kind == "train"} == {0, 2}


def test_another_model_is_found_out_by_both(
    tiny_model: Callable[[str], str],
    places: list[Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="federa")
    change_site(places[0], model=tiny_model("electra"))
    deployed(
        tmp_path, grid_of(places), sites_config(tiny_model("bert"), federation={"num_rounds": 1})
    )
    assert "site0 is refused: model: the" in caplog.text
    log = (places[0] / "logs" / "messages.jsonl").read_text(encoding="utf-8")
    assert "server's" in log


def nan(params: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value * float("nan") for name, value in params.items()}


def one_row(params: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value[:1] for name, value in params.items()}


FAULTS: dict[str, tuple[Callable[..., Any] | None, dict[str, Any], str]] = {
    "NaN": (nan, {}, "holds NaN or infinite values"),
    "one row": (one_row, {}, "its answer cannot be read"),
    "nothing": (lambda params: {}, {}, "wrong names"),
    "huge count": (None, {"num_examples": 10**12}, "claims 1000000000000 examples"),
    "no examples": (None, {"num_examples": 0}, "claims 0 examples"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_update_is_set_aside(
    fault: str, tiny_model: Callable[[str], str], places: list[Path], tmp_path: Path
) -> None:
    change, fields, reason = FAULTS[fault]
    grid = grid_of(places)

    def spoil(kind: str, header: dict[str, Any], answer: Answer) -> Answer:
        if kind != "train" or header["round"] != 1:
            return answer
        upload = replace(plain_upload(grid, answer[1]), **fields)
        params = change(upload.params) if change else upload.params
        blob, _ = pack_upload(replace(upload, params=params), params, "fp32", None)
        return {}, blob

    grid.spoil[1] = spoil
    result = deployed(tmp_path, grid, sites_config(tiny_model("bert")))
    failures = [(r.round, f.client, f.reason) for r in result.records for f in r.failures]
    assert [entry[:2] for entry in failures] == [(2, 1)]
    assert reason in failures[0][2]
    assert [len(record.clients) for record in result.records] == [3, 3, 3]


def plain_upload(grid: LocalGrid, blob: bytes) -> Any:
    run = grid.sites[1001]._run
    assert run is not None
    return unpack_upload(blob, 1, run.setup.start)


def test_a_site_whose_answer_is_lost_is_asked_again(
    tiny_model: Callable[[str], str],
    places: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flower_link, "GRACE_SECONDS", 0.0)  # rounds take less here
    grid = grid_of(places)

    def lose(kind: str, header: dict[str, Any], answer: Answer) -> Answer | None:
        return None if kind == "train" and header["round"] == 0 else answer

    grid.spoil[2] = lose
    config = sites_config(tiny_model("bert"), engine={"round_timeout_seconds": 1})
    result = deployed(tmp_path, grid, config)
    assert [f.reason for f in result.records[0].failures] == ["site2: no answer within 1 s"]
    assert [len(record.clients) for record in result.records] == [3, 3, 3]
    assert not result.records[2].failures


def test_a_late_site_joins_the_next_round(
    tiny_model: Callable[[str], str], places: list[Path], tmp_path: Path
) -> None:
    grid = grid_of(places[:2])

    def join(kind: str, header: dict[str, Any], answer: Answer) -> Answer:
        if kind == "train" and header["round"] == 0:
            grid.sites.setdefault(1002, Participant(places[2]))
        return answer

    grid.spoil[0] = join
    config = sites_config(tiny_model("bert"), engine={"download": "bf16", "upload": "int8"})
    result = deployed(tmp_path, grid, config)
    sites = [[client.client for client in record.clients] for record in result.records]
    assert sites[0] == [0, 1]
    assert sites[2] == [0, 1, 2]
    assert not any(record.failures for record in result.records)


def test_every_site_failing_ends_clearly_and_keeps_the_state(
    tiny_model: Callable[[str], str], places: list[Path], tmp_path: Path
) -> None:
    grid = grid_of(places)
    broken = True

    def fail(kind: str, header: dict[str, Any], answer: Answer) -> Answer:
        return (
            ({"failure": "the disk is full"}, b"")
            if broken and header.get("round") == 1
            else answer
        )

    grid.spoil = dict.fromkeys(range(3), fail)
    config = sites_config(tiny_model("bert"), federation={"retries": 1})
    message = "round 2: 0 of 3 clients .*min_uploads is 2; .*the disk is full"
    with pytest.raises(ClientError, match=message):
        deployed(tmp_path, grid, config)
    assert sum(kind == "train" for kind, _ in grid.asked) == 3 + 2 * 3  # one round, and two tries
    folder = next((tmp_path / "runs").iterdir())
    assert RunFolder(folder).load_state().round == 1
    broken = False
    again = deployed(tmp_path, grid_of(places), config, resume=folder)
    assert [record.round for record in again.records] == [1, 2, 3]


def test_a_site_that_restarts_or_loses_its_state_goes_on(
    tiny_model: Callable[[str], str], places: list[Path], tmp_path: Path
) -> None:
    config = sites_config(tiny_model("bert"), engine={"upload": "int8"})
    plain = deployed(tmp_path / "plain", grid_of(places), config)
    grid = grid_of(places)

    def restart(kind: str, header: dict[str, Any], answer: Answer) -> Answer:
        if kind == "train" and header["round"] == 0:
            grid.sites[1001] = Participant(places[1])  # a new process, which reads its state
        return answer

    grid.spoil[1] = restart
    result = deployed(tmp_path / "restarted", grid, config, "run2")
    assert not any(record.failures for record in result.records)
    ours = RunFolder(result.folder).load_state().params
    for name, value in RunFolder(plain.folder).load_state().params.items():
        assert torch.equal(ours[name], value), name


def test_a_site_keeps_to_its_limits(
    tiny_model: Callable[[str], str], places: list[Path], tmp_path: Path
) -> None:
    change_site(places[0], limits={"max_examples": 5, "min_evaluation_examples": 5})
    change_site(places[1], limits={"max_seconds": 1e-9})
    change_site(places[2], limits={"min_evaluation_examples": 1000})
    config = sites_config(tiny_model("bert"), federation={"num_rounds": 1, "min_uploads": 1})
    result = deployed(tmp_path, grid_of(places), config)
    (record,) = result.records
    assert record.clients[0].num_examples == 5
    assert [failure.client for failure in record.failures] == [1]
    assert "the 1e-09 s allowed" in record.failures[0].reason
    assert record.scores["validation"]["num_sites"] == 1  # 1 holds no start, 2 withholds
    lines = (places[2] / "logs" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["answer_to"] for line in lines]
    assert kinds[:2] == ["hello", "train"]
    sent = json.loads(lines[1])
    assert sent["tensors"]
    assert sent["bytes"] > 1000
    assert "withheld" in json.loads(lines[2])["says"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rule": "scaffold", "train": {"optimizer": "sgd", "learning_rate": 0.1}},
            "rule: scaffold",
        ),
        ({"train": {"learning_rate": {"grid": [0.1, 0.2]}}}, "train.learning_rate"),
        ({"evaluation": {"splits": ["validation", "test"]}}, "evaluation"),
        ({"engine": {"mode": "simulation"}}, "data sites"),
    ],
)
def test_what_sites_cannot_do_is_refused(
    changes: dict[str, Any], message: str, tiny_model: Callable[[str], str]
) -> None:
    with pytest.raises(ConfigError, match=message):
        sites_config(tiny_model("bert"), **changes)


def test_run_says_where_to_submit(tiny_model: Callable[[str], str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="federa deploy submit"):
        run(sites_config(tiny_model("bert")), folder=tmp_path)
