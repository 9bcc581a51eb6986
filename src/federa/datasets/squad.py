"""SQuAD 1.1 and 2.0: questions on paragraphs of Wikipedia."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from federa.datasets.interface import find_folder, one_place, require_task
from federa.datasets.questions import add_question, answers_of, question_table, require_new
from federa.datasets.squad_json import read_squad_file
from federa.errors import DataError
from federa.registry import RECORD, shown
from federa.types import Corpus, Table

_HUB = {"1.1": "rajpurkar/squad", "2.0": "rajpurkar/squad_v2"}
_SOURCE = "https://rajpurkar.github.io/SQuAD-explorer"
_NEEDS_2 = 'set data.version to "2.0"'


def _as_written(version: Any) -> Any:
    """YAML reads 2.0 as a number."""
    return str(version) if isinstance(version, float) else version


class Squad(BaseModel):
    """Questions whose answers are spans of a paragraph; in version 2.0 some have none.

    folder: where ``train-v<version>.json`` and ``dev-v<version>.json`` lie; hub: a copy on the
    Hugging Face hub instead; dev: what the official development set is read as; where it is the
    test set, validation is held out from train.
    Source: Rajpurkar et al., arXiv 1606.05250 and 1806.03822.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "SQuAD 1.1 and 2.0, questions on paragraphs of Wikipedia"
    tasks: ClassVar[tuple[str, ...]] = ("question_answering",)

    name: Literal["squad"] = "squad"
    folder: str | None = Field(None, min_length=1)
    hub: str | None = Field(None, min_length=1, description="hub id, or a folder laid out like one")
    version: Annotated[Literal["1.1", "2.0"], BeforeValidator(_as_written)] = "1.1"
    dev: Literal["validation", "test"] = "validation"

    @model_validator(mode="after")
    def _place(self) -> Squad:
        one_place(self.folder, self.hub)
        return self

    def task_settings(self) -> dict[str, Any]:
        """In version 2.0 the answer may be that there is none."""
        return {"unanswerable": True} if self.version == "2.0" else {}

    def load(self, task: str) -> Corpus:
        """Train, and the development set as ``dev`` says; titles of articles in ``title``."""
        require_task(self, task)
        impossible = None if self.version == "2.0" else _NEEDS_2
        if self.hub is not None:
            train, dev = _from_hub(self.hub, impossible)
        else:
            major = self.version[0]
            folder = find_folder(f"squad_v{major}", self.folder, _SOURCE, _HUB[self.version])
            _require_version(folder, self.version)
            train, dev = (
                read_squad_file(folder / f"{part}-v{self.version}.json", impossible)
                for part in ("train", "dev")
            )
        if self.dev == "test":
            return Corpus(train=train, labels=(), test=dev)
        return Corpus(train=train, labels=(), validation=dev)


def _require_version(folder: Path, version: str) -> None:
    """Point to the other version where that lies in the folder instead."""
    other = "2.0" if version == "1.1" else "1.1"
    names = {given: f"train-v{given}.json" for given in (version, other)}
    there = {given: os.path.exists(folder / name) for given, name in names.items()}
    if there[other] and not there[version]:
        raise DataError(
            f'{folder}: holds {names[other]}, not {names[version]}; set data.version to "{other}"'
        )


def _from_hub(place: str, impossible: str | None) -> tuple[Table, Table]:
    from federa.datasets.hub import read_hub

    columns = {"id": str, "title": str, "context": str, "question": str, "answers": dict}
    splits = read_hub(place, ("train", "validation"), columns)
    contexts: dict[str, str] = {}
    tables = []
    for rows in splits.values():
        table = question_table("title")
        seen: set[str] = set()
        for where, row in rows:
            require_new(where, row["id"], seen)
            context = contexts.setdefault(row["context"], row["context"])
            answers = answers_of(where, context, row["answers"])
            if not answers and impossible is not None:
                raise DataError(f"{where}: question {shown(row['id'])} has no answer; {impossible}")
            add_question(
                table,
                **{name: row[name] for name in ("id", "title", "question")},
                context=context,
                answers=answers,
                references=[answer["text"] for answer in answers],
            )
        tables.append(table)
    return tables[0], tables[1]
