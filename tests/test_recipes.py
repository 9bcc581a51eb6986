"""The recipes are what their script writes, valid, and say where each value is from."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from federa import RunConfig, cli

FOLDER = Path(__file__).parents[1] / "recipes"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
WRITTEN: dict[str, str] = SCRIPT.recipes()
RECIPES = sorted(FOLDER.rglob("*.yaml"))
OTHERS = [
    (f"{name}/{model}-federa.yaml", changes)
    for name, (_, runs) in SCRIPT.SETS.items()
    for model, (_, size) in SCRIPT.MODELS.items()
    for _, changes in runs[size].others
]


def test_every_set_model_and_method_has_one() -> None:
    assert len(WRITTEN) == 6 * 3 * 5
    own = {FOLDER / "semeval2010task8-minilm.yaml"}
    assert set(RECIPES) == own | {FOLDER / path for path in WRITTEN}


@pytest.mark.parametrize("path", WRITTEN)
def test_file_is_what_the_script_writes(path: str) -> None:
    written = (FOLDER / path).read_text(encoding="utf-8")
    assert written == WRITTEN[path], "run python recipes/generate.py"


@pytest.mark.parametrize("path", WRITTEN)
def test_every_value_has_a_source(path: str) -> None:
    for line in WRITTEN[path].splitlines():
        assert len(line) <= 100
        key, value = line.partition(":")[::2]
        if not line.startswith("#") and value and key not in ("name", "seed"):
            assert re.search(r"  # (FeDeRA|FedPETuning|F\w+'s|FedNLP|ours|one for each)", line), (
                line
            )


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_recipe_is_valid(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = RunConfig.load(path)
    group = "" if path.parent == FOLDER else f"{path.parent.name}-"
    assert config.name == group + path.stem
    monkeypatch.setattr(sys, "argv", ["federa", "check", str(path)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    assert (stopped.value.code, said.err) == (0, "")
    assert f"{config.method.name} on {config.data.name}, model {config.model}" in said.out


@pytest.mark.parametrize(("path", "changes"), OTHERS)
def test_other_split_is_valid(path: str, changes: tuple[str, ...]) -> None:
    usual, other = RunConfig.load(FOLDER / path), RunConfig.load(FOLDER / path, changes)
    assert other != usual
    assert other.method == usual.method


def test_methods_differ_in_nothing_but_method_and_rate() -> None:
    for name in SCRIPT.SETS:
        for model in SCRIPT.MODELS:
            first, *rest = (
                RunConfig.load(FOLDER / name / f"{model}-{method}.yaml").model_dump()
                for method in SCRIPT.METHODS
            )
            for other in rest:
                assert _shared(other) == _shared(first)


def _shared(config: dict[str, dict[str, object]]) -> dict[str, object]:
    train = {key: value for key, value in config["train"].items() if key != "learning_rate"}
    return {**config, "train": train, "name": None, "method": None}
