import pytest

from federa.report.findings import Interval
from federa.report.statistics import better, interval, median, paired, spread


def test_interval_of_three_values_is_students_t():
    found = interval([0.70, 0.73, 0.76])  # sd 0.03, t(2; 0.975) = 4.30265
    assert found.mean == pytest.approx(0.73)
    half = 4.30265 * 0.03 / 3**0.5
    assert found.low == pytest.approx(0.73 - half, abs=1e-6)
    assert found.high == pytest.approx(0.73 + half, abs=1e-6)
    assert found.num_values == 3


def test_interval_of_two_values():
    found = interval([1.0, 3.0])  # sd sqrt(2), t(1; 0.975) = 12.7062
    assert found.low == pytest.approx(2 - 12.7062, abs=1e-4)
    assert found.high == pytest.approx(2 + 12.7062, abs=1e-4)


def test_one_value_has_no_bounds_and_equal_ones_no_width():
    assert interval([0.5]) == Interval(0.5, None, None, 1)
    assert interval([0.5, 0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 3)


def test_paired_takes_common_seeds_only():
    found = paired({1: 0.8, 2: 0.7, 9: 0.1}, {2: 0.6, 1: 0.6, 3: 0.9})
    assert found is not None
    assert found.num_values == 2
    assert found.mean == pytest.approx(0.15)  # 0.2 and 0.1
    assert paired({1: 0.8}, {2: 0.8}) is None


def test_a_difference_shared_by_all_seeds_shows_where_means_overlap():
    first = {1: 0.60, 2: 0.70, 3: 0.80}
    second = {1: 0.58, 2: 0.679, 3: 0.779}
    difference = paired(first, second)
    assert difference is not None
    assert better(difference, "a", "b") == "a"
    one, other = interval(list(first.values())), interval(list(second.values()))
    assert one.low is not None
    assert other.high is not None
    assert one.low < other.high


@pytest.mark.parametrize(
    ("found", "winner"),
    [
        (Interval(0.1, 0.01, 0.19, 3), "a"),
        (Interval(-0.1, -0.19, -0.01, 3), "b"),
        (Interval(0.1, -0.01, 0.21, 3), None),
        (Interval(0.1, 0.0, 0.2, 3), None),
        (Interval(-0.1, -0.2, 0.0, 3), None),
        (Interval(0.1, None, None, 1), None),
    ],
)
def test_better_only_where_zero_is_outside(found, winner):
    assert better(found, "a", "b") == winner


def test_median_counts_none_as_beyond_all():
    assert median([3, 1, 2]) == 2
    assert median([3, None, 2]) == 3
    assert median([3, None, None]) is None
    assert median([3, None]) is None  # half of the runs got there
    assert median([1, 2, 4, None]) == 3
    assert median([]) is None


def test_spread_is_of_what_is_known():
    assert spread([3, None, 1]) == (1, 3)
    assert spread([None]) is None
