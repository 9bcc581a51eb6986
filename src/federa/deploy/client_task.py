"""What a site runs for every message, in place of Flower's ``flwr-clientapp``.

With every message Flower's SuperNode brings the app that the server submitted, and the original
would install and run it: whoever controls the server could run code at a site. Here the same task
runs with the client app of the installed federa, and what came from the server is never unpacked.

It relies on two things of Flower 1.41, which is why no other version is accepted: the SuperNode's
SuperExec starts tasks by command name, looked up on PATH, where ``federa deploy site`` puts only
commands of its own (``federa.deploy.commands``); and ``flwr.supernode.runtime.run_clientapp`` finds
the functions replaced here by their names in that module.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from federa.deploy.flower import VERSION, require_flower
from federa.errors import ConfigError, FederaError

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp

TASK = "flwr.supernode.runtime.run_clientapp"


def own_app_only() -> None:
    """Make Flower's task run federa's client app, whatever the server sent.

    Raises: ConfigError if this is not the Flower whose functions are known.
    """
    require_flower()
    task = importlib.import_module(TASK)
    replaced = {
        "install_from_fab": _leave_packed,
        "install_app_dependencies": _install_nothing,
        "get_load_client_app_fn": _loader,
    }
    for name, function in replaced.items():
        if not callable(getattr(task, name, None)):
            raise ConfigError(f"flwr: {TASK} has no {name}, as version {VERSION} has")
        setattr(task, name, function)


def _leave_packed(*_: object, **__: object) -> None:
    """In place of unpacking the server's app."""


def _install_nothing(*_: object, **__: object) -> NoReturn:
    """In place of installing what the server's app asks for."""
    raise ConfigError("a site installs nothing that a server asks for")


def _loader(*_: object, **__: object) -> Callable[..., ClientApp]:
    """In place of loading the server's app."""

    def load(*_: Any) -> ClientApp:
        from federa.flower_app import client_app

        return client_app

    return load


def main() -> None:
    """Flower's task, called as its own command calls it, but with federa's app.

    Calling that command would import the SuperNode too, half a second for every message.
    """
    try:
        own_app_only()
    except FederaError as error:
        raise SystemExit(f"federa: error: {error}") from None
    from flwr.common.args import add_args_flwr_app_common, try_obtain_flwr_app_token
    from flwr.supercore.tls import validate_and_resolve_root_certificates

    parser = argparse.ArgumentParser("flwr-clientapp")
    parser.add_argument("--runtime-api-address", required=True)
    add_args_flwr_app_common(parser=parser)
    given = parser.parse_args()
    importlib.import_module(TASK).run_clientapp(
        runtime_api_address=given.runtime_api_address,
        token=try_obtain_flwr_app_token(given),
        insecure=given.insecure,
        certificates=validate_and_resolve_root_certificates(
            given.root_certificates, given.insecure
        ),
        parent_pid=given.parent_pid,
        runtime_dependency_install=False,
    )


if __name__ == "__main__":
    main()
