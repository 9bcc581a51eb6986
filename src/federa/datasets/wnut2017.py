"""WNUT-2017: novel and emerging entities in user-generated text, six types."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from federa.datasets.conll import read_sentences, require_tag, tag_names
from federa.datasets.interface import find_folder, one_place, require_task
from federa.registry import RECORD
from federa.types import Corpus, Table

TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
_FILES = {
    "train": "wnut17train.conll",
    "validation": "emerging.dev.conll",
    "test": "emerging.test.annotated",
}
_SOURCE = "https://github.com/leondz/emerging_entities_17"
_HUB = "leondz/wnut_17"


class Wnut2017(BaseModel):
    """Sentences of tweets, comments and posts, their entities tagged B-, I- and O.

    folder: where the release's wnut17train.conll, emerging.dev.conll and emerging.test.annotated
    lie; hub: a copy on the Hugging Face hub instead.
    Source: Derczynski et al., WNUT-2017 shared task.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("wnut17", "wnut")
    summary: ClassVar[str] = "WNUT-2017, emerging entities in user-generated text, 6 types"
    tasks: ClassVar[tuple[str, ...]] = ("token_classification",)

    name: Literal["wnut2017"] = "wnut2017"
    folder: str | None = Field(None, min_length=1)
    hub: str | None = Field(None, min_length=1, description="hub id, or a folder laid out like one")

    @model_validator(mode="after")
    def _place(self) -> Wnut2017:
        one_place(self.folder, self.hub)
        return self

    def task_settings(self) -> dict[str, Any]:
        """Nothing: the task's own defaults fit."""
        return {}

    def load(self, task: str) -> Corpus:
        """Train 3,394 sentences, validation 1,009, test up to 1,287."""
        require_task(self, task)
        if self.hub is not None:
            tables = _from_hub(self.hub)
        else:
            folder = find_folder(self.name, self.folder, _SOURCE, _HUB)
            tables = {split: _read(folder / file, split) for split, file in _FILES.items()}
        train, validation, test = (tables[split] for split in _FILES)
        return Corpus(train, tag_names(tables.values()), validation, test)


def _read(path: Path, split: str) -> Table:
    table: Table = {"id": [], "words": [], "tags": []}
    for number, (words, tags) in enumerate(read_sentences(path, 2, TYPES), start=1):
        table["id"].append(f"{split}-{number}")
        table["words"].append(words)
        table["tags"].append(tags)
    return table


def _from_hub(place: str) -> dict[str, Table]:
    from federa.datasets.hub import read_hub

    tables: dict[str, Table] = {}
    for split, rows in read_hub(place, tuple(_FILES), {"tokens": list, "ner_tags": list}).items():
        table: Table = {"id": [], "words": [], "tags": []}
        for number, (where, row) in enumerate(rows, start=1):
            for tag in row["ner_tags"]:
                require_tag(where, tag, TYPES)
            table["id"].append(f"{split}-{number}")
            table["words"].append(row["tokens"])
            table["tags"].append(row["ner_tags"])
        tables[split] = table
    return tables
