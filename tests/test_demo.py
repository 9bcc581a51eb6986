"""The demo, run as a user runs it: it must learn, and leave a model that works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MINIMUM = 0.70
"""Test accuracy that the demo must reach; its commonest label scores 0.07."""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_demo_learns(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "federa", "demo"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    folder = tmp_path / "runs" / "demo"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["best"]["scores"]["test"]["accuracy"] >= MINIMUM, done.stdout
    assert summary["baseline"]["test"] < 0.1
    assert summary["num_failures"] == 0
    lines = done.stdout.splitlines()
    assert sum(line.startswith("round ") for line in lines) == summary["num_rounds"]
    assert (folder / "export" / "peft" / "adapter_model.safetensors").is_file()
    text = "I have forgotten what I type to get into my computer and now it has locked me out.\n"
    answer = subprocess.run(
        [sys.executable, "-m", "federa", "predict", str(folder)],
        input=text,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(answer.stdout)["label"] == "password_reset"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "name", "score"),
    [
        ("token_classification", "demo-entities", "surface_f1"),
        ("question_answering", "demo-questions", "exact_match"),
    ],
)
def test_the_other_demos_run(tmp_path: Path, task: str, name: str, score: str) -> None:
    """One short round, which is too little to learn from."""
    short = ["federation.num_rounds=1", "train.max_steps=2", "evaluation.every=1"]
    options = [part for change in short for part in ("--set", change)]
    command = [sys.executable, "-m", "federa", "demo", "--task", task, *options]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "runs" / name
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["shown_scores"] == ["f1", score]
    assert set(summary["best"]["scores"]) == {"validation", "test"}
    assert (folder / "export" / "peft" / "adapter_model.safetensors").is_file()
