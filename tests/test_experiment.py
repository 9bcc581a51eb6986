"""Whole runs on tiny models: rounds, quorum, records, scores, first contact."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import tiny_config
from federa import run
from federa.checkpoint import RunFolder
from federa.engines.sequential import Sequential, SequentialSession
from federa.errors import ClientError, ConfigError, DataError, ModelError
from federa.rounds import pick_cohort
from federa.types import ClientFailure, Upload


class Faulty(Sequential):
    """The sequential engine, whose answers of some (round, client) are replaced."""

    faults: dict[tuple[int, int], Any]

    def open(self, setup: Any) -> Any:
        faults = self.faults

        class Session(SequentialSession):
            def train(self, round: int, work: Any) -> Iterator[Any]:
                for answer in super().train(round, work):
                    change = faults.get((round, answer.client))
                    yield change(answer) if change else answer

        return Session(setup)


def nan(upload: Upload) -> Upload:
    params = {name: value * float("nan") for name, value in upload.params.items()}
    return Upload(upload.client, params, upload.num_examples)


def test_cohorts_are_pure_in_seed_and_round() -> None:
    first = pick_cohort(range(100), 10, 1, 4)
    assert first == pick_cohort(range(100), 10, 1, 4) == sorted(set(first))
    assert len(first) == 10
    assert first != pick_cohort(range(100), 10, 1, 5)
    assert first != pick_cohort(range(100), 10, 2, 4)
    assert pick_cohort(range(7), None, 1, 0) == list(range(7))
    seen = {client for round in range(40) for client in pick_cohort(range(20), 5, 3, round)}
    assert seen == set(range(20))


@pytest.mark.parametrize(
    ("method", "rate"),
    [
        ({"name": "federa", "rank": 4, "targets": "all_linear"}, 0.005),
        ({"name": "lora", "rank": 4, "targets": "all_linear"}, 0.005),
        ("full", 0.002),
    ],
)
def test_a_run_learns_and_leaves_what_it_says(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, method: Any, rate: float
) -> None:
    config = tiny_config(
        tiny_model("bert"),
        tiny_table,
        method=method,
        partition="iid",
        federation={"num_clients": 4, "clients_per_round": 4, "num_rounds": 5},
        train={
            "epochs": 3,
            "batch_size": 4,
            "max_length": 24,
            "learning_rate": rate,
        },
        evaluation={"every": 2, "per_client": True, "subset": 6},
    )
    result = run(config, folder=tmp_path)
    assert [record.round for record in result.records] == [1, 2, 3, 4, 5]
    assert [bool(record.scores) for record in result.records] == [False, True, False, True, True]
    assert result.records[1].scores["validation"]["num_examples"] == 6
    assert result.records[1].scores["validation"]["standard_error"] >= 0
    assert result.summary["best"]["scores"]["validation"]["accuracy"] > 0.9
    assert result.summary["best"]["scores"]["validation"]["num_examples"] == 12
    assert result.summary["baseline"]["validation"] == pytest.approx(1 / 3, abs=0.1)
    names = {path.name for path in result.folder.iterdir()}
    assert names == {
        ".lock",
        "config.yaml",
        "environment.json",
        "facts.json",
        "split.json",
        "clients.json",
        "rounds.jsonl",
        "summary.json",
        "start.safetensors",
        "latest.safetensors",
        "best.safetensors",
        "export",
    }
    environment = json.loads((result.folder / "environment.json").read_text())
    assert environment["versions"]["torch"] == torch.__version__
    assert environment["seed"] == 3
    facts = RunFolder.open(result.folder).facts()
    split = json.loads((result.folder / "split.json").read_text())
    owned = [row for rows in split["clients"] for row in rows]
    assert len(owned) == facts.num_train_examples
    assert sorted(owned + split["validation"]) == list(range(split["num_train_examples"]))
    counted = json.loads((result.folder / "clients.json").read_text())
    assert counted["sizes"] == [len(rows) for rows in split["clients"]]
    assert [sum(counts) for counts in counted["counts"]] == counted["sizes"]
    state = RunFolder.open(result.folder).load_state()
    record = result.records[0]
    per_client = 4 * sum(value.numel() for value in state.params.values())
    assert record.up.tensor_bytes == record.down.tensor_bytes == 4 * per_client
    assert facts.num_trained_parameters * 4 == per_client
    assert (record.averaging_error is None) == (method == "full")
    lines = (result.folder / "rounds.jsonl").read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == [1, 2, 3, 4, 5]
    again = run(config, folder=tmp_path)
    assert again.folder.name == "tiny-2", "an earlier run is never overwritten"
    assert (again.folder / "latest.safetensors").read_bytes() == (
        result.folder / "latest.safetensors"
    ).read_bytes(), "the same plan gives the same bits"


def test_first_contact_ships_the_start_once(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    result = run(tiny_config(tiny_model("bert"), tiny_table), folder=tmp_path)
    met: set[int] = set()
    layout = RunFolder.open(result.folder).load_state()
    factors = 4 * sum(layout.start[name].numel() for name in layout.layout.starts)
    usual = 4 * sum(value.numel() for value in layout.params.values())
    for record in result.records:
        for client in record.clients:
            assert client.first_contact == (client.client not in met)
            extra = factors if client.first_contact and record.round > 1 else 0
            assert client.down.tensor_bytes == usual + extra
            assert client.down.head_bytes == client.up.head_bytes
            assert client.down.serialised_bytes > client.down.tensor_bytes
        met |= {client.client for client in record.clients}


def test_faulty_clients_are_set_aside_and_the_rest_is_averaged(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    config = tiny_config(
        tiny_model("bert"), tiny_table, federation={"num_clients": 4, "num_rounds": 1}
    )
    faults = {
        (0, 1): nan,
        (0, 2): lambda upload: ClientFailure(2, "RuntimeError: out of memory"),
    }
    engine = Faulty(faults=faults, threads=1, device="cpu")
    result = run(config, engine=engine, folder=tmp_path)
    (record,) = result.records
    reasons = {failure.client: failure.reason for failure in record.failures}
    assert set(reasons) == {1, 2}
    assert "NaN" in reasons[1]
    assert record.clients[1].up is not None, "bytes that were sent count, used or not"
    assert record.clients[2].up is None
    assert result.summary["num_failures"] == 2
    state = RunFolder.open(result.folder).load_state()
    assert all(bool(value.isfinite().all()) for value in state.params.values())
    assert state.contacted == {0, 3}


def test_below_the_quorum_the_state_is_kept_and_the_run_can_go_on(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    federation = {"num_clients": 3, "num_rounds": 2, "min_uploads": 2}
    config = tiny_config(tiny_model("bert"), tiny_table, federation=federation)
    engine = Faulty(faults={(1, 0): nan, (1, 2): nan}, threads=1, device="cpu")
    with pytest.raises(
        ClientError, match=r"round 2: 1 of 3 clients.*min_uploads is 2; client 0: .*NaN"
    ):
        run(config, engine=engine, folder=tmp_path)
    home = RunFolder.open(tmp_path / "tiny")
    assert home.load_state().round == 1
    result = run(resume=tmp_path / "tiny")
    assert len(result.records) == 2
    whole = run(config, folder=tmp_path / "whole")
    assert (result.folder / "latest.safetensors").read_bytes() == (
        whole.folder / "latest.safetensors"
    ).read_bytes()


def test_more_rounds_on_resume_and_nothing_else(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    def config(num_rounds: int, **more: Any) -> Any:
        federation = {"num_clients": 3, "num_rounds": num_rounds}
        return tiny_config(tiny_model("bert"), tiny_table, federation=federation, **more)

    whole = run(config(4), folder=tmp_path / "whole")
    part = run(config(2), folder=tmp_path / "part")
    with pytest.raises(ConfigError, match=r"seed: 3 in the run, 4 now; .*num_rounds may grow"):
        run(config(4, seed=4), resume=part.folder)
    with pytest.raises(ConfigError, match=r"method\.rank: 4 in the run, 2 now"):
        run(config(4, method={"name": "federa", "rank": 2}), resume=part.folder)
    with pytest.raises(ConfigError, match=r"federation\.num_rounds: 1 is less"):
        run(config(1), resume=part.folder)
    more = run(config(4), resume=part.folder)
    assert len(more.records) == 4
    assert (more.folder / "latest.safetensors").read_bytes() == (
        whole.folder / "latest.safetensors"
    ).read_bytes()
    done = run(resume=more.folder)
    assert len(done.records) == 4, "a finished run resumes to nothing more"


def test_changed_data_or_model_is_noticed_on_resume(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    table = tmp_path / "train.csv"
    shutil.copy(tiny_table, table)
    model = shutil.copytree(tiny_model("bert"), tmp_path / "model")
    config = tiny_config(str(model), table, federation={"num_clients": 3, "num_rounds": 1})
    result = run(config, folder=tmp_path)
    table.write_text(tiny_table.read_text().replace("number 7 ", "number seventy ", 1))
    with pytest.raises(DataError, match="data or its split changed"):
        run(resume=result.folder)
    shutil.copy(tiny_table, table)
    weights = load_file(model / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"] += 1e-4
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="differ from the server's"):
        run(resume=result.folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"federation": {"num_clients": 500}, "partition": "iid"}, "500 clients cannot share 108"),
        ({"federation": {"num_clients": 50}}, r"min_examples.*exceed the 108"),
        ({"method": {"name": "federa", "rank": 33}}, r"method\.rank: 33 exceeds 32"),
        ({"method": {"name": "lora", "rank": 33}}, r"method\.rank: 33 exceeds 32"),
        ({"method": {"name": "federa", "targets": ["qry"]}}, "no module 'qry'"),
        ({"train": {"max_length": 67}}, "67 exceeds the model's 66 positions"),
        ({"evaluation": {"splits": ["validation", "test"]}}, "has no test split"),
        ({"engine": {"device": "cuda:9"}}, "'cuda:9' cannot be used here"),
        ({"partition": "natural", "federation": {}}, "natural needs clients in the data"),
    ],
)
def test_what_cannot_run_leaves_no_folder(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, changes: Any, message: str
) -> None:
    config = tiny_config(tiny_model("bert"), tiny_table, **changes)
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        run(config, folder=tmp_path / "runs")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_natural_clients(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    data = {"name": "files", "train": str(tiny_table), "client": "site"}
    content = tiny_config(tiny_model("bert"), tiny_table).model_dump()
    content |= {"data": data, "federation": {"num_rounds": 1}}
    del content["partition"]
    from federa import RunConfig

    result = run(RunConfig.parse(content), folder=tmp_path)
    assert len(result.records[0].clients) == 5


def test_a_run_in_bf16_learns_as_well_and_freezes_its_plan(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    """Products of frozen weights in bf16: slow without hardware for it, but right anywhere."""
    train = {"epochs": 3, "batch_size": 4, "max_length": 24, "learning_rate": 0.02}
    results = {}
    for precision in ("fp32", "bf16"):
        config = tiny_config(
            tiny_model("bert"),
            tiny_table,
            method={"name": "federa", "rank": 4, "targets": "all_linear"},
            partition="iid",
            federation={"num_clients": 4, "num_rounds": 3},
            train={**train, "precision": precision},
        )
        results[precision] = run(config, folder=tmp_path / precision)
    losses = [result.records[0].train_loss for result in results.values()]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    plan = RunFolder.open(results["bf16"].folder).facts().plan
    assert (plan.precision, plan.threads, plan.device) == ("bf16", 1, "cpu")
    state = RunFolder.open(results["bf16"].folder).load_state()
    assert {value.dtype for value in state.params.values()} == {torch.float32}


def test_a_run_that_diverges_ends_without_a_traceback(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    """Finite but huge weights pass admission; their scores cannot be written as numbers."""
    config = tiny_config(
        tiny_model("bert"),
        tiny_table,
        method={"name": "lora", "rank": 4},
        federation={"num_clients": 3, "num_rounds": 1},
        train={"max_steps": 1, "batch_size": 4, "max_length": 24, "learning_rate": 1e30},
    )
    result = run(config, folder=tmp_path)
    line = json.loads((result.folder / "rounds.jsonl").read_text())
    assert line["scores"]["validation"]["loss"] is None
    assert json.loads((result.folder / "summary.json").read_text())["latest"]["round"] == 1


def test_natural_clients_are_scored_on_their_own_rows(
    tiny_model: Callable[[str], str], tiny_table: Path
) -> None:
    from federa.splitting import split_data

    data = {"name": "files", "train": str(tiny_table), "client": "site"}
    config = tiny_config(
        tiny_model("bert"),
        tiny_table,
        data=data,
        partition="natural",
        federation={"num_rounds": 1},
        evaluation={"per_client": True},
    )
    split = split_data(config)
    table = split.evaluation["validation"]
    for number, rows in enumerate(split.evaluation_clients["validation"]):
        assert {table["client"][row] for row in rows} <= {f"site{number}"}
    assert sum(map(len, split.evaluation_clients["validation"])) == len(table["text"])


@pytest.mark.parametrize(
    ("method", "fresh"),
    [({"name": "lora", "rank": 4}, "lora_"), ("houlsby", "adapter_"), ("bitfit", "none")],
    ids=str,
)
def test_decay_needs_the_start_at_first_contact(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, method: Any, fresh: str
) -> None:
    """Of the head and of what is fresh; the base model's own biases a client knows."""
    train = {"max_steps": 2, "batch_size": 4, "max_length": 24, "weight_decay": 0.1}
    config = tiny_config(tiny_model("bert"), tiny_table, method=method, train=train)
    result = run(config, folder=tmp_path)
    start = RunFolder.open(result.folder).load_state().start
    also = 4 * sum(value.numel() for name, value in start.items() if fresh in name)
    usual = result.records[0].clients[0].down
    for record in result.records[1:]:
        for client in record.clients:
            assert client.down.head_bytes == usual.head_bytes * (2 if client.first_contact else 1)
            extra = client.down.tensor_bytes - usual.tensor_bytes
            assert extra == (usual.head_bytes + also if client.first_contact else 0)
    assert any(client.first_contact for record in result.records[1:] for client in record.clients)


