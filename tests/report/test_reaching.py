import pytest

from federa.report.findings import Reached, Series
from federa.report.reaching import (
    added,
    default_target,
    first_reached,
    judge,
    mean_parts,
    middle,
    parts_of,
    reached,
    rose_to_the_end,
    smooth,
    target_of,
)


def series(method="federa", seed=1, scores=(), **changes):
    rounds = list(range(2, 2 * len(scores) + 1, 2))
    given = {
        "bytes": [100.0 * number for number in rounds],
        "measured_seconds": [1.0 * number for number in rounds],
    }
    return Series(method, seed, rounds, list(scores), smooth(scores), **{**given, **changes})


def test_smoothed_is_the_mean_of_three_and_of_fewer_at_the_start():
    assert smooth([0.3, 0.5, 0.7, 0.9, 0.2]) == pytest.approx([0.3, 0.4, 0.5, 0.7, 0.6])
    assert smooth([]) == []


def test_one_lucky_round_does_not_reach():
    smoothed = smooth([0.1, 0.2, 0.9, 0.2, 0.6, 0.7, 0.8])
    assert first_reached([1, 2, 3, 4, 5, 6, 7], smoothed, 0.6) == 7
    assert first_reached([1, 2, 3, 4, 5, 6, 7], smoothed, 0.71) is None


def test_the_target_itself_is_reached():
    assert first_reached([5, 10], [0.7, 0.75], 0.75) == 10


def test_reached_is_cumulative_at_that_round():
    run = series(
        scores=[0.2, 0.6, 0.8],
        download_seconds=[1.0, 2.0, 3.0],
        compute_seconds=[10.0, 20.0, 30.0],
        upload_seconds=[5.0, 6.0, 7.0],
        joules=[100.0, 200.0, 300.0],
    )
    found = reached(run, 9, 0.4)
    assert found == Reached(1, 9, 4, 400.0, 2.0, 20.0, 6.0, 200.0)
    assert found.seconds == 28.0
    assert parts_of(found) == (2.0, 20.0, 6.0)


def test_what_was_not_modelled_or_not_reached_is_none():
    found = reached(series(scores=[0.2, 0.6]), 4, 0.4)
    assert (found.round, found.bytes, found.seconds, found.joules) == (4, 400.0, None, None)
    assert parts_of(found) is None
    assert reached(series(scores=[0.2, 0.3]), 4, 0.4) == Reached(1, 4)


def test_default_target_is_of_full_fine_tuning_even_if_another_is_better():
    runs = [
        series("lora", 1, [0.9]),
        series("full", 1, [0.7, 0.5]),
        series("full", 2, [0.5, 0.7]),  # smoothed: 0.5, 0.6
    ]
    target, source = default_target(runs)
    assert target == pytest.approx(0.95 * (0.7 + 0.6) / 2)
    assert source == (
        "95 % of the best smoothed validation score of full fine-tuning (mean of 2 seeds)"
    )


def test_default_target_without_full_is_of_the_best_method():
    runs = [series("lora", 1, [0.9]), series("lora", 2, [0.1]), series("bitfit", 1, [0.6])]
    target, source = default_target(runs)
    assert target == pytest.approx(0.57)
    assert source == "95 % of the best smoothed validation score of bitfit, the best method here"


def test_no_target_without_scores():
    assert default_target([series()]) == (None, "no run was scored")


def test_a_given_target_may_be_by_setting():
    runs = [series("full", 1, [0.8])]
    assert target_of({"": 0.5}, "iid", runs) == (0.5, "given")
    assert target_of({"": 0.5, "iid": 0.6}, "iid", runs) == (0.6, "given")
    assert target_of({"iid": 0.6}, "iid", runs) == (0.6, "given")
    assert target_of({"iid": 0.6}, "skewed", runs)[0] == pytest.approx(0.76)


def test_a_run_rises_to_its_end_where_its_best_is_among_the_last():
    assert rose_to_the_end(series("full", 1, [0.1, 0.2, 0.3, 0.5, 0.6, 0.6]))
    falling = series("full", 1, [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1])
    assert not rose_to_the_end(falling)
    assert not rose_to_the_end(series("full", 1, [0.1, 0.2, 0.3, 0.4, 0.5])), "too short to tell"
    level = [0.5] * 9
    assert not rose_to_the_end(series("full", 1, level))


def test_full_is_the_judge_and_else_the_best_method():
    runs = [series("lora", 1, [0.9]), series("full", 1, [0.8]), series("full", 2, [0.6])]
    assert judge(runs) == ("full", runs[1:])
    assert judge([*runs[:1], series("bitfit", 1, [0.5])]) == ("lora", runs[:1])
    assert judge([]) is None


def test_parts_of_the_run_in_the_middle_add_up_to_the_median():
    runs = [(1.0, 9.0, 1.0), None, (1.0, 2.0, 1.0)]
    assert middle(runs) == (1.0, 9.0, 1.0)
    assert middle([(1.0, 2.0, 3.0), (3.0, 4.0, 5.0)]) == (2.0, 3.0, 4.0)
    assert middle([(1.0, 2.0, 3.0), None]) is None
    assert middle([]) is None


def test_sums_and_means_of_parts():
    assert added([(1.0, 2.0, 3.0), (4.0, 5.0, 6.0)]) == (5.0, 7.0, 9.0)
    assert mean_parts([(1.0, 2.0, 3.0), (3.0, 4.0, 5.0)]) == (2.0, 3.0, 4.0)
    assert mean_parts([]) == (0.0, 0.0, 0.0)
