"""How many cases there are."""

from __future__ import annotations

from bad_input.configs import BYTES, KEYS, NEWER, SYNTAX
from bad_input.models import DAMAGE, SETTINGS
from bad_input.odd_files import ODD
from bad_input.tables import OTHERS, SEMEVAL, TABLES

CONFIGS = [case[0] for cases in (BYTES, SYNTAX, KEYS, NEWER, DAMAGE, SETTINGS) for case in cases]
FILES = [case[0] for cases in (TABLES, SEMEVAL, OTHERS, ODD) for case in cases]


def test_there_are_enough_cases_each_with_its_own_id() -> None:
    assert len(CONFIGS) >= 110
    assert len(FILES) >= 60
    ids = CONFIGS + FILES
    assert len(ids) >= 150
    assert sorted(set(ids)) == sorted(ids)
