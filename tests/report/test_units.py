import pytest

from federa.report.units import BYTES, JOULES, SECONDS, percent_less, suiting, three_digits, written


@pytest.mark.parametrize(
    ("scale", "value", "text"),
    [
        (BYTES, 0, "0 B"),
        (BYTES, 999, "999 B"),
        (BYTES, 1000, "1 kB"),
        (BYTES, 1_250_000, "1.25 MB"),
        (BYTES, 11.6e9, "11.6 GB"),
        (SECONDS, 59.9, "59.9 s"),
        (SECONDS, 90, "1.5 min"),
        (SECONDS, 5400, "1.5 h"),
        (SECONDS, 200_000, "2.31 days"),
        (JOULES, 3_600_000, "3.6 MJ"),
    ],
)
def test_a_quantity_is_written_in_the_largest_unit_that_makes_at_least_one(scale, value, text):
    assert written(scale, value) == text


def test_a_unit_suits_a_whole_axis():
    assert suiting(SECONDS, 7200).symbol == "h"
    assert suiting(SECONDS, 0.001).symbol == "s"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00123, "0.00123"), (9.996, "10.0"), (99.96, "100"), (1234.5, "1,234"), (-12.34, "-12.3")],
)
def test_numbers_keep_three_digits(value, text):
    assert three_digits(value) == text


@pytest.mark.parametrize(
    ("reduction", "text"),
    [(0.9698, "97.0 % less"), (0.5, "50 % less"), (-0.12, "12 % more"), (0, "0 % less")],
)
def test_a_reduction_is_said_in_words(reduction, text):
    assert percent_less(reduction) == text
