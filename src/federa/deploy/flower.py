"""Flower's own programs: which version, where they are, and the environment that they get."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

from federa.errors import ConfigError

VERSION = "1.41"
"""The one whose programs, messages and inner names are known here."""
CONNECTION = "federa"
"""What the server's Flower configuration calls the SuperLink."""


def require_flower() -> None:
    """Refuse to go on without the right version.

    Raises: ConfigError.
    """
    try:
        found = importlib.metadata.version("flwr")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            "flwr is not installed; deployments need pip install 'federa[flower]'"
        ) from None
    if not found.startswith(f"{VERSION}."):
        raise ConfigError(f"flwr: {found} is installed; federa deploy needs {VERSION}")


def program(name: str) -> str:
    """The path of one of Flower's programs, in this Python's environment if it is there.

    Raises: ConfigError.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise ConfigError(f"{name}: not found beside {sys.executable} nor on PATH")
    return found


def path_with_programs() -> str:
    """PATH with the folder of Flower's programs first, since they start each other by name.

    Raises: ConfigError.
    """
    own = os.path.dirname(program("flower-superexec"))
    return os.pathsep.join([own, os.environ.get("PATH", os.defpath)])


def settings(home: Path) -> dict[str, str]:
    """The environment of Flower's programs: nothing is sent to Flower Labs, nothing installed.

    home: Flower's folder, in place of one in the user's home.
    """
    direct = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    no_proxy = ",".join([*([direct] if direct else []), "127.0.0.1", "localhost"])
    return {
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
        "NO_PROXY": no_proxy,  # Flower's programs talk to each other over the loopback interface
        "no_proxy": no_proxy,
    }
