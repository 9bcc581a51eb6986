"""Real tiny runs under a profile: modelled costs, drop-outs, stragglers, deadlines, resuming."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from builders import tiny_config
from federa import RunConfig, run
from federa.checkpoint import BEST, LATEST, RunFolder
from federa.engines.sequential import Sequential, SequentialSession
from federa.errors import ClientError
from federa.experiment import RunResult
from federa.measure import RoundRecord, parse_record
from federa.modelled import Fleet, work_of
from federa.profiles import Profile, RoundSeconds
from federa.progress import Silent
from federa.types import ClientFailure

NUM_CLIENTS, NUM_ROUNDS = 6, 3
FAST = {"name": "fast", "peak_flops_per_second": 1e12, "efficiency": 0.5, "memory_bytes": 1e9}
SLOW = FAST | {"name": "slow", "efficiency": 1e-6}
MIXED = [{"device": FAST, "weight": 2.0}, {"device": SLOW, "weight": 1.0}]
DROPOUT = {"device": "phone", "network": "lte", "dropout": 0.3}
DEADLINE = {"fleet": MIXED, "network": "ethernet_1000", "deadline_seconds": 1.0}
EVERYTHING = {
    "fleet": {"jetson_agx_orin": 1, "raspberry_pi_5": 1},
    "network": {"lte": 1, "5g": 1},
    "dropout": 0.25,
    "straggler_fraction": 0.3,
    "straggler_slowdown": 3.0,
}


def gone(profile: Profile, seed: int, round: int) -> set[int]:
    return {c for c in range(NUM_CLIENTS) if profile.fate(seed, round, c).dropped}


def slow(profile: Profile, seed: int) -> set[int]:
    return {c for c in range(NUM_CLIENTS) if profile.client(seed, c)[0].name == "slow"}


class Asked(Sequential):
    """The sequential engine, which notes whom it trains, and whose ``lost`` do not answer."""

    lost: dict[int, set[int]] = Field(default_factory=dict)
    asked: list[set[int]] = Field(default_factory=list)

    def open(self, setup: Any) -> Any:
        lost, asked = self.lost, self.asked

        class Session(SequentialSession):
            def train(self, round: int, work: Any) -> Iterator[Any]:
                missing = lost.get(round + 1, set())
                asked.append(set(work) - missing)
                there = {client: work[client] for client in work if client not in missing}
                yield from super().train(round, there)
                yield from (ClientFailure(client, "lost") for client in sorted(missing))

        return Session(setup)


def engine(**fields: Any) -> Asked:
    return Asked(threads=1, device="cpu", **fields)


Make = Callable[..., RunConfig]


@pytest.fixture(scope="module")
def make(tiny_model: Callable[[str], str], tiny_table: Path) -> Make:
    """A configuration with a profile, in which everyone takes part in every round."""

    def configure(profile: Any, min_uploads: int = 1) -> RunConfig:
        rounds = {"num_clients": NUM_CLIENTS, "num_rounds": NUM_ROUNDS, "min_uploads": min_uploads}
        return tiny_config(tiny_model("bert"), tiny_table, federation=rounds, profile=profile)

    return configure


def records_of(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    for line in lines:
        del line["measured_seconds"], line["peak_memory_bytes"]
    return lines


def require_same_states(first: Path, second: Path) -> None:
    for name in (LATEST, BEST):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.fixture(scope="module")
def modelled(make: Make, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A run with everything that a profile may say but a deadline."""
    return run(make(EVERYTHING), folder=tmp_path_factory.mktemp("modelled"))


def slowest_by_hand(home: RunFolder, record: RoundRecord) -> float:
    """Seconds of the slowest client whose update was used."""
    config, cost, times = home.config(), home.facts().cost, []
    assert config.profile is not None
    assert cost is not None
    for one in record.used:
        device, link = config.profile.client(config.seed, one.client)
        work = work_of(one.metrics)
        assert work is not None
        assert one.up is not None
        speed = device.peak_flops_per_second * device.efficiency
        slowdown = config.profile.fate(config.seed, record.round, one.client).slowdown
        wire_bits = 8 * (1 + link.overhead)
        times.append(
            2 * link.round_trip_seconds
            + one.down.serialised_bytes * wire_bits / link.down_bits_per_second
            + cost.flops(work) / speed * slowdown
            + one.up.serialised_bytes * wire_bits / link.up_bits_per_second
        )
    return max(times)


