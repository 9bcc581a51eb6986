"""A report on disk: the page, its figures and its tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from federa.report.comparing import find
from federa.report.figures import write_figures
from federa.report.gaps import overview_tables
from federa.report.page import write_page
from federa.report.paper import paper_table
from federa.report.rendering import write_tables
from federa.report.runs import read_runs
from federa.report.tables import all_tables

if TYPE_CHECKING:
    from federa.profiles import Profile

PAGE, FIGURES, TABLES = "report.html", "figures", "tables"


def make_report(
    folders: Iterable[Path],
    out: Path,
    *,
    title: str,
    target: float | Mapping[str, float] | None = None,
    kept_targets: Mapping[str, float] | None = None,
    profile: Profile | None = None,
    commands: Sequence[str] = (),
) -> list[Path]:
    """Report on the runs below ``folders`` in the folder ``out``; what was written, tables first.

    target, kept_targets: as ``find`` takes them; commands: how to make the report again, after
    those that made the runs. Tables are written even where the library of the page is missing.
    Raises: RunError, ConfigError.
    """
    runs = read_runs(folders)
    made_by = dict.fromkeys(run.environment.get("command") for run in runs)
    known = [command for command in made_by if command]
    findings = find(
        runs,
        target=target,
        kept_targets=kept_targets,
        profile=profile,
        title=title,
        commands=[*known, *commands],
    )
    beside_paper = paper_table(findings)
    across = overview_tables(findings)
    tables = write_tables([*all_tables(findings), *across, beside_paper], out / TABLES)
    page = out / PAGE
    write_page(findings, page, more_tables=[beside_paper])
    return [*tables, *write_figures(findings, out / FIGURES), page]
