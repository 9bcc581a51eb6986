"""The package's own page: what it offers is there."""

from __future__ import annotations

import pytest

import federa
from federa.config import RunConfig
from federa.errors import FederaError
from federa.version import __version__


@pytest.mark.parametrize("name", federa.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(federa, name) is not None


def test_public_names_are_the_ones_of_their_modules() -> None:
    assert federa.RunConfig is RunConfig
    assert federa.FederaError is FederaError
    assert federa.__version__ == __version__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'federa' has no attribute 'trian'"):
        federa.trian  # noqa: B018
