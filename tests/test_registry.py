"""Every registered record is found by its names; a wrong name is answered by the nearest ones."""

from __future__ import annotations

import re
from typing import Any

import pytest

from federa.config import REGISTRIES
from federa.errors import ConfigError
from federa.methods import METHODS
from federa.registry import canonical, describe, names, nearest

RECORDS = [(kind, record) for kind, registry in REGISTRIES.items() for record in registry]


@pytest.mark.parametrize(("kind", "record"), RECORDS)
def test_a_record_is_found_by_name_and_alias_in_any_case(kind: str, record: type[Any]) -> None:
    name = record.model_fields["name"].default
    for spelling in (name, *record.aliases):
        for given in (spelling, spelling.upper(), spelling.title(), spelling.replace("_", "-")):
            assert canonical(kind, given, REGISTRIES[kind]) == name


@pytest.mark.parametrize("kind", REGISTRIES)
def test_no_spelling_belongs_to_two_records(kind: str) -> None:
    owners: dict[str, str] = {}
    for record in REGISTRIES[kind]:
        name = record.model_fields["name"].default
        for spelling in {name.lower(), *(alias.lower() for alias in record.aliases)}:
            assert owners.setdefault(spelling, name) == name


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_record_is_described_in_one_line(kind: str) -> None:
    rows = describe(REGISTRIES[kind])
    assert [re.split(r" \(", name)[0] for name, _ in rows] == names(REGISTRIES[kind])
    for (shown, summary), record in zip(rows, REGISTRIES[kind], strict=True):
        assert all(alias in shown for alias in record.aliases)
        assert summary.strip()
        assert len(summary.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("fedra", "method: unknown name 'fedra'; did you mean 'federa'"),
        ("FULLL", "method: unknown name 'FULLL'; did you mean 'full'?"),
        ("zzz", "method: unknown name 'zzz'; allowed: federa, lora, fedlr, fedit, bitfit, fedbf, "),
        ("", "method: unknown name ''; allowed: federa"),
    ],
)
def test_a_wrong_name_is_answered_by_the_nearest(given: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        canonical("method", given, METHODS)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("wrong", "allowed", "hint"),
    [
        ("seeed", ["seed", "name"], "did you mean 'seed'?"),
        ("tests", ["test", "text", "x"], "did you mean 'test' or 'text'?"),
        ("q", ["seed", "name"], "allowed: seed, name"),
    ],
)
def test_nearest(wrong: str, allowed: list[str], hint: str) -> None:
    assert nearest(wrong, allowed) == hint
