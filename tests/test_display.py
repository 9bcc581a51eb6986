"""What a person sees: plain text, whatever it contains."""

import io

import pytest
from rich.console import Console

from federa.display import RunDisplay, human_bytes, human_seconds
from federa.measure import RoundRecord
from federa.types import ClientFailure


@pytest.mark.parametrize(
    ("number", "shown"),
    [(999, "999 B"), (918_796, "919 kB"), (1_216_620, "1.22 MB"), (2e13, "20 TB")],
)
def test_bytes(number: float, shown: str) -> None:
    assert human_bytes(number) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(9.96, "10.0 s"), (61, "1:01"), (3725, "1:02:05")])
def test_seconds(seconds: float, shown: str) -> None:
    assert human_seconds(seconds) == shown


def test_a_round_line_shows_score_error_and_failures_as_they_are() -> None:
    out = io.StringIO()
    display = RunDisplay(Console(file=out, markup=False, highlight=False, soft_wrap=True))
    record = RoundRecord(
        3,
        failures=[ClientFailure(7, "[enforce fail at alloc.cpp:114] no [/memory]")],
        scores={"validation": {"accuracy": 0.5, "standard_error": 0.02}},
        measured_seconds={"total": 2.0},
        modelled_seconds={"download": 1.0, "compute": 60.0, "upload": 2.0},
    )
    display.finished_round(record, 0.5)
    text = out.getvalue()
    assert "2.0 s  modelled 1:03" in text
    assert "0.5000 ±0.0200" in text
    assert "client 7 set aside: [enforce fail at alloc.cpp:114] no [/memory]" in text


def test_a_search_counts_its_own_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    display = RunDisplay(Console(file=out, markup=False, highlight=False, soft_wrap=True))
    record = RoundRecord(1, measured_seconds={"total": 2.0})
    display.searching(0.001, 2, 3, 5)
    display.finished_round(record, None)
    display.chose(0.002, 5)
    text = out.getvalue()
    assert "learning rate 0.001 (2 of 3), 5 rounds" in text
    assert "round    1/5" in text
    assert "left 8.0 s" in text
    assert "learning rate 0.002 chosen on validation; going on after round 5" in text
