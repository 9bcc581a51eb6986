"""Modelled seconds and joules of rounds, by hand; who is late or gone."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from federa.measure import Bytes, ClientRecord, RoundRecord
from federa.modelled import Fleet, RoundCost, work_of
from federa.profiles import Network, Profile
from federa.training_cost import TrainingCost, Work
from federa.types import ClientFailure

DEVICE = {
    "name": "device",
    "peak_flops_per_second": 1e9,
    "efficiency": 0.5,
    "memory_bytes": 1e9,
    "power_watts": 10.0,
    "idle_watts": 2.0,
}
LINK = {
    "name": "link",
    "down_bits_per_second": 8e6,
    "up_bits_per_second": 8e5,
    "round_trip_seconds": 0.5,
    "overhead": 0.0,
}
NOTHING = TrainingCost(*[0.0] * len(fields(TrainingCost)))
COST = replace(
    NOTHING,
    flops_per_token=1e6,
    flops_per_token_pair=1e5,
    flops_per_window=1e7,
    flops_per_step=1e8,
)
# 100 + 800 + 160 + 40 million operations (below) at 5e8 a second
WORK = {"num_steps": 1.0, "num_windows": 4.0, "num_tokens": 800.0, "num_token_pairs": 1600.0}
COMPUTE = 2.2


def profile(**changes: Any) -> Profile:
    return Profile.model_validate({"device": DEVICE, "network": LINK, **changes})


def fleet(**changes: Any) -> Fleet:
    return Fleet(profile(**changes), COST, seed=3)


def client(number: int, times: float = 1.0, down: int = 1_000_000, **changes: Any) -> ClientRecord:
    """A client that did ``times`` as much as WORK; 1.5 s down, 2.2 s x times, 1.5 s up."""
    work = {name: times * value for name, value in WORK.items()}
    record = ClientRecord(number, False, Bytes(0, 0, down), Bytes(0, 0, 100_000), 4, work)
    return replace(record, **changes)


def unused(record: RoundRecord, *clients: int) -> RoundRecord:
    return replace(record, failures=[ClientFailure(number, "lost") for number in clients])


def close(found: RoundCost | None, seconds: tuple[float, ...], joules: float | None) -> None:
    assert found is not None
    assert tuple(asdict(found.seconds).values()) == pytest.approx(seconds)
    assert found.joules == (joules if joules is None else pytest.approx(joules))


def test_work_is_read_from_metrics_that_say_it_all() -> None:
    assert work_of({"loss": 1.0, **WORK}) == Work(1, 4, 800, 1600)
    for name in WORK:
        assert work_of({key: value for key, value in WORK.items() if key != name}) is None


def test_one_client_by_hand() -> None:
    record = RoundRecord(1, [client(0)])
    found = fleet().seconds(1, record.clients[0])
    assert found is not None
    assert tuple(asdict(found).values()) == pytest.approx((1.5, COMPUTE, 1.5))
    close(fleet().round(record), (1.5, COMPUTE, 1.5), 10 * COMPUTE + 2 * 3)


def test_a_round_has_the_parts_of_its_slowest_client_and_the_energy_of_all() -> None:
    """Client 1 computes longer, client 2 downloads longer and takes longest in all."""
    record = RoundRecord(1, [client(0), client(1, times=2), client(2, down=5_000_000)])
    close(fleet().round(record), (5.5, COMPUTE, 1.5), 10 * 4 * COMPUTE + 2 * (3 + 3 + 7))


def test_evaluation_is_not_in_the_round() -> None:
    record = replace(RoundRecord(1, [client(0)]), evaluation_bytes=(10**9, 10**9))
    close(fleet().round(record), (1.5, COMPUTE, 1.5), 28)


def test_a_client_whose_update_was_not_used_has_what_it_is_known_to_have_done() -> None:
    """Its download alone, unless it says what it did and sent something."""
    silent = client(1, down=9_000_000, up=None, metrics={}, num_examples=0)
    refused = client(2, down=5_000_000, metrics={})
    cut_off = client(3, down=4_000_000, up=None)
    record = unused(RoundRecord(1, [client(0), silent, refused, cut_off]), 1, 2, 3)
    assert [one.client for one in record.used] == [0]
    close(fleet().round(record), (9.5, 0, 0), 28 + 2 * (9.5 + 5.5 + 4.5))
    late = unused(RoundRecord(1, [client(0), client(1, times=5)]), 1)
    close(fleet().round(late), (1.5, 5 * COMPUTE, 1.5), 28 + 5 * 10 * COMPUTE + 2 * 3)


def test_without_power_there_are_seconds_and_no_joules() -> None:
    device = DEVICE | {"idle_watts": None}
    record = RoundRecord(1, [client(0)])
    close(fleet(device=device).round(record), (1.5, COMPUTE, 1.5), None)


def test_nothing_is_modelled_where_a_client_does_not_say_what_it_did() -> None:
    before = client(1, metrics={"loss": 0.5})
    record = RoundRecord(1, [client(0), before])
    assert fleet().seconds(1, before) is None
    assert fleet().round(record) is None
    assert fleet(deadline_seconds=0.1).late(replace(record, clients=[before])) == []
    close(fleet().round(unused(record, 1)), (1.5, COMPUTE, 1.5), 28 + 3)


def test_the_round_of_no_clients() -> None:
    close(fleet().round(RoundRecord(1)), (0, 0, 0), 0)


def test_another_network_takes_the_place_of_the_profiles() -> None:
    fast = Network.model_validate(
        LINK | {"name": "fast", "up_bits_per_second": 8e6, "round_trip_seconds": 0.0}
    )
    there = Fleet(profile(), COST, 3, network=fast)
    close(there.round(RoundRecord(1, [client(0)])), (1.0, COMPUTE, 0.1), 22 + 2 * 1.1)


def test_over_another_network_nobody_is_late() -> None:
    """Neither whose update was used, nor who was late in the run; nobody is waited for."""
    slow = Network.model_validate(LINK | {"name": "slow", "up_bits_per_second": 8e4})
    there = Fleet(profile(deadline_seconds=5.3), COST, 3, network=slow)
    record = RoundRecord(1, [client(0)])
    assert there.late(record) == []
    close(there.round(record), (1.5, COMPUTE, 10.5), 22 + 2 * 12)
    record = unused(RoundRecord(1, [client(0), client(1, times=2)]), 1)
    close(there.round(record), (1.5, 2 * COMPUTE, 10.5), 3 * 22 + 2 * 24)
    record = unused(RoundRecord(1, [client(0), client(1, up=None, metrics={})]), 1)
    close(there.round(record), (1.5, COMPUTE, 10.5), 22 + 2 * 13.5)


def test_a_client_whose_update_was_used_is_not_cut() -> None:
    """A report may ask for a deadline that the run did not have."""
    record = RoundRecord(1, [client(0)])
    close(fleet(deadline_seconds=2.0).round(record), (1.5, COMPUTE, 1.5), 28)


def test_each_client_has_the_device_that_the_profile_draws() -> None:
    slow = DEVICE | {"name": "slow", "efficiency": 0.05, "power_watts": 1.0}
    shares = [{"device": DEVICE, "weight": 1.0}, {"device": slow, "weight": 1.0}]
    mixed = fleet(device=None, fleet=shares)
    drawn = [mixed.profile.client(3, number)[0].name for number in range(12)]
    assert set(drawn) == {"device", "slow"}
    for number, name in enumerate(drawn):
        times = 10 if name == "slow" else 1
        watts = 1 if name == "slow" else 10
        record = RoundRecord(2, [client(number)])
        close(mixed.round(record), (1.5, COMPUTE * times, 1.5), COMPUTE * times * watts + 6)
    slowest_first = RoundRecord(1, [client(drawn.index("slow")), client(drawn.index("device"))])
    found = mixed.round(slowest_first)
    assert found is not None
    assert found.seconds.compute == pytest.approx(10 * COMPUTE)


def test_stragglers_compute_longer_and_transfer_as_fast() -> None:
    slow = fleet(straggler_fraction=0.5, straggler_slowdown=4.0)
    seen = set()
    for number in range(12):
        times = slow.profile.fate(3, 2, number).slowdown
        seen.add(times)
        close(
            slow.round(RoundRecord(2, [client(number)])),
            (1.5, COMPUTE * times, 1.5),
            10 * COMPUTE * times + 6,
        )
    assert seen == {1.0, 4.0}


def test_a_deadline_that_is_met_changes_nothing() -> None:
    there = fleet(deadline_seconds=5.2 + 1e-9)
    record = RoundRecord(1, [client(0)])
    assert there.late(record) == []
    close(there.round(record), (1.5, COMPUTE, 1.5), 28)


@pytest.mark.parametrize(
    ("deadline", "parts", "joules"),
    [
        (5.0, (1.5, COMPUTE, 1.3), 10 * COMPUTE + 2 * 2.8),  # within its upload
        (2.0, (1.5, 0.5, 0), 10 * 0.5 + 2 * 1.5),  # within its training
        (1.0, (1.0, 0, 0), 2 * 1.0),  # within its download
    ],
)
def test_too_late(deadline: float, parts: tuple[float, ...], joules: float) -> None:
    """The round ends at the deadline, and the client is charged for what it did until then."""
    there = fleet(deadline_seconds=deadline)
    record = RoundRecord(1, [client(0)])
    (failure,) = there.late(record)
    reason = f"needs 5.2 s as modelled; profile.deadline_seconds is {deadline:g}"
    assert failure == ClientFailure(0, reason)
    record.failures += [failure]
    assert there.late(record) == [], "it is not named twice"
    close(there.round(record), parts, joules)


def test_with_a_deadline_a_missing_update_is_waited_for() -> None:
    """The time that was waited counts as computing, and takes no energy."""
    record = unused(RoundRecord(1, [client(0), client(1, up=None, metrics={})]), 1)
    close(fleet(deadline_seconds=20.0).round(record), (1.5, 18.5, 0), 28 + 3)
    slow = unused(RoundRecord(1, [client(1, down=9_000_000, up=None, metrics={})]), 1)
    close(fleet(deadline_seconds=6.0).round(slow), (6, 0, 0), 2 * 6)
    close(fleet(deadline_seconds=20.0).round(RoundRecord(1, [client(0)])), (1.5, COMPUTE, 1.5), 28)


def test_fates_follow_from_seed_round_and_client() -> None:
    def gone(seed: int) -> list[tuple[int, int]]:
        there = Fleet(profile(dropout=0.3), COST, seed)
        return [(r, c) for r in range(1, 41) for c in range(10) if there.drops_out(r, c)]

    assert gone(3) == gone(3) != gone(4)
    assert 80 < len(gone(3)) < 160
    assert len({number for number, _ in gone(3)}) > 30
    assert {number for _, number in gone(3)} == set(range(10))
    assert not any(fleet().drops_out(r, c) for r in range(1, 41) for c in range(10))
