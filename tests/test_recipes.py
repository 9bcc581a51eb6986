"""Every recipe is a valid configuration."""

from pathlib import Path

import pytest

from federa import RunConfig

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


def test_there_are_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe(path: Path) -> None:
    config = RunConfig.load(path)
    assert config.name == path.stem
