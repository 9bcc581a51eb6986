"""The commands that a site's SuperNode finds: federa's client task, and refusals."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from federa.deploy.flower import program
from federa.deploy.processes import python
from federa.errors import RunError
from federa.files import explained

SUPEREXEC, CLIENT = "flower-superexec", "flwr-clientapp"
REFUSED = ("flwr-agentapp", "flwr-connector", "flwr-model", "flwr-serverapp", "flwr-simulation")
"""What a server may ask for besides, which no site does."""


def write_commands(folder: Path) -> None:
    """Make ``folder`` anew, to be the whole PATH of the SuperNode.

    A command that is not here does not exist for it, those of later versions of Flower too.
    Raises: RunError, also if programs cannot be run from there.
    """
    with explained(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        _write(folder / SUPEREXEC, f'exec {shlex.quote(program(SUPEREXEC))} "$@"')
        usual = f"PATH={shlex.quote(os.environ.get('PATH', os.defpath))}; export PATH"
        task = shlex.join(python("federa.deploy.client_task"))
        _write(folder / CLIENT, f'{usual}\nexec {task} "$@"')
        for name in REFUSED:
            _write(
                folder / name,
                f'echo "{name}: refused; a site runs the installed federa alone" >&2\nexit 1',
            )
    if not os.access(folder / CLIENT, os.X_OK):
        raise RunError(f"{folder}: programs cannot be run from there (mounted noexec?)")


def _write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o700)
