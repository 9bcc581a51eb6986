"""The README's examples, run as they stand."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from federa import RunConfig
from federa.yaml_text import parse_yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WORDS = ("printer", "password", "screen")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_complete_file_is_valid() -> None:
    (text,) = blocks("yaml")
    given = parse_yaml("README.md", text)
    config = RunConfig.parse(given)
    assert set(given) == set(RunConfig.model_fields), "every section is shown"
    assert config.method.name == "federa"


@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = blocks("python")[0]
    exec(compile(code, "README", "exec"), {})
    assert (tmp_path / "runs" / "desk" / "export" / "merged" / "config.json").is_file()


def test_the_example_method_works(tiny_model: Callable[[str], str]) -> None:
    from builders import load_classifier
    from federa.models import head_names

    space: dict[str, type] = {}
    exec(compile(blocks("python")[1], "README", "exec"), space)
    model = load_classifier(tiny_model("bert"), ("a", "b"), 1)
    method = space["HeadOnly"]()
    layout = method.attach(model, method.start(model, 1))
    trained = {name for name, value in model.named_parameters() if value.requires_grad}
    assert set(layout.shared) == trained == set(head_names(model))


@pytest.mark.slow
def test_the_commands_run(tmp_path: Path) -> None:
    lines = ["text,label"]
    lines += [f"please see to the {WORDS[i % 3]} in room {i},{WORDS[i % 3]}" for i in range(90)]
    (tmp_path / "tickets.csv").write_text("\n".join(lines))
    commands = blocks("bash")[1]
    assert commands.count("federa ") == 6
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = (tmp_path / "runs" / "my-run" / "rounds.jsonl").read_text().splitlines()
    assert len(records) == 4
    assert '"label": "' in done.stdout.splitlines()[-1]
