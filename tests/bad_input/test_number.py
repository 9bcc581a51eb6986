"""How many cases there are."""

from __future__ import annotations

from bad_input.configs import BYTES, KEYS, NEWER, SYNTAX
from bad_input.models import DAMAGE, SETTINGS
from bad_input.odd_files import ODD
from bad_input.tables import OTHERS, SEMEVAL, TABLES
from bad_input.task_commands import FINISHED, LENGTHS, LOOKING, PIPED
from bad_input.task_configs import NEWEST
from bad_input.task_files import TASK_FILES

CONFIGS = [
    case[0]
    for cases in (BYTES, SYNTAX, KEYS, NEWER, NEWEST, DAMAGE, SETTINGS, LENGTHS)
    for case in cases
]
FILES = [
    case[0]
    for cases in (TABLES, SEMEVAL, TASK_FILES, OTHERS, ODD, LOOKING, PIPED, FINISHED)
    for case in cases
]


def test_there_are_enough_cases_each_with_its_own_id() -> None:
    assert len(CONFIGS) >= 750
    assert len(FILES) >= 500
    ids = CONFIGS + FILES
    assert len(ids) >= 1250
    assert sorted(set(ids)) == sorted(ids)
