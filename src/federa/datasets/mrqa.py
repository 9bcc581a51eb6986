"""MRQA 2019: extractive question answering over several sources in one format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from federa.datasets.interface import find_folder, one_place, require_task
from federa.datasets.lines import list_folder, members_of, read_objects, texts_of, value_of
from federa.datasets.questions import add_question, question_table, require_new, require_text
from federa.errors import ConfigError, DataError
from federa.registry import RECORD, nearest, shown
from federa.types import Corpus, Table

_PARTS = {"train": "train", "validation": "dev", "test": "dev_ood"}
"""The folder of each split on the hub."""
_SUFFIXES = (".jsonl.gz", ".jsonl")
_SOURCE = "https://github.com/mrqa/MRQA-Shared-Task-2019"
_HUB = "mrqa-workshop/mrqa"


class Mrqa(BaseModel):
    """Questions of several sources, each in the shared task's format; scores by source too.

    folder: where train/, dev/ (in-domain) and dev_ood/ (out-of-domain, may be absent) lie, with a
    ``<source>.jsonl.gz`` (or .jsonl) each; hub: a copy on the Hugging Face hub instead; sources:
    which to read, null for all that are there; dev: what dev/ is read as. As validation, dev_ood/
    is the test set; as the test set, validation is held out from train. A column ``source`` names
    each row's.
    Source: Fisch et al., arXiv 1910.09753.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("mrqa2019",)
    summary: ClassVar[str] = "MRQA 2019, extractive questions of several sources"
    tasks: ClassVar[tuple[str, ...]] = ("question_answering",)

    name: Literal["mrqa"] = "mrqa"
    folder: str | None = Field(None, min_length=1)
    hub: str | None = Field(None, min_length=1, description="hub id, or a folder laid out like one")
    sources: list[str] | None = Field(None, min_length=1)
    dev: Literal["validation", "test"] = "validation"

    @model_validator(mode="after")
    def _agree(self) -> Mrqa:
        one_place(self.folder, self.hub)
        if self.sources and len(set(self.sources)) < len(self.sources):
            raise ConfigError("data.sources: a source is named twice")
        return self

    def task_settings(self) -> dict[str, Any]:
        """Nothing: the task's own defaults fit."""
        return {}

    def load(self, task: str) -> Corpus:
        """Train, development and, where there are any, out-of-domain questions."""
        require_task(self, task)
        if self.hub is not None:
            tables = self._from_hub(self.hub)
        else:
            tables = self._from_files(find_folder(self.name, self.folder, _SOURCE, _HUB))
        train, dev, other = (tables.get(split) for split in _PARTS)
        if train is None:
            raise DataError(f"data.sources: {', '.join(self.sources or ())} has no training part")
        if self.dev == "test":
            return Corpus(train, (), test=dev, group="source")
        return Corpus(train, (), validation=dev, test=other, group="source")

    def _from_files(self, folder: Path) -> dict[str, Table]:
        parts = {split: _files(folder / part) for split, part in _PARTS.items()}
        if not parts["train"]:
            raise DataError(f"{folder / 'train'}: no <source>.jsonl.gz; get it from {_SOURCE}")
        self._require_sources({source for files in parts.values() for source in files})
        if self.dev == "test":
            del parts["test"]  # not read in vain
        tables = {}
        for split, files in parts.items():
            chosen = {name: path for name, path in files.items() if name in (self.sources or files)}
            if chosen:
                tables[split] = _read(chosen)
        return tables

    def _require_sources(self, there: set[str]) -> None:
        for source in self.sources or ():
            if source not in there:
                hint = nearest(source, sorted(there))
                raise DataError(f"data.sources: no source {shown(source)}; {hint}")

    def _from_hub(self, place: str) -> dict[str, Table]:
        from federa.datasets.hub import read_hub

        names = ("subset", "context", "qid", "question")
        columns = {**dict.fromkeys(names, str), "detected_answers": object, "answers": list}
        splits = read_hub(place, ("train", "validation"), columns, optional=("test",))
        if self.dev == "test":
            splits.pop("test", None)
        contexts: dict[str, str] = {}
        tables, there = {}, set()
        for split, rows in splits.items():
            table = question_table("source")
            seen: set[str] = set()
            for where, row in rows:
                there.add(row["subset"])
                if row["subset"] not in (self.sources or there):
                    continue
                require_new(where, row["qid"], seen)
                context = contexts.setdefault(row["context"], row["context"])
                add_question(
                    table,
                    id=row["qid"],
                    question=row["question"],
                    context=context,
                    answers=_spans(where, context, _hub_spans(where, row["detected_answers"])),
                    references=row["answers"],
                    source=row["subset"],
                )
            if table["id"]:
                tables[split] = table
        self._require_sources(there)
        return tables


def _files(folder: Path) -> dict[str, Path]:
    """The file of each source in a folder, in order of the names."""
    found: dict[str, Path] = {}
    for path in list_folder(folder) if os.path.isdir(folder) else ():
        for suffix in _SUFFIXES:
            if path.name.endswith(suffix):
                found.setdefault(path.name.removesuffix(suffix), path)
                break
    return found


def _read(files: dict[str, Path]) -> Table:
    table = question_table("source")
    seen: set[str] = set()
    for source, path in files.items():
        before = len(seen)
        for number, (place, record) in enumerate(read_objects(path)):
            if number == 0:
                value_of(record, "header", dict, place)
                continue
            for row in _questions(place, record, seen):
                add_question(table, source=source, **row)
        if len(seen) == before:
            raise DataError(f"{path}: holds no questions")
    return table


def _questions(place: str, record: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    context = value_of(record, "context", str, place)
    require_text(place, "context", context)
    for where, question in members_of(record, "qas", place):
        name = value_of(question, "qid", str, where)
        require_new(where, name, seen)
        text = value_of(question, "question", str, where)
        require_text(where, "question", text)
        pairs = [
            pair
            for inner, answer in members_of(question, "detected_answers", where)
            for pair in value_of(answer, "char_spans", list, inner)
        ]
        references = texts_of(question, "answers", where)
        if not references:
            raise DataError(f"{where}: question {shown(name)} has no answers")
        answers = _spans(where, context, pairs)
        yield {
            "id": name,
            "question": text,
            "context": context,
            "answers": answers,
            "references": references,
        }


def _spans(place: str, context: str, pairs: list[Any]) -> list[dict[str, Any]]:
    """The distinct spans, in order; both ends are inclusive in this format."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for pair in pairs:
        numbers = isinstance(pair, list | tuple) and len(pair) == 2
        if not numbers or not all(type(number) is int for number in pair):
            raise DataError(f"{place}: the span {shown(pair)} is no pair of whole numbers")
        start, last = pair
        if not 0 <= start <= last < len(context):
            raise DataError(
                f"{place}: the span {shown(pair)} lies outside the {len(context)} characters of "
                "the context"
            )
        found[start, last] = {"text": context[start : last + 1], "start": start}
    return list(found.values())


def _hub_spans(place: str, detected: Any) -> list[Any]:
    """The spans of one row on the hub, which nests lists and objects either way round."""
    pairs: list[Any] = []
    try:
        inside = isinstance(detected, dict)
        for group in detected["char_spans"] if inside else detected:
            spans = group if inside else group["char_spans"]
            if isinstance(spans, dict):
                pairs.extend(zip(spans["start"], spans["end"], strict=True))
            else:
                pairs.extend((one["start"], one["end"]) for one in spans)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{place}: 'detected_answers' has no readable char_spans") from error
    return pairs