def test_a_schedule_over_the_rounds_cannot_grow(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    def config(num_rounds: int) -> Any:
        train = {"max_steps": 1, "batch_size": 4, "max_length": 24, "schedule": "linear"}
        federation = {"num_clients": 3, "num_rounds": num_rounds}
        return tiny_config(tiny_model("bert"), tiny_table, train=train, federation=federation)

    result = run(config(2), folder=tmp_path)
    assert [record.learning_rate for record in result.records] == pytest.approx([0.002, 0.001])
    with pytest.raises(ConfigError, match=r"num_rounds: train\.schedule linear spans"):
        run(config(4), resume=result.folder)


def test_resuming_where_the_plans_device_is_missing(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    federation = {"num_clients": 3, "num_rounds": 1}
    result = run(
        tiny_config(tiny_model("bert"), tiny_table, federation=federation), folder=tmp_path
    )
    facts = json.loads((result.folder / "facts.json").read_text())
    facts["plan"]["device"] = "cuda:9"
    (result.folder / "facts.json").write_text(json.dumps(facts))
    with pytest.raises(ConfigError, match="'cuda:9' cannot be used here"):
        run(resume=result.folder)


@pytest.mark.parametrize("sizes", [[5] * 77, [40] + [5] * 10, [2, 300], [1, 1, 30]])
def test_validation_is_a_tenth_spread_over_the_labels(sizes: list[int], tmp_path: Path) -> None:
    from federa.splitting import split_data

    rows = [
        f"text {label} {row},l{label}" for label, size in enumerate(sizes) for row in range(size)
    ]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows))
    from federa import RunConfig

    config = RunConfig.parse(
        {
            "data": {"name": "files", "train": str(tmp_path / "t.csv")},
            "federation": {"num_clients": 2},
        }
    )
    split = split_data(config)
    held = split.evaluation["validation"]["label"]
    assert len(held) == round(sum(sizes) / 10)
    assert len(split.train["label"]) + len(held) == sum(sizes)
    assert set(split.train["label"]) == {f"l{label}" for label in range(len(sizes))}
    for label, size in enumerate(sizes):
        assert abs(held.count(f"l{label}") - size / 10) < 1


@pytest.mark.parametrize("rule", ["fedadam", "fedyogi"])
def test_a_merge_that_overflows_is_not_saved(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, rule: str
) -> None:
    """A finite update whose square is not: the state before it is kept, and the run can go on."""

    def huge(upload: Upload) -> Upload:
        params = {name: value + 1e25 for name, value in upload.params.items()}
        return Upload(upload.client, params, upload.num_examples)

    federation = {"num_clients": 2, "num_rounds": 2}
    config = tiny_config(tiny_model("bert"), tiny_table, rule=rule, federation=federation)
    engine = Faulty(faults={(1, 0): huge}, threads=1, device="cpu")
    with pytest.raises(ClientError, match=r"round 2: second/.* is not finite after the merge"):
        run(config, engine=engine, folder=tmp_path)
    home = RunFolder.open(tmp_path / "tiny")
    assert home.load_state().round == len(home.records()) == 1
    assert len(run(None, resume=home.path).records) == 2
