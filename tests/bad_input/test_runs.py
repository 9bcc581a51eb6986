"""Models that cannot be used, and runs that fail by themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bad_input.command import Outcome, assert_refused, federa, listing, spawn
from bad_input.models import DAMAGE, SETTINGS, Damage

KEYS = """\
data: {name: files, train: own.csv}
federation: {num_clients: 3, num_rounds: 2}
"""
TRAIN = "train: {max_steps: 2, batch_size: 4, max_length: 24, precision: fp32}\n"
ENGINE = "engine: {threads: 1, device: cpu}\n"


def _run(place: Path, *texts: str) -> Outcome:
    """Run a configuration of these parts, which is removed again."""
    (place / "bad.yaml").write_text("\n".join(texts), encoding="utf-8")
    try:
        return federa("run", "bad.yaml")
    finally:
        (place / "bad.yaml").unlink()


@pytest.mark.parametrize(("damage", "parts"), [pytest.param(*c[1:], id=c[0]) for c in DAMAGE])
def test_a_damaged_model_is_refused(
    place: Path, tiny_model: Callable[[str], str], damage: Damage, parts: tuple[str, ...]
) -> None:
    shutil.copytree(tiny_model("bert"), place / "base")
    damage(place / "base")
    before = listing(place)
    outcome = _run(place, "model: base", KEYS, TRAIN, ENGINE)
    assert_refused(outcome, *parts)
    assert listing(place) == before


@pytest.mark.parametrize(("text", "parts"), [pytest.param(*c[1:], id=c[0]) for c in SETTINGS])
def test_what_the_model_cannot_do_is_refused(
    place: Path, tiny_model: Callable[[str], str], text: str, parts: tuple[str, ...]
) -> None:
    before = listing(place)
    usual = [f"model: {tiny_model('bert')}", KEYS, TRAIN, ENGINE]
    key = text.partition(":")[0] + ":"
    outcome = _run(place, text, *(part for part in usual if not part.startswith(key)))
    assert_refused(outcome, *parts)
    assert listing(place) == before


@pytest.mark.parametrize("folder", ["own.csv", "own.csv/runs", "x" * 300])
def test_a_folder_for_runs_that_cannot_be_made_is_refused(
    place: Path, tiny_model: Callable[[str], str], folder: str
) -> None:
    text = "\n".join([f"model: {tiny_model('bert')}", KEYS, TRAIN, ENGINE])
    (place / "good.yaml").write_text(text, encoding="utf-8")
    before = listing(place)
    assert_refused(federa("run", "good.yaml", "--folder", folder), folder)
    assert listing(place) == before


FAILING = [
    ("learning_rate: 1.0e+30", "not finite"),
    ("learning_rate: 1.0e+308", "client 0: "),
    ("weight_decay: 1.0e+300", "client 0: "),
]


@pytest.mark.parametrize(("key", "part"), FAILING)
def test_a_run_that_fails_by_itself_ends_with_1_and_can_be_resumed(
    place: Path, tiny_model: Callable[[str], str], key: str, part: str
) -> None:
    before = listing(place)
    train = TRAIN.replace("max_length", f"{key}, max_length")
    failed = _run(place, f"name: wild\nmodel: {tiny_model('bert')}", KEYS, train, ENGINE)
    assert_refused(failed, "round 1: 0 of 3 clients", "federation.min_uploads is 1", part, code=1)
    assert sorted(path.name for path in (place / "runs").iterdir()) == ["wild"]
    assert not list((place / "runs" / "wild").rglob("*.tmp*"))
    again = federa("run", "--resume", "runs/wild")
    assert_refused(again, "round 1: 0 of 3 clients", part, code=1)
    shutil.rmtree(place / "runs")
    assert listing(place) == before


@pytest.mark.slow
def test_a_process_that_fails_by_itself_ends_with_1(
    place: Path, tiny_model: Callable[[str], str]
) -> None:
    text = f"model: {tiny_model('bert')}\n{KEYS}{ENGINE}{TRAIN}"
    text = text.replace("max_length", "learning_rate: 1.0e+30, max_length")
    (place / "bad.yaml").write_text(text, encoding="utf-8")
    assert_refused(spawn("run", "bad.yaml"), "round 1: 0 of 3 clients", "not finite", code=1)


def test_biases_that_the_encoder_lacks_are_refused(
    place: Path, tiny_model: Callable[[str], str]
) -> None:
    before = listing(place)
    outcome = _run(
        place, f"model: {tiny_model('modernbert')}", "method: bitfit", KEYS, TRAIN, ENGINE
    )
    assert_refused(outcome, "method: bitfit trains biases, and the encoder of modernbert has none")
    assert listing(place) == before
