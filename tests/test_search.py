"""The search of a learning rate: what is chosen, what it costs, what is kept, how it goes on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import tiny_config
from federa import RunConfig, run
from federa.checkpoint import BEST, LATEST, START, RunFolder
from federa.engines.sequential import Sequential, SequentialSession
from federa.errors import ClientError, ConfigError, RunError
from federa.progress import Silent

GRID = [0.0001, 0.01, 0.03]


def searching(model: str, table: Path, **changes: Any) -> RunConfig:
    train = {"max_steps": 4, "batch_size": 4, "max_length": 24}
    rate = {"grid": GRID, "num_rounds": 2}
    rounds = {"num_clients": 4, "clients_per_round": 2, "num_rounds": 4}
    train |= {"learning_rate": rate} | changes.pop("train", {})
    return tiny_config(
        model, table, train=train, federation=rounds, method={"name": "lora", "rank": 4}, **changes
    )


class Interrupted(Silent):
    """Ctrl-C once ``number`` rounds have been finished."""

    def __init__(self, number: int) -> None:
        self.left = number

    def finished_round(self, record: Any, score: float | None) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def same_run(first: Path, second: Path) -> None:
    for name in (LATEST, BEST):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    records = [
        [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
        for folder in (first, second)
    ]
    for record in records[0] + records[1]:
        del record["measured_seconds"], record["peak_memory_bytes"]
    assert records[0] == records[1]


@pytest.fixture(scope="module")
def found(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    config = searching(tiny_model("bert"), tiny_table)
    return run(config, folder=tmp_path_factory.mktemp("runs")).folder


def test_the_best_on_validation_is_chosen_and_recorded(found: Path) -> None:
    outcome = json.loads((found / "search.json").read_text())
    assert [entry["learning_rate"] for entry in outcome["tries"]] == GRID
    assert outcome["num_rounds"] == 2
    best = {entry["learning_rate"]: max(entry["scores"].values()) for entry in outcome["tries"]}
    assert all(set(entry["scores"]) == {"1", "2"} for entry in outcome["tries"])
    assert outcome["chosen"] == max(GRID, key=lambda rate: (best[rate], -rate))
    assert all(entry["bytes"]["up"]["serialised_bytes"] > 0 for entry in outcome["tries"])
    summary = json.loads((found / "summary.json").read_text())
    assert summary["learning_rate"] == outcome["chosen"]
    assert summary["search"] == outcome
    records = RunFolder.open(found).records()
    assert [record.round for record in records] == [1, 2, 3, 4]
    assert {record.learning_rate for record in records} == {outcome["chosen"]}
    assert summary["bytes"]["up"]["serialised_bytes"] == sum(
        record.up.serialised_bytes for record in records
    )
    for rate in GRID:
        kept = {path.name for path in (found / "search" / repr(rate)).iterdir()}
        assert "rounds.jsonl" in kept
        assert not kept & {START, LATEST, BEST}, "states of short runs are not left on the disk"


def test_the_run_is_the_one_that_the_chosen_rate_gives(
    found: Path, tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    chosen = json.loads((found / "search.json").read_text())["chosen"]
    config = searching(tiny_model("bert"), tiny_table, train={"learning_rate": chosen})
    same_run(found, run(config, folder=tmp_path).folder)


def test_short_runs_are_scored_at_their_end_and_fit_the_run(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    config = searching(tiny_model("bert"), tiny_table, evaluation={"every": 3})
    outcome = json.loads((run(config, folder=tmp_path).folder / "search.json").read_text())
    assert outcome["num_rounds"] == 3, "2 rounds, rounded up to a whole span of evaluation.every"
    (entry,) = [e for e in outcome["tries"] if e["learning_rate"] == outcome["chosen"]]
    scores = [record.scores for record in RunFolder.open(tmp_path / "tiny").records()[:3]]
    assert scores[:2] == [{}, {}]
    third = scores[2]["validation"]["accuracy"]
    assert entry["scores"] == {"1": None, "2": None, "3": third}
    assert entry["best"] == third


@pytest.mark.parametrize("stop", [0, 1, 3, 5, 6, 7])
def test_a_stopped_search_goes_on_to_the_same_bits(
    found: Path, tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, stop: int
) -> None:
    """Two rounds for each of three rates, then rounds 3 and 4: stopped within and between them."""
    config = searching(tiny_model("bert"), tiny_table)
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, progress=Interrupted(stop))
    (folder,) = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    rounds_before = sum(
        len(path.read_text().splitlines()) for path in folder.glob("search/*/rounds.jsonl")
    )
    assert rounds_before == min(stop + 1, 6)
    run(None, resume=folder)
    same_run(found, folder)
    for name in ("learning_rate", "best", "latest", "bytes"):
        summaries = [json.loads((f / "summary.json").read_text()) for f in (found, folder)]
        assert summaries[0][name] == summaries[1][name]


def test_more_rounds_keep_the_choice(
    found: Path, tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    config = searching(tiny_model("bert"), tiny_table)
    folder = run(config, folder=tmp_path).folder
    more = config.model_copy(
        update={"federation": config.federation.model_copy(update={"num_rounds": 5})}
    )
    result = run(more, resume=folder)
    assert [record.round for record in result.records] == [1, 2, 3, 4, 5]
    assert len({record.learning_rate for record in result.records}) == 1
    other = searching(tiny_model("bert"), tiny_table, train={"learning_rate": {"grid": [1.0, 2.0]}})
    with pytest.raises(ConfigError, match=r"train\.learning_rate\.grid: .* in the run"):
        run(other, resume=folder)


class Diverging(Sequential):
    """Clients whose numbers overflow above a rate."""

    above: float

    def open(self, setup: Any) -> Any:
        limit = self.above

        class Session(SequentialSession):
            def train(self, round: int, work: Any) -> Iterator[Any]:
                from federa.types import ClientFailure

                if self.setup.train.learning_rate > limit:
                    yield from (ClientFailure(client, "overflow") for client in sorted(work))
                else:
                    yield from super().train(round, work)

        return Session(setup)


def test_a_rate_that_cannot_be_trained_at_is_an_answer(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    config = searching(tiny_model("bert"), tiny_table)
    result = run(config, folder=tmp_path, engine=Diverging(above=0.02))
    outcome = result.summary["search"]
    assert outcome["chosen"] in (0.0001, 0.01)
    last = outcome["tries"][-1]
    assert last["best"] is None
    assert "0 of 2 clients returned a usable update" in last["failure"]


def test_no_rate_at_all_is_a_failed_run(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    config = searching(tiny_model("bert"), tiny_table)
    message = (
        r"train.learning_rate: no rate of the grid could be trained; at 0.0001: round 1: 0 of 2"
    )
    with pytest.raises(ClientError, match=message):
        run(config, folder=tmp_path, engine=Diverging(above=0.0))
    run(None, resume=tmp_path / "tiny")  # nothing is stuck: with sound clients it goes on


def test_a_damaged_outcome_is_named(
    found: Path, tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    config = searching(tiny_model("bert"), tiny_table)
    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, progress=Interrupted(6))
    folder = tmp_path / "tiny"
    whole = json.loads((folder / "search.json").read_text())
    for content in ("{", "{}", '{"chosen": 0.01}', json.dumps(whole | {"chosen": 7.0})):
        (folder / "search.json").write_text(content)
        with pytest.raises(RunError, match=r"search\.json: damaged"):
            run(None, resume=folder)
    (folder / "search.json").unlink()
    with pytest.raises(RunError, match=r"search\.json: missing, though the search is over"):
        run(None, resume=folder)
    (folder / "search.json").write_text(json.dumps(whole))
    run(None, resume=folder)
    same_run(found, folder)


@pytest.mark.parametrize("name", [LATEST, "rounds.jsonl"])
def test_a_chosen_short_run_that_is_damaged_is_named(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, name: str
) -> None:
    """The search is over, what it found is not taken over yet, and a file of it is gone."""
    config = searching(tiny_model("bert"), tiny_table)

    class Stops(Silent):
        def chose(self, rate: float, done: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, progress=Interrupted(5))  # within the last short run
    folder = tmp_path / "tiny"
    start = (folder / LATEST).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run(None, resume=folder, progress=Stops())
    (folder / LATEST).write_bytes(start)  # as if killed before the last of the copies
    chosen = json.loads((folder / "search.json").read_text())["chosen"]
    place = folder / "search" / repr(chosen)
    assert not (place / LATEST).exists()
    if name != LATEST:
        (place / LATEST).write_bytes(start)
        (place / name).unlink()
    with pytest.raises(RunError, match=rf"search/{chosen}/{name}: cannot read"):
        run(None, resume=folder)


def test_the_test_split_takes_no_part(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    """Even where it is scored on the way."""
    data = {"name": "files", "train": str(tiny_table), "test": str(tiny_table)}
    config = searching(
        tiny_model("bert"), tiny_table, data=data, evaluation={"splits": ["test", "validation"]}
    )
    result = run(config, folder=tmp_path)
    record = result.records[0]
    entry = next(
        e for e in result.summary["search"]["tries"] if e["learning_rate"] == record.learning_rate
    )
    assert entry["scores"]["1"] == record.scores["validation"]["accuracy"]
