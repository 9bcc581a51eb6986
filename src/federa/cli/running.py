"""Commands that run something, or get it ready: demo, run, init, check."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from federa.cli.options import DEFAULT_FILE, Changes, interruptible, log_lines, print_note
from federa.errors import ConfigError, RunError

if TYPE_CHECKING:
    from federa.config import RunConfig

Runs = Annotated[Path, typer.Option("--folder", help="Where run folders are made.")]
DEMOS = {
    "text_classification": "demo.yaml",
    "token_classification": "demo_entities.yaml",
    "question_answering": "demo_questions.yaml",
}


def demo(
    task: Annotated[
        str, typer.Option(help="text_classification, token_classification or question_answering.")
    ] = "text_classification",
    changes: Changes = None,
    folder: Runs = Path("runs"),
) -> None:
    """Fine-tune a small model on the built-in corpus: 20 clients, a few minutes on two cores."""
    from federa.config import RunConfig
    from federa.registry import canonical
    from federa.tasks import TASKS

    file = DEMOS[canonical("--task", task, TASKS)]
    _run(RunConfig.load(Path(str(files("federa").joinpath(file))), changes or []), folder, None)


def run(
    file: Annotated[Path | None, typer.Argument(help="YAML; federa.yaml here by default.")] = None,
    changes: Changes = None,
    resume: Annotated[Path | None, typer.Option(help="Go on in this run folder.")] = None,
    folder: Runs = Path("runs"),
) -> None:
    """Run a configuration, or resume a run (more rounds: --set federation.num_rounds=N)."""
    config = _load(file, changes or [], resume)
    _run(config, folder, resume)


def _load(file: Path | None, changes: list[str], resume: Path | None) -> RunConfig | None:
    from federa.config import RunConfig

    if resume is not None and file is None:
        from federa.checkpoint import CONFIG, RunFolder

        RunFolder.open(resume)
        return RunConfig.load(resume / CONFIG, changes)
    path = file or Path(DEFAULT_FILE)
    if file is None and not path.is_file():
        raise ConfigError(
            f"no {DEFAULT_FILE} here: name a file, try `federa demo`, or make one with "
            "`federa init DATA`"
        )
    return RunConfig.load(path, changes)


def _run(config: RunConfig | None, folder: Path, resume: Path | None) -> None:
    from federa.display import RunDisplay, show_result
    from federa.experiment import run as run_experiment

    display = RunDisplay()

    def go_on() -> str | None:
        folder = display.folder
        return None if folder is None else f"go on with: federa run --resume {folder}"

    with log_lines(display.note), interruptible(go_on):
        with display.live("loading the model and the data"):
            result = run_experiment(config, folder=folder, resume=resume, progress=display)
        show_result(display.console, result)


def init(
    data: Annotated[str, typer.Argument(help="Your file, folder or pattern of files.")],
    out: Annotated[Path, typer.Option(help="Where to write.")] = Path(DEFAULT_FILE),
) -> None:
    """Write a starter configuration for your own data."""
    from federa.config import RunConfig
    from federa.files import write_atomically
    from federa.starter import starter_yaml
    from federa.yaml_text import parse_yaml

    if out.exists():
        raise RunError(f"{out}: already exists; name another with --out")
    text = starter_yaml(data)
    RunConfig.parse(parse_yaml(str(out), text))
    write_atomically(out, text.encode())
    print(f"wrote {out}; next: federa check {out}, then federa run {out}")


def check(
    file: Annotated[Path, typer.Argument(help="YAML.")] = Path(DEFAULT_FILE),
    changes: Changes = None,
    data: Annotated[bool, typer.Option("--data", help="Also read and split the data.")] = False,
) -> None:
    """Check a configuration without running it."""
    from federa.config import RunConfig

    config = RunConfig.load(file, changes or [])
    lines = [
        f"{file}: ok; {config.method.name} on {config.data.name}, model {config.model}, "
        f"{config.federation.num_rounds} rounds"
    ]
    if data:
        from federa.splitting import split_data
        from federa.types import num_rows

        with log_lines(print_note):
            split = split_data(config)
        sizes = sorted(len(rows) for rows in split.clients)
        tables = ", ".join(f"{name} {num_rows(t)}" for name, t in split.evaluation.items())
        labels = f", {len(split.corpus.labels)} labels" if split.corpus.labels else ""
        lines.append(
            f"train {sum(sizes)} examples{labels}, {tables}; "
            f"{len(sizes)} clients of {sizes[0]} to {sizes[-1]} examples"
        )
    print("\n".join(lines))