def test_the_seconds_and_joules_of_a_run_are_those_of_its_records(modelled: RunResult) -> None:
    home = RunFolder.open(modelled.folder)
    config, cost = home.config(), home.facts().cost
    assert config.profile is not None
    assert cost is not None
    there = Fleet(config.profile, cost, config.seed)
    records = home.records()
    assert len(records) == NUM_ROUNDS
    for record in records:
        found = there.round(record)
        assert found is not None
        assert found.joules is not None
        assert record.modelled_seconds == asdict(found.seconds)
        assert record.modelled_joules == found.joules
        seconds = RoundSeconds(**record.modelled_seconds)
        assert seconds.total == pytest.approx(slowest_by_hand(home, record))
        again = parse_record(record.to_json())
        assert again.modelled_seconds == record.modelled_seconds
        assert again.modelled_joules == record.modelled_joules


def test_without_a_profile_nothing_is_modelled(make: Make, tmp_path: Path) -> None:
    config = make(None)
    rounds = config.federation.model_copy(update={"num_rounds": 1})
    result = run(config.model_copy(update={"federation": rounds}), folder=tmp_path)
    (record,) = result.records
    assert (record.modelled_seconds, record.modelled_joules) == (None, None)


def test_drop_outs_are_failures_and_are_not_trained(make: Make, tmp_path: Path) -> None:
    """What is left is averaged as if they had been lost on the way."""
    config, there = make(DROPOUT), engine()
    assert config.profile is not None
    result = run(config, engine=there, folder=tmp_path / "dropped")
    lost = {number: gone(config.profile, config.seed, number) for number in (1, 2, 3)}
    assert any(lost.values())
    everyone = set(range(NUM_CLIENTS))
    assert there.asked == [everyone - lost[number] for number in (1, 2, 3)]
    for record in result.records:
        reasons = {failure.client: failure.reason for failure in record.failures}
        assert reasons == dict.fromkeys(lost[record.round], "dropped out (profile.dropout)")
        assert {one.client for one in record.clients} == everyone
        for one in record.clients:
            assert one.down.serialised_bytes > 0, "it was sent its download before it went"
            assert (one.up is None) == (one.client in lost[record.round])
    assert result.summary["num_failures"] == sum(map(len, lost.values()))
    other = run(make(None), engine=engine(lost=lost), folder=tmp_path / "lost")
    require_same_states(result.folder, other.folder)


def test_updates_after_the_deadline_are_not_used(make: Make, tmp_path: Path) -> None:
    """They are sent and counted, and the round lasts until the deadline."""
    config = make(DEADLINE)
    assert config.profile is not None
    late = slow(config.profile, config.seed)
    assert 0 < len(late) < NUM_CLIENTS
    there = engine()
    result = run(config, engine=there, folder=tmp_path / "late")
    assert there.asked == [set(range(NUM_CLIENTS))] * NUM_ROUNDS
    for record in result.records:
        assert {failure.client for failure in record.failures} == late
        for failure in record.failures:
            assert "as modelled; profile.deadline_seconds is 1" in failure.reason
        assert all(one.up is not None for one in record.clients)
        assert record.modelled_seconds is not None
        assert sum(record.modelled_seconds.values()) == pytest.approx(1.0)
        assert record.modelled_joules is None, "the devices do not say what they draw"
    assert RunFolder.open(result.folder).load_state().contacted == set(range(NUM_CLIENTS)) - late
    lost = dict.fromkeys(range(1, NUM_ROUNDS + 1), late)
    other = run(make(None), engine=engine(lost=lost), folder=tmp_path / "lost")
    require_same_states(result.folder, other.folder)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (
            DROPOUT | {"dropout": 0.99},
            r"0 of 6 clients .*client 0: dropped out",
        ),
        (DEADLINE | {"deadline_seconds": 1e-6}, r"0 of 6 clients .*client 0: needs .* as modelled"),
    ],
)
def test_too_few_in_time_end_the_run(
    make: Make, tmp_path: Path, profile: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=r"round 1: " + message) as caught:
        run(make(profile), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert RunFolder.open(tmp_path / "tiny").load_state().round == 0


def test_the_quorum_counts_those_who_stay(make: Make, tmp_path: Path) -> None:
    config = make(DROPOUT, min_uploads=NUM_CLIENTS)
    with pytest.raises(ClientError, match=r"federation\.min_uploads is 6; client \d: dropped out"):
        run(config, folder=tmp_path)


class Stops(Silent):
    """Ctrl-C after the first round."""

    def finished_round(self, record: Any, score: float | None) -> None:
        raise KeyboardInterrupt


def test_a_resumed_run_has_the_same_fates_and_seconds(
    make: Make, modelled: RunResult, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(make(EVERYTHING), folder=tmp_path, progress=Stops())
    result = run(resume=tmp_path / "tiny")
    assert any(record.failures for record in result.records[1:])
    require_same_states(result.folder, modelled.folder)
    assert records_of(result.folder) == records_of(modelled.folder)
