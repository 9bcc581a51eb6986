"""A site's task runs the installed client app, whatever the server sent, and refuses all else."""

import importlib
import importlib.metadata
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from federa.deploy.client_task import TASK
from federa.deploy.commands import CLIENT, REFUSED, SUPEREXEC, write_commands
from federa.deploy.flower import require_flower
from federa.errors import ConfigError

flwr = pytest.importorskip("flwr", reason="needs the flower extra")
pytestmark = pytest.mark.flower


def run_python(script: str) -> str:
    """What a script prints; Flower's modules are changed in its process alone."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_task_loads_our_app_and_no_heavy_library() -> None:
    output = run_python(
        f"""
        import importlib, sys
        from federa.deploy.client_task import own_app_only
        own_app_only()
        task = importlib.import_module({TASK!r})
        from federa.flower_app import client_app
        load = task.get_load_client_app_fn(default_app_ref="", app_path=None, multi_app=True)
        print(load("evil/app", "1.0", "0" * 64) is client_app)
        print(sorted({{"torch", "transformers", "datasets"}} & set(sys.modules)))
        """
    )
    assert output.split("\n")[:2] == ["True", "[]"]


def test_nothing_of_the_server_is_unpacked_or_installed() -> None:
    """The whole task, with a message whose app would leave a file behind."""
    output = run_python(
        f"""
        import importlib
        from federa.deploy.client_task import own_app_only
        own_app_only()
        task = importlib.import_module({TASK!r})
        print(task.install_from_fab(b"not even a zip file", skip_prompt=True))
        try:
            task.install_app_dependencies("path", launch_id="", run_id=1, index_context={{}})
        except Exception as error:
            print(error)
        """
    )
    assert output.splitlines() == ["None", "a site installs nothing that a server asks for"]


def test_the_task_calls_what_is_replaced() -> None:
    """Flower's code still goes through the names that are replaced, and through no others."""
    source = Path(importlib.import_module(TASK).__file__ or "").read_text()
    body = source[source.index("def run_clientapp(") : source.index("def pull_task_input(")]
    assert "install_from_fab(fab.content" in body
    assert "get_load_client_app_fn(" in body
    assert body.count("fab.content") == 1, "what came from the server is used nowhere else"
    assert "load_app(" not in body


@pytest.mark.parametrize("found", ["1.40.0", "1.42.1", "2.0.0"])
def test_another_flower_is_refused(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: found)
    with pytest.raises(ConfigError) as caught:
        require_flower()
    assert str(caught.value) == f"flwr: {found} is installed; federa deploy needs 1.41"


def test_a_flower_without_the_names_is_refused() -> None:
    output = run_python(
        f"""
        import importlib
        task = importlib.import_module({TASK!r})
        del task.install_from_fab
        from federa.deploy.client_task import main
        try:
            main()
        except SystemExit as error:
            print(error)
        """
    )
    assert output.startswith(f"federa: error: flwr: {TASK} has no install_from_fab")


def test_the_commands_are_all_there_is_on_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "commands"
    folder.mkdir(parents=True)
    (folder / "left-over").write_text("")
    write_commands(folder)
    from flwr.supercore.constant import TASK_TYPE_TO_COMMAND

    assert set(TASK_TYPE_TO_COMMAND.values()) == {CLIENT, *REFUSED}
    assert {path.name for path in folder.iterdir()} == {CLIENT, SUPEREXEC, *REFUSED}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    environment = {**os.environ, "PATH": str(folder)}
    for name in REFUSED:
        done = subprocess.run([name], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr == f"{name}: refused; a site runs the installed federa alone\n"
    done = subprocess.run(
        [CLIENT, "--help"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage: flwr-clientapp" in done.stdout
