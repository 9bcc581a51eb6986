"""Files that are gone, cut off or hold something else, before a run goes on and while it works."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.conftest import Undisturbed, write_inputs
from faults.injection import KILLED, Fault, remove
from faults.nursery import Nursery, contents, require_one_line, require_same

DAMAGES: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: remove(str(path)),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "random": lambda path: path.write_bytes(random.Random(1).randbytes(path.stat().st_size)),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}
REFUSED = (
    "config.yaml",  # what is to be run
    "facts.json",  # what the run is held to
    "environment.json",  # whether the versions are the same
    "start.safetensors",
    "latest.safetensors",
    "rounds.jsonl",  # the rounds done, of which the best is chosen
)


@pytest.fixture(scope="module")
def stopped(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run folder whose process was killed after its first round."""
    place = tmp_path_factory.mktemp("stopped")
    trace = place / "trace"
    fault = Fault(str(place / "counted"), trace=str(trace))
    assert (
        nursery.run("run", undisturbed.file, "--folder", place / "counted", fault=fault).code == 0
    )
    lines = trace.read_text().splitlines()
    opened = [
        number
        for number, line in enumerate(lines, start=1)
        if line.startswith("open ") and line.endswith("rounds.jsonl")
    ]
    fault = Fault(str(place / "runs"), "kill", opened[1])
    outcome = nursery.run("run", undisturbed.file, "--folder", place / "runs", fault=fault)
    assert outcome.code == KILLED
    return place / "runs" / "tiny"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_resuming_needs(
    nursery: Nursery,
    undisturbed: Undisturbed,
    stopped: Path,
    tmp_path: Path,
    name: str,
    damage: str,
) -> None:
    folder = shutil.copytree(stopped, tmp_path / "tiny")
    DAMAGES[damage](folder / name)
    assert name in require_one_line(nursery.run("run", "--resume", folder), 2)
    remove(str(folder / name))
    shutil.copy(stopped / name, folder / name)
    outcome = nursery.run("run", "--resume", folder)
    assert outcome.code == 0, outcome
    require_same(contents(folder), undisturbed.contents, (name, damage))


def test_a_configuration_that_is_cut_off_anywhere(
    nursery: Nursery, undisturbed: Undisturbed, stopped: Path, tmp_path: Path
) -> None:
    """A shorter YAML text may be valid and mean another run: it is refused all the same."""
    lines = (stopped / "config.yaml").read_text().splitlines(keepends=True)
    folder = shutil.copytree(stopped, tmp_path / "tiny")
    for length in range(len(lines)):
        (folder / "config.yaml").write_text("".join(lines[:length]))
        require_one_line(nursery.run("run", "--resume", folder), 2)
    (folder / "config.yaml").write_text("".join(lines))
    assert nursery.run("run", "--resume", folder).code == 0
    require_same(contents(folder), undisturbed.contents, "whole again")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("finished", [False, True])
def test_the_best_state(
    nursery: Nursery,
    undisturbed: Undisturbed,
    stopped: Path,
    tmp_path: Path,
    damage: str,
    finished: bool,
) -> None:
    """It is refused, unless a later round replaces it: never is another state taken for it."""
    whole = undisturbed.folder if finished else stopped
    folder = shutil.copytree(whole, tmp_path / "tiny")
    DAMAGES[damage](folder / "best.safetensors")
    outcome = nursery.run("run", "--resume", folder)
    if outcome.code != 0:
        assert "best.safetensors" in require_one_line(outcome, 2)
        remove(str(folder / "best.safetensors"))
        shutil.copy(whole / "best.safetensors", folder)
        assert nursery.run("run", "--resume", folder).code == 0
    require_same(contents(folder), undisturbed.contents, damage)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["split.json", "summary.json", ".lock", "export"])
def test_a_file_that_is_not_read(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path, name: str, damage: str
) -> None:
    """The split is computed again and held to its hash; the others are written anew.

    Something that cannot be replaced, a folder for a file or a file for a folder, is refused.
    """
    folder = shutil.copytree(undisturbed.folder, tmp_path / "tiny")
    if name == "export":
        shutil.rmtree(folder / name)
        (folder / name).write_bytes(b"12345678")
    DAMAGES[damage](folder / name)
    outcome = nursery.run("run", "--resume", folder)
    if outcome.code != 0:
        assert (damage == "folder") != (name == "export"), outcome
        assert name in require_one_line(outcome, 2)
        return
    found, expected = contents(folder), dict(undisturbed.contents)
    if name == "split.json":
        found = {key: value for key, value in found.items() if not key.startswith(name)}
        del expected[name]
    require_same(found, expected, (name, damage))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*REFUSED, "best.safetensors", "summary.json"])
