"""SemEval-2010 Task 8: the relation between two marked nominals, 19 labels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel

from federa.datasets.interface import find_folder, read_text
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


class SemEval2010Task8(BaseModel):
    """Sentences with <e1> and <e2> markers left in the text, in the release's own files.

    folder: where TRAIN_FILE.TXT and TEST_FILE_FULL.TXT lie.
    Source: Hendrickx et al., SemEval-2010 Task 8.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("semeval",)
    summary: ClassVar[str] = "SemEval-2010 Task 8, relation classification, 19 labels"
    task: ClassVar[str] = "text_classification"

    name: Literal["semeval2010task8"] = "semeval2010task8"
    folder: str | None = None

    def load(self) -> Corpus:
        """Train 8,000 sentences, test up to 2,717; no development split."""
        source = "the task's page (SemEval2010_task8_all_data.zip)"
        folder = find_folder(self.name, self.folder, source)
        train = _read(folder / "TRAIN_FILE.TXT")
        test = _read(folder / "TEST_FILE_FULL.TXT")
        labels = tuple(sorted(set(train["label"]) | set(test["label"])))
        return Corpus(train=train, test=test, labels=labels)


def _read(path: Path) -> Table:
    table: Table = {"id": [], "text": [], "label": []}
    lines = read_text(path).split("\n")  # only line ends; splitlines knows others
    position = 0
    while position < len(lines):
        if not lines[position].strip():
            position += 1
            continue
        matched = _SENTENCE.fullmatch(lines[position].rstrip())
        label = lines[position + 1].strip() if position + 1 < len(lines) else ""
        if not matched or not label or label.startswith("Comment:"):
            raise DataError(
                f'{path}:{position + 1}: expected number TAB "sentence" and a label below it'
            )
        if table["id"] and int(matched[1]) <= int(table["id"][-1]):
            raise DataError(f"{path}:{position + 1}: number {matched[1]} after {table['id'][-1]}")
        places = [matched[2].find(tag) for tag in _TAGS]
        if places != sorted(places) or any(matched[2].count(tag) != 1 for tag in _TAGS):
            raise DataError(f"{path}:{position + 1}: expected {'...'.join(_TAGS)}, once each")
        if label not in _LABELS:
            raise DataError(
                f"{path}:{position + 2}: no relation {label!r}; {nearest(label, _LABELS)}"
            )
        table["id"].append(matched[1])
        table["text"].append(matched[2])
        table["label"].append(label)
        position += 2
        if position < len(lines) and lines[position].startswith("Comment"):
            position += 1
    return table
