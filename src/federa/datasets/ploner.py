"""PLONER: persons, locations and organisations in seven domains of text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from federa.datasets.conll import read_sentences, tag_names
from federa.datasets.interface import find_folder, require_task
from federa.errors import ConfigError, DataError
from federa.registry import RECORD
from federa.types import Corpus, Table

TYPES = ("LOC", "ORG", "PER")
DOMAINS = ("connl03", "onbc", "onbn", "onmz", "onnw", "onwb", "wnut16")
_SPLITS = {"train": "train", "validation": "dev", "test": "test"}
_SPELLINGS = {"connl03": ("connl03", "conll03")}
"""The release itself writes connl03."""
_SOURCE = (
    "https://github.com/pfliu-nlp/Named-Entity-Recognition-NER-Papers (folder ner_dataset/PLONER)"
)


def _release_name(domain: Any) -> Any:
    return "connl03" if domain == "conll03" else domain


Domain = Annotated[
    Literal["connl03", "onbc", "onbn", "onmz", "onnw", "onwb", "wnut16"],
    BeforeValidator(_release_name),
]


class Ploner(BaseModel):
    """Sentences of newswire, broadcasts, magazines, web text and Twitter; scores by domain too.

    folder: where the ``<domain>_train.txt``, ``_dev.txt`` and ``_test.txt`` lie; domains: which to
    read, one after the other, null for all that are there. A column ``domain`` names each row's.
    Source: Fu, Liu and Zhang, arXiv 2001.03844.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "PLONER, persons, locations and organisations in 7 domains"
    tasks: ClassVar[tuple[str, ...]] = ("token_classification",)

    name: Literal["ploner"] = "ploner"
    folder: str | None = Field(None, min_length=1)
    domains: list[Domain] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Ploner:
        if self.domains and len(set(self.domains)) < len(self.domains):
            raise ConfigError("data.domains: a domain is named twice")
        return self

    def task_settings(self) -> dict[str, Any]:
        """Nothing: the task's own defaults fit."""
        return {}

    def load(self, task: str) -> Corpus:
        """Of each domain train 1,750 sentences, validation 250, test 500 (onbc: 501)."""
        require_task(self, task)
        folder = find_folder(self.name, self.folder, _SOURCE)
        there = [domain for domain in DOMAINS if _file(folder, domain, "train")]
        wanted = self.domains or there
        missing = [domain for domain in wanted if domain not in there]
        if missing or not wanted:
            raise DataError(
                f"{folder}: no {missing[0] if missing else '<domain>'}_train.txt (data.domains); "
                f"there are: {', '.join(there) or 'none'}; get it from {_SOURCE}"
            )
        train, validation, test = (_read(folder, wanted, split) for split in _SPLITS)
        labels = tag_names((train, validation, test))
        return Corpus(train, labels, validation, test, group="domain")


def _file(folder: Path, domain: str, split: str) -> Path | None:
    paths = [folder / f"{name}_{split}.txt" for name in _SPELLINGS.get(domain, (domain,))]
    return next((path for path in paths if os.path.exists(path)), None)


def _read(folder: Path, domains: list[Any], split: str) -> Table:
    table: Table = {"id": [], "words": [], "tags": [], "domain": []}
    for domain in domains:
        path = _file(folder, domain, _SPLITS[split]) or folder / f"{domain}_{_SPLITS[split]}.txt"
        for number, (words, tags) in enumerate(read_sentences(path, 2, TYPES), start=1):
            table["id"].append(f"{domain}-{split}-{number}")
            table["words"].append(words)
            table["tags"].append(tags)
            table["domain"].append(domain)
    return table
