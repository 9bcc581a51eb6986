from dataclasses import replace

import pytest

from federa.modelled import work_of
from federa.profiles import Network, RoundSeconds
from federa.report.costs import flops_of, memory, run_costs, series_of
from federa.training_cost import Work
from report.conftest import DEVICE, NETWORK
from report.made_runs import COST, FLOPS, PEAK, WORK, client, made_run, rounds

TRAINED = RoundSeconds(0.5 + 1.0, FLOPS / 50_000, 0.5 + 1.0)  # 1000 bytes down, 500 up
SLOW = {**WORK, "num_steps": 100.0}  # 98,000 FLOPs more
LATER = {"straggler_fraction": 1.0, "straggler_slowdown": 3.0}


def one_round(profile, clients, failed=(), network=None):
    (cost,) = run_costs(made_run(records=rounds([0.5], clients, failed)), profile, network)
    return cost


def near(seconds):
    return pytest.approx((seconds.download, seconds.compute, seconds.upload))


def parts(cost):
    return cost.seconds.download, cost.seconds.compute, cost.seconds.upload


def test_work_is_read_from_the_metrics_or_unknown():
    assert work_of({"loss": 1.0, **WORK}) == Work(2.0, 20.0, 300.0, 4800.0)
    assert COST.flops(Work(2.0, 20.0, 300.0, 4800.0)) == FLOPS == 37_000
    assert work_of({"loss": 1.0, "num_steps": 2.0}) is None


def test_a_round_has_the_parts_of_its_slowest_client_and_the_energy_of_all(profile):
    cost = one_round(profile, [client(0), client(1, work=SLOW)])
    assert parts(cost) == near(RoundSeconds(1.5, 135_000 / 50_000, 1.5))
    idle = 2 * (1.5 + 1.5)
    assert cost.joules == pytest.approx(10 * (0.74 + 2.7) + 2 * idle)


def test_the_slowest_may_be_the_one_with_most_to_fetch(profile):
    cost = one_round(profile, [client(0, down=9000), client(1, work=SLOW)])
    assert parts(cost) == near(RoundSeconds(9.5, 0.74, 1.5))


def test_a_client_that_failed_counts_its_download_alone(profile):
    cost = one_round(profile, [client(0), client(1, up=None)], failed=[1])
    assert parts(cost) == near(TRAINED)
    assert cost.joules == pytest.approx(10 * 0.74 + 2 * 3.0 + 2 * 1.5)


def test_a_client_that_was_refused_or_late_counts_for_what_it_did(profile):
    refused = one_round(profile, [client(0), client(1, work=SLOW)], failed=[1])
    assert parts(refused) == near(RoundSeconds(1.5, 2.7, 1.5))
    assert refused.joules == pytest.approx(10 * (0.74 + 2.7) + 2 * 6.0)


def test_a_slow_download_that_led_to_nothing_holds_the_round_up(profile):
    cost = one_round(profile, [client(0), client(1, down=9000, up=None)], failed=[1])
    assert parts(cost) == near(RoundSeconds(9.5, 0.0, 0.0))


def test_stragglers_compute_longer(make_profile):
    cost = one_round(make_profile(**LATER), [client(0)])
    assert parts(cost) == near(RoundSeconds(1.5, 3 * 0.74, 1.5))
    assert cost.joules == pytest.approx(10 * 3 * 0.74 + 2 * 3.0)


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [
        (10.0, TRAINED),
        (3.0, RoundSeconds(1.5, 0.74, 0.76)),
        (2.0, RoundSeconds(1.5, 0.5, 0.0)),
        (1.0, RoundSeconds(1.0, 0.0, 0.0)),
    ],
)
def test_a_deadline_ends_the_wait_for_a_late_client(make_profile, deadline, seconds):
    profile = make_profile(deadline_seconds=deadline)
    assert parts(one_round(profile, [client(0)], failed=[0])) == near(seconds)
    assert parts(one_round(profile, [client(0)])) == near(TRAINED), "it was in time"


def test_over_another_network_nobody_is_late(make_profile):
    slow = Network(**{**NETWORK, "up_bits_per_second": 100.0})
    profile = make_profile(deadline_seconds=5.0)
    for failed in ([], [1]):
        cost = one_round(profile, [client(0), client(1)], failed, slow)
        assert parts(cost) == near(RoundSeconds(1.5, 0.74, 0.5 + 40.0))


def test_with_a_deadline_the_server_waits_for_what_is_missing(make_profile):
    patient = make_profile(deadline_seconds=30.0)
    lost = one_round(patient, [client(0), client(1, up=None)], failed=[1])
    assert parts(lost) == near(RoundSeconds(1.5, 28.5, 0.0))
    assert lost.joules == pytest.approx(10 * 0.74 + 2 * 3.0 + 2 * 1.5)  # no one trains meanwhile
    assert parts(one_round(patient, [client(0), client(1)])) == near(TRAINED)


