import pytest

from federa.profiles import NETWORKS
from federa.report.comparing import find
from federa.report.findings import Reached
from federa.report.network_times import network_times, networks_of
from report.conftest import NETWORK
from report.made_runs import client, made_run, rounds, said

NAMES = [preset().name for preset in NETWORKS]


def test_all_presets_and_the_profiles_own(make_profile):
    assert [network.name for network in networks_of(make_profile())] == [*NAMES, "wire"]
    mix = make_profile(network={"lte": 1.0, "5g": 1.0})
    assert [network.name for network in networks_of(mix)] == NAMES
    changed = make_profile(network={"name": "lte", "up_bits_per_second": 1e6})
    found = {network.name: network for network in networks_of(changed)}
    assert list(found) == NAMES
    assert found["lte"].up_bits_per_second == 1e6


def test_time_to_the_target_is_that_of_the_seed_in_the_middle(profile):
    runs = {
        "lora": [made_run("lora", seed) for seed in (1, 2, 3)],
        "full": [
            made_run("full", seed, records=rounds([0.5] * 4, [client(0, 9000, 4500)]))
            for seed in (1, 2, 3)
        ],
    }
    reached = {
        "lora": [Reached(1, 4, 1), Reached(2, 4, 3), Reached(3, 4)],
        "full": [Reached(1, 4, 2), Reached(3, 4)],  # seed 2 is still going
    }
    found = {
        one.method: one for one in network_times(runs, reached, profile) if one.network == "wire"
    }
    # a round of lora: 1.5 s down, 0.74 s, 1.5 s up; of full: 9.5 s, 0.74 s, 9.5 s
    assert found["lora"].to_target == pytest.approx((4.5, 2.22, 4.5))
    assert found["lora"].of_round == pytest.approx((1.5, 0.74, 1.5))
    assert found["lora"].by_seed[2] == pytest.approx((4.5, 2.22, 4.5))
    assert found["lora"].by_seed[3] is None
    assert found["full"].to_target is None
    assert found["full"].of_round == pytest.approx((9.5, 0.74, 9.5))
    assert found["lora"].reduction == pytest.approx(1 - 3.74 / (2 * 19.74))  # of seed 1 alone
    assert found["full"].reduction is None


def test_no_reduction_without_full_and_no_row_without_work(profile):
    old = made_run("bitfit", records=rounds([0.5], [client(0, work={"num_steps": 2.0})]))
    runs = {"lora": [made_run("lora")], "bitfit": [old]}
    reached = {"lora": [Reached(1, 4, 1)], "bitfit": [Reached(1, 1, 1)]}
    found = network_times(runs, reached, profile)
    assert {one.method for one in found} == {"lora"}
    assert {one.reduction for one in found} == {None}
    assert [one.network for one in found] == [*NAMES, "wire"]


def test_findings_hold_the_networks_of_a_profile(make_profile):
    runs = [made_run("lora"), made_run("full")]
    findings = find(runs, target=0.4, profile=make_profile(network=NETWORK, dropout=0.1))
    (setting,) = findings.settings
    assert len(setting.networks) == 2 * (len(NAMES) + 1)
    own = [one for one in setting.networks if one.network == "wire"]
    reached = setting.methods[0].reached[0]
    assert own[0].to_target == pytest.approx(
        (reached.download_seconds, reached.compute_seconds, reached.upload_seconds)
    )
    assert own[0].reduction == pytest.approx(setting.methods[0].time_reduction.median)
    assert setting.methods[0].fits is False
    assert findings.profile["dropout"] == "0.1 of the clients of a round return nothing"
    assert any("2 of 2 runs were not made under this profile" in note for note in said(findings))
