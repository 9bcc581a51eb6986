"""SemEval-2010 Task 8: the relation between two marked nominals, 19 labels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from federa.datasets.interface import find_folder, one_place, require_task
from federa.datasets.lines import read_lines
from federa.errors import DataError
from federa.registry import RECORD, nearest
from federa.types import Corpus, Table

_SENTENCE = re.compile(r'(\d+)\t"(.*)"')
_TAGS = ("<e1>", "</e1>", "<e2>", "</e2>")
_RELATIONS = (
    *("Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination"),
    *("Entity-Origin", "Instrument-Agency", "Member-Collection", "Message-Topic"),
    "Product-Producer",
)
_LABELS = ("Other", *(f"{name}({way})" for name in _RELATIONS for way in ("e1,e2", "e2,e1")))
_SOURCE = (
    "SemEval2010_task8_all_data.zip of the task "
    "(https://semeval2.fbk.eu/semeval2.php?location=tasks&taskid=11)"
)
_HUB = "SemEvalWorkshop/sem_eval_2010_task_8"


class SemEval2010Task8(BaseModel):
    """Sentences with <e1> and <e2> markers left in the text, in the release's own files.

    folder: where TRAIN_FILE.TXT and TEST_FILE_FULL.TXT lie; hub: a copy on the Hugging Face hub
    instead; markers: whether the tokenizer sees the markers as plain text or as special tokens.
    Source: Hendrickx et al., SemEval-2010 Task 8.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("semeval",)
    summary: ClassVar[str] = "SemEval-2010 Task 8, relation classification, 19 labels"
    tasks: ClassVar[tuple[str, ...]] = ("text_classification",)

    name: Literal["semeval2010task8"] = "semeval2010task8"
    folder: str | None = Field(None, min_length=1)
    hub: str | None = Field(None, min_length=1, description="hub id, or a folder laid out like one")
    markers: Literal["plain", "special"] = "plain"

    @model_validator(mode="after")
    def _place(self) -> SemEval2010Task8:
        one_place(self.folder, self.hub)
        return self

    def task_settings(self) -> dict[str, Any]:
        """The task's official score, and its markers as tokens where ``markers`` says so."""
        settings: dict[str, Any] = {"scores": ["relation_macro_f1"]}
        if self.markers == "special":
            settings["special_tokens"] = list(_TAGS)
        return settings

    def load(self, task: str) -> Corpus:
        """Train 8,000 sentences, test up to 2,717; no development split."""
        require_task(self, task)
        if self.hub is not None:
            train, test = _from_hub(self.hub)
        else:
            folder = find_folder(self.name, self.folder, _SOURCE, _HUB)
            train = _read(folder / "TRAIN_FILE.TXT")
            test = _read(folder / "TEST_FILE_FULL.TXT")
        labels = tuple(sorted(set(train["label"]) | set(test["label"])))
        return Corpus(train=train, test=test, labels=labels)


def _read(path: Path) -> Table:
    table: Table = {"id": [], "text": [], "label": []}
    lines = read_lines(path)
    after_label = False
    for number, line in lines:
        if after_label and line.startswith("Comment"):
            after_label = False
            continue
        after_label = False
        if not line.strip():
            continue
        matched = _SENTENCE.fullmatch(line.rstrip())
        label = next(lines, (0, ""))[1].strip()
        if not matched or not label or label.startswith("Comment:"):
            raise DataError(f'{path}:{number}: expected number TAB "sentence" and a label below it')
        if table["id"] and int(matched[1]) <= int(table["id"][-1]):
            raise DataError(f"{path}:{number}: number {matched[1]} after {table['id'][-1]}")
        _require_markers(matched[2], f"{path}:{number}")
        _require_relation(label, f"{path}:{number + 1}")
        table["id"].append(matched[1])
        table["text"].append(matched[2])
        table["label"].append(label)
        after_label = True
    return table


def _require_markers(text: str, place: str) -> None:
    places = [text.find(tag) for tag in _TAGS]
    if places != sorted(places) or any(text.count(tag) != 1 for tag in _TAGS):
        raise DataError(f"{place}: expected {'...'.join(_TAGS)}, once each")


def _require_relation(label: str, place: str) -> None:
    if label not in _LABELS:
        raise DataError(f"{place}: no relation {label!r}; {nearest(label, _LABELS)}")


def _from_hub(place: str) -> tuple[Table, Table]:
    """Both splits of a copy on the hub; numbered from 1, in the order of the release."""
    from federa.datasets.hub import read_hub

    number, tables = 0, []
    splits = read_hub(place, ("train", "test"), {"sentence": str, "relation": str})
    for split in ("train", "test"):
        table: Table = {"id": [], "text": [], "label": []}
        for where, row in splits[split]:
            number += 1
            _require_markers(row["sentence"], where)
            _require_relation(row["relation"], where)
            table["id"].append(str(number))
            table["text"].append(row["sentence"])
            table["label"].append(row["relation"])
        tables.append(table)
    return tables[0], tables[1]