def test_an_export_of_a_damaged_run(
    nursery: Nursery, undisturbed: Undisturbed, tmp_path: Path, name: str, damage: str
) -> None:
    """It says what is damaged, or comes out as it would from a whole one."""
    folder = shutil.copytree(undisturbed.folder, tmp_path / "tiny")
    DAMAGES[damage](folder / name)
    outcome = nursery.run("export", folder, "--out", tmp_path / "out")
    if outcome.code != 0:
        assert name in require_one_line(outcome, 2)
        assert not (tmp_path / "out").exists()
        return
    model = "adapter_model.safetensors"
    expected = undisturbed.contents[f"export/peft/{model}"]
    assert (tmp_path / "out" / model).read_bytes() == expected


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name", ["train.csv", "model/config.json", "model/model.safetensors", "model/tokenizer.json"]
)
@pytest.mark.parametrize("resumed", [False, True])
def test_data_and_model(
    nursery: Nursery,
    smallest_model: Path,
    tmp_path: Path,
    name: str,
    damage: str,
    resumed: bool,
) -> None:
    shutil.copytree(smallest_model, tmp_path / "model")
    file = write_inputs(tmp_path, tmp_path / "model", num_rounds=1)
    command: tuple[object, ...] = ("run", file, "--folder", tmp_path / "runs")
    if resumed:
        assert nursery.run(*command).code == 0
        before = contents(tmp_path / "runs" / "tiny")
        command = ("run", "--resume", tmp_path / "runs" / "tiny")
    elif (name, damage) == ("train.csv", "cut"):
        pytest.skip("a shorter table is a table; a new run has nothing to hold it against")
    DAMAGES[damage](tmp_path / name)
    line = require_one_line(nursery.run(*command), 2)
    place = (tmp_path / name).parent if "model" in name else tmp_path / name
    assert str(place) in line or (resumed and "data: the data or its split changed" in line)
    if resumed:
        require_same(contents(tmp_path / "runs" / "tiny"), before, (name, damage))
    else:
        assert not (tmp_path / "runs").exists(), "refused before anything is written"


CARD = "export/peft/README.md"
DURING = ("runs/tiny", "train.csv", "model", *(f"runs/tiny/{name}" for name in REFUSED))


@pytest.mark.slow
@pytest.mark.parametrize("target", [*DURING, "runs/tiny/best.safetensors", "runs/tiny/split.json"])
def test_a_file_that_vanishes_during_the_run(
    nursery: Nursery,
    undisturbed: Undisturbed,
    smallest_model: Path,
    tmp_path: Path,
    target: str,
) -> None:
    """Either the run ends as it should but for the file itself, or it is refused in one line."""
    shutil.copytree(smallest_model, tmp_path / "model")
    file = write_inputs(tmp_path, tmp_path / "model")
    trace, runs = tmp_path / "trace", tmp_path / "runs"
    outcome = nursery.run("run", file, "--folder", runs, fault=Fault(str(runs), trace=str(trace)))
    assert outcome.code == 0, outcome
    lines = trace.read_text().splitlines()
    expected = contents(runs / "tiny")
    codes = []
    for at in [n for n, line in enumerate(lines, start=1) if line.startswith("open ")][::2]:
        shutil.rmtree(runs)
        for name in ("model", "train.csv"):
            remove(str(tmp_path / name))
        shutil.copytree(smallest_model, tmp_path / "model")
        write_inputs(tmp_path, tmp_path / "model")
        fault = Fault(str(runs), "vanish", at, targets=(str(tmp_path / target),))
        outcome = nursery.run("run", file, "--folder", runs, fault=fault)
        codes.append(outcome.code)
        where = (at, lines[at - 1], outcome)
        if outcome.code != 0:
            assert str(tmp_path) in require_one_line(outcome, 2), where
        elif target == "runs/tiny":
            assert not (runs / "tiny").exists() or contents(runs / "tiny") == expected, where
        else:
            name = target.removeprefix("runs/tiny/")
            found = contents(runs / "tiny")
            assert found.get(name, expected.get(name)) == expected.get(name), where
            # what is gone is not put back, and the model card tells of what it still finds
            same = {name: None} if name in found else dict.fromkeys((name, CARD))
            require_same({**found, **same}, {**expected, **same}, where)
    if target in ("runs/tiny/split.json", "train.csv"):
        assert set(codes) == {0}, "it was read once, and is not needed again"
