"""The command line: thin; every command is a few lines around the library."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, TextIO

import typer

from federa.cli import comparing, data, deploy, lists, profiles, results, running
from federa.errors import FederaError
from federa.version import __version__

app = typer.Typer(
    name="federa",
    help="Federated, parameter-efficient fine-tuning of language models (FeDeRA).",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


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


for command in (
    *(running.demo, running.run, running.init, running.check),
    *(comparing.compare, comparing.report),
    *(data.partition, results.evaluate, results.predict, results.export),
    *(lists.schema, lists.methods, lists.rules, lists.tasks, lists.datasets),
    *(lists.partitions, lists.engines, lists.models),
):
    app.command()(command)
app.add_typer(profiles.app)
app.add_typer(deploy.app)


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
