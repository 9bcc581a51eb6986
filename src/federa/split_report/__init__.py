"""How a split came out: numbers, a heat map in the terminal, a picture."""

from federa.split_report.figure import draw, require_drawable
from federa.split_report.numbers import SplitReport
from federa.split_report.of_run import report_split
from federa.split_report.terminal import show

__all__ = ["SplitReport", "draw", "report_split", "require_drawable", "show"]