def test_another_network_leaves_computing_as_it_is(profile):
    fast = Network(**{**NETWORK, "down_bits_per_second": 80_000.0, "round_trip_seconds": 0.0})
    assert parts(one_round(profile, [client(0)], network=fast)) == near(
        RoundSeconds(0.1, 0.74, 1.0)
    )


def test_the_protocols_own_bytes_are_added(make_profile):
    profile = make_profile(network={**NETWORK, "overhead": 0.5})
    assert parts(one_round(profile, [client(0)])) == near(RoundSeconds(2.0, 0.74, 2.0))


def test_energy_is_unknown_where_a_devices_power_is(make_profile):
    unknown = {key: value for key, value in DEVICE.items() if not key.endswith("watts")}
    profile = make_profile(device=unknown)
    assert one_round(profile, [client(0)]).joules is None
    series = series_of(made_run(), profile)
    assert series.joules == []
    assert len(series.compute_seconds) == 4


def test_devices_of_a_fleet_are_drawn_by_the_runs_seed(make_profile):
    slow = {**DEVICE, "name": "slow", "peak_flops_per_second": 1000.0}
    mix = [{"device": DEVICE, "weight": 1.0}, {"device": slow, "weight": 1.0}]
    profile = make_profile(device=None, fleet=mix)
    for seed in range(4):
        run = made_run(seed=seed, records=rounds([0.5], [client(3)]))
        device, _ = profile.client(seed, 3)
        (cost,) = run_costs(run, profile)
        assert cost.seconds.compute == pytest.approx(0.74 if device.name == "bench" else 74.0)
    assert len({profile.client(seed, 3)[0].name for seed in range(4)}) == 2


def test_series_are_cumulative_over_all_rounds_and_shown_where_scored(profile):
    records = rounds([None, 0.4, None, 0.6])
    records[3].clients = [client(0, work=SLOW)]
    series = series_of(made_run("lora", 5, records=records), profile)
    assert (series.method, series.seed, series.rounds) == ("lora", 5, [2, 4])
    assert series.scores == [0.4, 0.6]
    assert series.smoothed == pytest.approx([0.4, 0.5])
    assert series.bytes == [2 * 3000, 3 * 3000 + 1500]
    assert series.measured_seconds == [4.0, 8.0]
    assert series.download_seconds == pytest.approx([3.0, 6.0])
    assert series.compute_seconds == pytest.approx([1.48, 3 * 0.74 + 2.7])
    assert series.upload_seconds == pytest.approx([3.0, 6.0])
    each = 10 * 0.74 + 2 * 3.0
    assert series.joules == pytest.approx([4 * each, 6 * each + 10 * 2.7 + 2 * 3.0])


def test_scores_by_clients_cost_nothing_here(profile):
    records = rounds([0.4])
    records[0].evaluation_bytes = (10**6, 10**6)
    assert series_of(made_run(records=records), profile).bytes == [3000]


def test_without_a_profile_nothing_is_modelled():
    series = series_of(made_run(), None)
    assert series.bytes == [3000, 6000, 9000, 12000]
    assert (series.download_seconds, series.compute_seconds, series.joules) == ([], [], [])


def test_what_was_not_counted_is_not_modelled(profile):
    old = made_run(records=rounds([0.5], [client(0, work={"num_steps": 2.0})]))
    for run in (old, made_run(facts={"cost": None})):
        assert run_costs(run, profile) is None
        assert flops_of(run) is None
        assert series_of(run, profile).compute_seconds == []


def test_operations_are_those_of_updates_that_were_used():
    records = rounds([0.5], [client(0), client(1), client(2, up=None)], failed=[1, 2])
    assert flops_of(made_run(records=records)) == [FLOPS]


def test_memory_must_fit_every_device(make_profile):
    run, peak = made_run(), PEAK  # 10,320 bytes
    assert memory(run, None) == (peak, None)
    assert memory(run, make_profile()) == (peak, False)
    roomy = {**DEVICE, "name": "roomy", "memory_bytes": float(peak)}
    assert memory(run, make_profile(device=roomy)) == (peak, True)
    mix = [{"device": DEVICE, "weight": 1.0}, {"device": roomy, "weight": 1.0}]
    assert memory(run, make_profile(device=None, fleet=mix)) == (peak, False)
    uncounted = replace(run, facts=replace(run.facts, cost=None))
    assert memory(uncounted, make_profile()) == (None, None)
