"""Commands that use a finished run: export, predict, evaluate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def export(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    format: Annotated[
        str | None, typer.Option(help="peft, merged or native; the method's own by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A new folder.")] = None,
    rank: Annotated[int | None, typer.Option(help="Compress the adapter to this rank.")] = None,
) -> None:
    """Write the best state as a PEFT adapter, a complete model, or bottlenecks for federa.load."""
    from federa.export import export_run

    print(export_run(folder, format, out, rank=rank))


def predict(
    folder: Annotated[Path, typer.Argument(help="A run folder or an export.")],
    file: Annotated[str, typer.Argument(help="A text a line, or a table; - reads stdin.")] = "-",
    base: Annotated[str | None, typer.Option(help="The base model of an export, if moved.")] = None,
    context: Annotated[
        str | None, typer.Option(help="A file with the passage that questions, one a line, are on.")
    ] = None,
) -> None:
    """Answer new text: a label, entities, or answers with their spans; one JSON line each."""
    from dataclasses import asdict

    from federa.inference import load, task_and_columns
    from federa.inputs import read_inputs

    task, columns = task_and_columns(folder)  # a wrong folder is said before anything is read
    table = read_inputs(file, sys.stdin.buffer, task, columns, context)
    for answer in load(folder, base=base).predict_table(table):
        print(json.dumps(asdict(answer), ensure_ascii=False))


def evaluate(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    split: Annotated[str, typer.Option(help="test or validation.")] = "test",
    state: Annotated[str, typer.Option(help="best or latest.")] = "best",
    predictions: Annotated[
        Path | None, typer.Option(help="A folder for files that the official scorer reads.")
    ] = None,
) -> None:
    """Score a run on a whole split, in float32, and write its predictions."""
    from rich.console import Console

    from federa.display import counting, show_evaluation
    from federa.evaluation_run import evaluate_run

    console = Console(highlight=False, soft_wrap=True, markup=False)
    with counting(console, "scoring") as watch:
        found = evaluate_run(folder, split, state=state, predictions=predictions, watch=watch)
    show_evaluation(console, folder, found)
