"""A comparison on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from compare.plans import SPLITS, make
from federa.compare import Cell
from federa.compare.overview import GridDisplay

IID, SKEWED = "files, iid", "files, dirichlet alpha 0.1"
CELLS = make(("lora", "full"), SPLITS, num_seeds=2, pooled=True).cells()


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("federa.compare.overview.time.monotonic", clock)
    return clock


def cell(key: str) -> Cell:
    (found,) = [one for one in CELLS if one.key == key]
    return found


def display(terminal: bool) -> tuple[GridDisplay, io.StringIO]:
    out = io.StringIO()
    console = Console(
        file=out,
        force_terminal=terminal,
        width=100,
        height=30,
        markup=False,
        highlight=False,
        soft_wrap=True,
        color_system=None,
    )
    return GridDisplay(console), out


def rows(table: Table) -> list[list[str]]:
    columns = [list(column.cells) for column in table.columns]
    return [[str(value) for value in row] for row in zip(*columns, strict=True)]


def test_a_log_has_a_line_for_every_run_that_ends(clock: Clock) -> None:
    shown, out = display(terminal=False)
    with shown.live():
        shown.begun(CELLS, {f"{IID}/lora/seed-7": 0.5})
        shown.running(cell(f"{IID}/full/seed-7"), 0)
        shown.round(cell(f"{IID}/full/seed-7"), 1, 0.25, "rate 1 of 3")
        shown.note("a note [of the run]")
        clock.now += 60
        shown.finished(cell(f"{IID}/full/seed-7"), 0.75)
        shown.running(cell(f"{SKEWED}/lora/seed-7"), 3)
        clock.now += 20
        shown.failed(cell(f"{SKEWED}/lora/seed-7"), "[memory] ran out")
    assert out.getvalue().splitlines() == [
        "10 runs, 1 of them finished already",
        "  a note [of the run]",
        f"{IID}/full/seed-7  accuracy 0.7500  left about 8:00 (8 runs)",
        f"{SKEWED}/lora/seed-7  failed: [memory] ran out  left about 4:40 (7 runs)",
    ]


def test_the_last_line_foretells_nothing(clock: Clock) -> None:
    shown, out = display(terminal=False)
    shown.begun(CELLS[:1], {})
    clock.now += 5
    shown.running(CELLS[0], 0)
    shown.finished(CELLS[0], 1.0)
    assert out.getvalue().splitlines() == ["1 run", f"{CELLS[0].key}  accuracy 1.0000"]


def test_the_table_has_a_row_for_each_method_and_a_column_for_each_seed() -> None:
    shown, _ = display(terminal=False)
    shown.begun(CELLS, {f"{IID}/lora/seed-7": 0.5})
    shown.running(cell(f"{IID}/full/seed-7"), 2)
    shown.round(cell(f"{SKEWED}/lora/seed-7"), 3, 0.256, "")
    shown.round(cell(f"{SKEWED}/full/seed-7"), 1, None, "rate 2 of 3")
    shown.failed(cell(f"{IID}/pooled/seed-7"), "no")
    table = shown.table()
    assert [column.header for column in table.columns] == ["setting", "method", "seed 7", "seed 8"]
    assert rows(table) == [
        [IID, "lora", "0.5000", "·"],
        ["", "full", "2/12", "·"],
        ["", "pooled", "failed", "·"],
        [SKEWED, "lora", "3/12 0.256", "·"],
        ["", "full", "rate 2 of 3", "·"],
    ]


def test_a_terminal_has_the_table_while_it_lasts(clock: Clock) -> None:
    shown, out = display(terminal=True)
    with shown.live():
        shown.begun(CELLS, {})
        shown.running(cell(f"{IID}/lora/seed-7"), 0)
        shown.note("not here")
        clock.now += 30
        shown.finished(cell(f"{IID}/lora/seed-7"), 0.875)
        before = len(out.getvalue())
        shown.running(cell(f"{IID}/full/seed-7"), 0)
        shown.round(cell(f"{IID}/full/seed-7"), 1, 0.125, "")
        drawn = out.getvalue()[before:]
    for text in ("setting", "seed 8", "0.8750", "1/12 0.125", f"{IID}/full/seed-7  left about"):
        assert text in drawn
    whole = out.getvalue()
    assert f"{IID}/lora/seed-7  accuracy 0.8750  left about" in whole
    assert "not here" not in whole
    after = len(whole)
    shown.round(cell(f"{IID}/full/seed-7"), 2, 0.5, "")
    assert len(out.getvalue()) == after, "nothing is drawn outside the block"


def test_names_are_shown_as_they_are() -> None:
    cells = make(("lora",), {"method.targets": [["query"], ["red"]]}, num_seeds=1).cells()
    shown, out = display(terminal=False)
    shown.begun(cells, {})
    shown.console.print(shown.table())
    assert "targets ['red']" in out.getvalue()
