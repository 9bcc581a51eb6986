import pytest

from federa.report.cells import (
    OPERATIONS,
    middle_and_spread,
    number,
    percent,
    signed_points,
    unit_of_column,
    with_interval,
)
from federa.report.findings import Interval
from federa.report.units import BYTES, SECONDS


def test_a_column_has_the_unit_of_its_geometric_middle():
    assert unit_of_column(BYTES, [1e3, 1e9]).symbol == "MB"
    assert unit_of_column(BYTES, [9e5, 9e7, None]).symbol == "MB"
    assert unit_of_column(SECONDS, [10.0, 50.0]).symbol == "s"
    assert unit_of_column(SECONDS, [None]).symbol == "s"
    assert unit_of_column(OPERATIONS, [6e11]).symbol == "GFLOP"
    assert [unit.size for unit in OPERATIONS] == [1e6, 1e9, 1e12, 1e15]


def test_median_and_spread_in_a_unit():
    assert middle_and_spread([2e6, 4e6, 3e6], 1e6) == "3 (2 to 4)"
    assert middle_and_spread([14, 18, 16], whole=True) == "16 (14 to 18)"
    assert middle_and_spread([5.0, 5.0]) == "5"
    assert middle_and_spread([5.0]) == "5"
    assert middle_and_spread([]) == "-"


def test_what_was_not_reached_is_beyond():
    assert middle_and_spread([14, None, 16], whole=True) == "16 (14 to beyond)"
    assert middle_and_spread([14, None], whole=True) == "-"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Interval(0.7956, 0.7876, 0.8036, 3), "79.6 ± 0.8"),
        (Interval(0.7956, None, None, 1), "79.6"),
        (None, "-"),
    ],
)
def test_scores_are_per_cent_with_half_their_interval(found, text):
    assert with_interval(found) == text


def test_numbers():
    assert number(1234.0, 10) == "123"
    assert number(None) == "-"
    assert percent(0.959) == "95.9"
    assert percent(None) == "-"
    assert signed_points(0.0213) == "+2.1"
    assert signed_points(-0.021) == "-2.1"
    assert signed_points(None) == "-"
