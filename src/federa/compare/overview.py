"""A comparison on the screen: a row for every method of a setting, a column for every seed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from federa.compare.plan import Cell

WAITING, FAILED = "·", "failed"


class GridDisplay:
    """An ``Overview`` for terminals and logs alike: a live table on the one, a line for every run
    on both."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True, markup=False)
        self._cells: list[Cell] = []
        self._shown: dict[str, str] = {}
        self._now = ""
        self._began, self._over = time.monotonic(), 0
        self._live: Live | None = None

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep the table on the screen inside the block."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, transient=True, auto_refresh=False) as self._live:
            yield
        self._live = None

    def begun(self, cells: list[Cell], done: dict[str, float]) -> None:
        """Say how much there is to do."""
        self._cells, self._began, self._over = cells, time.monotonic(), 0
        self._shown = {key: f"{score:.4f}" for key, score in done.items()}
        finished = f", {len(done)} of them finished already" if done else ""
        self.console.print(f"{_runs(len(cells))}{finished}", style="bold")
        self._refresh()

    def running(self, cell: Cell, done: int) -> None:
        """Say which run is next."""
        self._now = cell.key
        total = cell.config.federation.num_rounds
        self._show(cell, f"{done}/{total}")

    def round(self, cell: Cell, number: int, score: float | None, search: str) -> None:
        """Move the run's place in the table on."""
        total = cell.config.federation.num_rounds
        said = search or f"{number}/{total}"
        self._show(cell, said if score is None else f"{said} {score:.3f}")

    def finished(self, cell: Cell, score: float) -> None:
        """Print the run's line."""
        self._over += 1
        self._show(cell, f"{score:.4f}")
        self._line(f"{cell.key}  {cell.config.task.main_score} {score:.4f}")

    def failed(self, cell: Cell, reason: str) -> None:
        """Print why."""
        self._over += 1
        self._show(cell, FAILED)
        self._line(f"{cell.key}  failed: {reason}")

    def note(self, text: str) -> None:
        """Keep it out of the way: only what a log keeps."""
        if not self.console.is_terminal:
            self.console.print(f"  {text}")

    def _line(self, text: str) -> None:
        left = self._left()
        self.console.print(f"{text}  {left}" if left else text)

    def _left(self) -> str:
        """How long the rest will take, if it is like what is over."""
        from federa.display import human_seconds

        waiting = sum(cell.key not in self._shown for cell in self._cells)
        if not self._over or not waiting:
            return ""
        each = (time.monotonic() - self._began) / self._over
        return f"left about {human_seconds(waiting * each)} ({_runs(waiting)})"

    def _show(self, cell: Cell, text: str) -> None:
        self._shown[cell.key] = text
        self._refresh()

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(
                Group(self.table(), Text(f"{self._now}  {self._left()}")), refresh=True
            )

    def table(self) -> Table:
        """The grid as it stands."""
        seeds = sorted({cell.seed for cell in self._cells})
        table = Table(show_edge=False, pad_edge=False)
        table.add_column("setting")
        table.add_column("method")
        for seed in seeds:
            table.add_column(f"seed {seed}", justify="right")
        rows: dict[tuple[str, str], dict[int, str]] = {}
        for cell in self._cells:
            row = rows.setdefault((cell.setting, cell.method), {})
            row[cell.seed] = self._shown.get(cell.key, WAITING)
        last, order = "", [cell.setting for cell in self._cells]
        for (setting, method), row in sorted(rows.items(), key=lambda one: order.index(one[0][0])):
            table.add_row(
                setting if setting != last else "", method, *[row.get(seed, "") for seed in seeds]
            )
            last = setting
        return table


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"
