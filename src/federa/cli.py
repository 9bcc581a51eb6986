"""The command line: thin; every command is a few lines around the library."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from federa.errors import ConfigError, FederaError, RunError
from federa.version import __version__

if TYPE_CHECKING:
    from federa.config import RunConfig

app = typer.Typer(
    name="federa",
    help="Federated, parameter-efficient fine-tuning of language models (FeDeRA).",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key, such as train.batch_size=4."),
]
Runs = Annotated[Path, typer.Option("--folder", help="Where run folders are made.")]
DEFAULT_FILE = "federa.yaml"
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class Stopped(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is."""


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def demo(changes: Changes = None, folder: Runs = Path("runs")) -> None:
    """Fine-tune a small model on the built-in corpus: 20 clients, a few minutes on two cores."""
    from federa.config import RunConfig

    _run(RunConfig.load(Path(__file__).with_name("demo.yaml"), changes or []), folder, None)


@app.command()
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
    with _log_lines(display), _interruptible(display):
        with display.live("loading the model and the data"):
            result = run_experiment(config, folder=folder, resume=resume, progress=display)
        show_result(display.console, result)


@contextmanager
def _interruptible(display: Any) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, say how to go on."""

    def stop(*_: object) -> None:
        raise Stopped

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt as error:
        if display.folder is not None:
            print(f"stopped; go on with: federa run --resume {display.folder}", file=sys.stderr)
        raise SystemExit(143 if isinstance(error, Stopped) else 130) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _log_lines(display: Any) -> Iterator[None]:
    """Show the package's own log lines as notes."""
    import logging

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            display.note(record.getMessage())

    logger, handler = logging.getLogger("federa"), Notes()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@app.command()
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


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="YAML.")] = Path(DEFAULT_FILE),
    changes: Changes = None,
    data: Annotated[bool, typer.Option("--data", help="Also read and split the data.")] = False,
) -> None:
    """Check a configuration without running it."""
    from federa.config import RunConfig

    config = RunConfig.load(file, changes or [])
    print(
        f"{file}: ok; {config.method.name} on {config.data.name}, model {config.model}, "
        f"{config.federation.num_rounds} rounds"
    )
    if data:
        from federa.preparation import split_data

        split = split_data(config)
        sizes = sorted(len(rows) for rows in split.clients)
        tables = ", ".join(f"{name} {len(t['text'])}" for name, t in split.evaluation.items())
        print(
            f"train {sum(sizes)} examples, {len(split.corpus.labels)} labels, {tables}; "
            f"{len(sizes)} clients of {sizes[0]} to {sizes[-1]} examples"
        )


@app.command()
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


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(help="A run folder or an export.")],
    file: Annotated[str, typer.Argument(help="A text a line, or a table; - reads stdin.")] = "-",
    base: Annotated[str | None, typer.Option(help="The base model of an export, if moved.")] = None,
) -> None:
    """Label new text; one JSON line each."""
    from federa.inference import load, read_texts, text_column

    column = text_column(folder)  # a wrong folder is said before anything is read
    texts = read_texts(file, sys.stdin.buffer, column)
    for prediction in load(folder, base=base).predict(texts):
        print(json.dumps(vars(prediction), ensure_ascii=False))


@app.command()
def schema() -> None:
    """Print the JSON schema of a configuration, so that editors complete it."""
    from federa.config import RunConfig

    print(json.dumps(RunConfig.model_json_schema(), indent=2))


def _list(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, summary in rows:
        print(f"{name:<{width}}  {summary}")


@app.command()
def methods() -> None:
    """List the methods."""
    from federa.methods import METHODS
    from federa.registry import describe

    _list(describe(METHODS))


@app.command()
def rules() -> None:
    """List the aggregation rules."""
    from federa.registry import describe
    from federa.rules import RULES

    _list(describe(RULES))


@app.command()
def datasets() -> None:
    """List the data sets."""
    from federa.datasets import DATASETS
    from federa.registry import describe

    _list(describe(DATASETS))


@app.command()
def partitions() -> None:
    """List the partitioners."""
    from federa.partition import PARTITIONERS
    from federa.registry import describe

    _list(describe(PARTITIONERS))


@app.command()
def models() -> None:
    """List the model aliases; any hub id or folder works too."""
    from federa.architectures import ALIASES

    _list([(name, f"{hub}: {what}") for name, (hub, what) in ALIASES.items()])


def main() -> None:
    """Entry point: one line and exit code 2 (1 for a run that failed by itself) for errors."""
    import warnings

    warnings.filterwarnings("ignore")  # other libraries' warnings; ours come as notes
    try:
        code = app(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # or a full disk would only be found while Python ends
    except FederaError as error:
        _fail(str(error), error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        raise SystemExit(130) from None
    except BrokenPipeError:
        _silence(sys.stdout)
        raise SystemExit(0) from None
    except OSError as error:  # such as a name that is too long, wherever a path is looked at
        if error.filename is not None:
            _fail(f"{error.filename}: {error.strerror}", 2)
        if error.errno not in CANNOT_WRITE:
            raise
        _silence(sys.stdout)  # other files' errors were explained where they were written
        _fail(f"standard output: cannot write ({error.strerror})", 2)
    except Exception as error:
        # typer brings its own copy of click in some versions, so usage errors are known by shape
        if not hasattr(error, "format_message"):
            raise
        _fail(error.format_message(), 2)
    else:
        raise SystemExit(code if isinstance(code, int) else 0)


def _silence(stream: TextIO) -> None:
    """Keep Python from trying to write again, and complaining, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, code: int) -> None:
    try:
        print("federa: error: " + " ".join(message.split()), file=sys.stderr, flush=True)
    except OSError:  # nobody is left to be told
        _silence(sys.stderr)
    raise SystemExit(code)
