"""Where figures come from, once a person has changed some of them."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

GIVEN = "given in the configuration"


def with_own_source(given: Any, figures: Set[str]) -> Any:
    """The fields of a record, with ``GIVEN`` for its source if they name figures but no source."""
    if isinstance(given, dict) and "source" not in given and figures & given.keys():
        return {**given, "source": GIVEN}
    return given
