"""Commands about the data: partition."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federa.cli.options import DEFAULT_FILE, Changes, log_lines, print_note
from federa.errors import RunError


def partition(
    file: Annotated[Path, typer.Argument(help="YAML.")] = Path(DEFAULT_FILE),
    changes: Changes = None,
    out: Annotated[
        Path | None, typer.Option(help="Draw the split to this PNG, SVG or PDF file.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="The column to show; the task's labels by default.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(help="Save the split, for partition: {name: saved, file: ...}."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Show how the training examples are split over the clients, and how far from IID that is."""
    import json

    from rich.console import Console

    from federa.config import RunConfig
    from federa.split_report import draw, report_split, require_drawable, show
    from federa.splitting import split_data

    config = RunConfig.load(file, changes or [])
    if out is not None:
        require_drawable(out)
    for place in (out, save):
        if place is not None and not place.absolute().parent.is_dir():
            raise RunError(f"{place}: its folder does not exist")
    with log_lines(print_note):
        data = split_data(config)
    report = report_split(config, data, by)
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        show(Console(highlight=False, markup=False), report)
    if save is not None:
        data.save(config, save)
        print_note(f"saved the split to {save}")
    if out is not None:
        draw(report, out)
        print_note(f"drew the split to {out}")
