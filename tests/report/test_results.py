import json
import math
from dataclasses import replace

import pytest

from federa.report.findings import Reached, Share
from federa.report.results import method_result, scores_of, share_of
from report.made_runs import FLOPS, PEAK, client, made_run, rounds


def result_of(runs, reached=None, failures=None, profile=None):
    method = runs[0].method
    given = {method: [Reached(run.seed, 4) for run in runs]} if reached is None else reached
    return method_result(method, runs, given, profile, failures or {})


def test_scores_over_seeds_are_of_the_best_state():
    result = result_of([made_run("lora", 1, test=0.70), made_run("lora", 2, test=0.74)])
    assert result.test == {1: 0.70, 2: 0.74}
    assert result.validation == {1: 0.8, 2: 0.8}
    assert result.test_interval.mean == pytest.approx(0.72)
    # sd 0.0283, t(1) = 12.706: half = 12.706 x 0.02
    assert result.test_interval.high == pytest.approx(0.72 + 0.25412, abs=1e-4)
    assert list(result.all_scores) == ["accuracy", "macro_f1", "loss"]
    assert result.all_scores["macro_f1"].mean == pytest.approx(0.62)
    assert result.best_rounds == {1: 3, 2: 3}
    assert result.measured_seconds == {1: 8.0, 2: 8.0}


def test_an_unfinished_run_has_no_final_scores():
    result = result_of([made_run("lora", 1), made_run("lora", 2, finished=False)])
    assert result.test == {1: 0.7}
    assert result.test_interval.low is None
    assert result.best_rounds == {1: 3, 2: 3}


def test_nothing_finished_has_no_interval():
    result = result_of([made_run("lora", 1, scores=[None], finished=False)])
    assert (result.test, result.test_interval, result.validation_interval) == ({}, None, None)
    assert result.all_scores == {}
    assert result.best_rounds == {}


def test_sizes_are_means_of_what_clients_sent():
    here = [
        client(0, 3000, 500, first=True),
        client(1, 1000, 700),
        client(2, 1000, None),
    ]
    run = made_run("lora", 1, records=rounds([0.5], here, failed=[2]))
    result = result_of([run], failures={3: "lost"})
    assert result.update_bytes == 600
    assert result.update_head_bytes == 120
    assert result.first_contact_bytes == 3000
    assert result.flops_per_round == FLOPS
    assert result.num_trained_parameters == 100
    assert result.num_head_parameters == 20
    assert result.failures == {3: "lost"}


def test_operations_are_unknown_where_a_record_does_not_say():
    old = rounds([0.5], [client(0, work={"num_steps": 2.0})])
    runs = [made_run("lora", 1), made_run("lora", 2, records=old)]
    assert result_of(runs).flops_per_round is None
    uncounted = made_run("lora", 1, facts={"cost": None})
    assert result_of([uncounted]).flops_per_round is None
    assert result_of([uncounted]).peak_bytes is None


def test_memory_is_of_a_full_batch_at_the_greatest_length():
    assert result_of([made_run("lora", 1)]).peak_bytes == PEAK
    assert result_of([made_run("lora", 1)]).fits is None


def test_learning_rates_and_the_search_that_chose_them(tmp_path):
    search = {
        "tries": [{"learning_rate": 0.01, "best": 0.5}, {"learning_rate": 0.1, "best": None}],
        "chosen": 0.01,
    }
    runs = [made_run("lora", 1), made_run("lora", 2, summary={"search": search})]
    result = result_of(runs)
    assert result.learning_rates == {1: 0.01, 2: 0.01}
    assert result.tried == {0.01: 0.5, 0.1: None}
    going = made_run("lora", 3, finished=False, path=tmp_path)
    assert result_of([going]).tried == {}
    (tmp_path / "search.json").write_text(json.dumps(search), encoding="utf-8")
    assert result_of([going]).tried == {0.01: 0.5, 0.1: None}


def test_a_search_that_goes_on_has_no_rate_yet():
    grid = {"train": {"learning_rate": {"grid": [0.1, 0.01]}}}
    assert result_of([made_run("lora", 1, config=grid, finished=False)]).learning_rates == {}


def test_clients_scores_are_in_order_of_their_numbers():
    spread = {"scores": {"10": 0.1, "2": 0.2, "0": 0.3}}
    run = made_run("lora", 1)
    assert result_of([run]).per_client is None
    run.summary["best"]["scores"]["validation"] = {"accuracy": 0.8, "per_client": spread}
    assert result_of([run]).per_client == [0.3, 0.2, 0.1]


def test_shares_are_paired_by_seed():
    full = [Reached(1, 9, 4, bytes=1000.0), Reached(2, 9, 4, bytes=500.0), Reached(3, 9)]
    ours = [
        Reached(1, 9, 2, bytes=100.0),
        Reached(2, 9, 8, bytes=600.0),
        Reached(3, 9, 1, bytes=50.0),
        Reached(4, 9, 1, bytes=50.0),
    ]
    found = share_of(ours, full, "bytes")
    assert found.reductions == {1: pytest.approx(0.9), 2: pytest.approx(-0.2), 3: math.inf}
    assert found.median == pytest.approx(0.9)


def test_seeds_that_one_of_two_missed_are_the_least_or_the_greatest():
    """Dropping them would judge a method on its successes alone."""
    hit = [Reached(seed, 9, 4, bytes=100.0) for seed in (1, 2, 3)]
    once = [hit[0], Reached(2, 9), Reached(3, 9)]
    found = share_of(once, hit, "bytes")
    assert found == Share(None, {1: 0.0, 2: -math.inf, 3: -math.inf})
    assert share_of(hit, once, "bytes") == Share(None, {1: 0.0, 2: math.inf, 3: math.inf})
    assert share_of(once, once, "bytes") == Share(0.0, {1: 0.0})


def test_no_share_without_full_or_without_the_figure():
    ours, full = [Reached(1, 9, 2, bytes=100.0)], [Reached(1, 9, 4, bytes=1000.0)]
    assert share_of(ours, None, "bytes") is None
    assert share_of(ours, full, "seconds") is None
    assert share_of([Reached(2, 9)], full, "bytes") == Share(None, {}), "no seed in common"


def test_full_has_no_share_of_itself():
    full = [Reached(1, 9, 4, bytes=1000.0)]
    ours = [Reached(1, 9, 4, bytes=100.0)]
    reached = {"full": full, "lora": ours}
    assert result_of([made_run("full")], reached).bytes_reduction is None
    lora = result_of([made_run("lora")], reached)
    assert lora.bytes_reduction == Share(pytest.approx(0.9), {1: pytest.approx(0.9)})
    assert lora.time_reduction is None


def test_a_run_whose_state_was_never_scored_says_its_latest():
    run = made_run("lora", 1)
    summary = {**run.summary, "latest": run.summary["best"]}
    del summary["best"]
    assert scores_of([replace(run, summary=summary)], "test") == {1: 0.7}
