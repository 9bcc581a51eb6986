"""What every data set promises, and how its files are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federa.datasets import DATASETS, Files, TwentyNewsgroups
from federa.errors import ConfigError, DataError
from federa.registry import names

PUBLIC = [record for record in DATASETS if record.__name__ not in ("ServiceDesk", "Files", "Sites")]
FOLDERS = {"squad": "squad_v1"}
TASKS = {"text_classification", "token_classification", "question_answering"}


def test_the_order_of_the_list() -> None:
    assert names(DATASETS) == [
        "servicedesk",
        "20newsgroups",
        "semeval2010task8",
        "wnut2017",
        "ploner",
        "squad",
        "mrqa",
        "files",
        "sites",
    ]


@pytest.mark.parametrize("record", DATASETS)
def test_tasks_and_their_refusal(record: Any, refusal: Callable[..., str]) -> None:
    made = record(train="x.csv") if record is Files else record()
    assert made.tasks
    assert set(made.tasks) <= TASKS
    assert isinstance(made.task_settings(), dict)
    message = refusal(made, "translation")
    assert message == f"data: {made.name} is for {', '.join(made.tasks)}, not 'translation'"


@pytest.mark.parametrize("record", PUBLIC)
def test_a_set_that_is_not_there_says_where_to_get_it(
    record: Any, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FEDERA_DATA", raising=False)
    name = FOLDERS.get(record().name, record().name)
    message = refusal(record())
    assert message.startswith(
        f"data: {name} is not in $FEDERA_DATA/{name} (FEDERA_DATA is not set)"
    )
    assert "http" in message
    assert "set data.folder" in message
    assert ("data.hub" in message) == ("hub" in record.model_fields)
    monkeypatch.setenv("FEDERA_DATA", str(tmp_path))
    assert f"(FEDERA_DATA is {tmp_path})" in refusal(record())
    assert refusal(record(folder="absent/inner")) == "data.folder: no folder absent/inner"


@pytest.mark.parametrize("record", PUBLIC)
def test_an_empty_folder_is_refused(
    record: Any, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / FOLDERS.get(record().name, record().name)
    folder.mkdir()
    monkeypatch.setenv("FEDERA_DATA", str(tmp_path))
    assert refusal(record()).startswith(str(folder))


@pytest.mark.parametrize("record", [r for r in PUBLIC if "hub" in r.model_fields])
def test_folder_and_hub_exclude_each_other(record: Any) -> None:
    with pytest.raises(ConfigError, match=r"^data\.hub: data\.folder is set too; name one place$"):
        record(folder="here", hub="there")


def test_a_tilde_in_the_environment_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "20newsgroups").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FEDERA_DATA", "~")
    with pytest.raises(DataError, match=rf"^{tmp_path}/20newsgroups: holds none of"):
        TwentyNewsgroups().load("text_classification")
