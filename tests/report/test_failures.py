import json

import pytest

from federa.errors import RunError
from federa.report.failures import FAILURES, failures_of, read_failures, without_result
from report.made_runs import made_run
from report.synthetic import synthetic_findings


def test_failures_of_the_comparison_above_a_run(tmp_path):
    run = tmp_path / "skewed" / "lora" / "seed-1"
    run.mkdir(parents=True)
    content = {"skewed/full/seed-2": "out of memory", "a/b/lora/seed-10": "no rate trained"}
    (tmp_path / FAILURES).write_text(json.dumps(content), encoding="utf-8")
    assert read_failures([run, run]) == {
        ("skewed", "full", 2): "out of memory",
        ("a/b", "lora", 10): "no rate trained",
    }
    assert read_failures([tmp_path.parent / "elsewhere" / "run"]) == {}


@pytest.mark.parametrize("text", ["{", "[1]", '{"lora": "x"}', '{"a/lora/seed-x": "y"}'])
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / FAILURES).write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"failures\.json: damaged or unreadable"):
        read_failures([tmp_path / "run"])


def test_what_was_finished_since_has_not_failed():
    failures = {
        ("skewed", "lora", 1): "stopped",
        ("skewed", "lora", 2): "out of memory",
        ("iid", "lora", 3): "stopped",
    }
    runs = [made_run("lora", 1), made_run("lora", 2, finished=False)]
    assert failures_of(failures, runs) == {2: "out of memory"}


def test_methods_without_any_run_are_said():
    settings = synthetic_findings().settings
    failures = {("squad", "bitfit", 1): "no biases", ("squad", "lora", 2): "out of memory"}
    assert without_result(failures, settings) == ["squad: bitfit, seed 1 failed: no biases"]
