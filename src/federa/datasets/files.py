"""The user's own data: tables of texts, words or questions, column files, SQuAD's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from federa.datasets import own_questions, own_tokens
from federa.datasets.conll import tag_names
from federa.datasets.interface import require_task
from federa.datasets.own_tables import (
    SUFFIXES,
    cell_text,
    column_texts,
    expand,
    is_saved_dataset,
    other_split,
    read_json_lines,
    read_table,
    saved_split,
)
from federa.datasets.questions import require_new
from federa.errors import ConfigError, DataError
from federa.files import user_path
from federa.registry import RECORD, Flag, nearest
from federa.types import Corpus, Table, num_rows

__all__ = [
    "EVALUATION_STEMS",
    "SUFFIXES",
    "Files",
    "cell_text",
    "expand",
    "is_saved_dataset",
    "read_json_lines",
    "read_table",
]

SPLITS = ("train", "validation", "test")
EVALUATION_STEMS = frozenset({"validation", "valid", "dev", "test"})
_COLUMNS = {
    "text_classification": ("text", "label"),
    "token_classification": ("words", "tags"),
    "question_answering": ("question", "context", "answers"),
}
"""The fields that name columns, by task."""


class Files(BaseModel):
    """Named columns of the user's own files.

    train, validation, test: a file, a folder or a pattern of files, or a folder saved by
    ``datasets`` (if that holds several splits, ``train`` alone names them all);
    text, label, words, tags, question, context, answers, client: columns, those of the task being
    read; labels: all that may occur, null takes those of training; file_per_client: each training
    file is one client, named by it.

    Words and tags are lists (of strings or named classes), or come from .conll, .iob, .bio and .txt
    files, first and last column. Answers are spans as in SQuAD, or text that the context holds; a
    .json file may have SQuAD's layout.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("table", "own")
    summary: ClassVar[str] = "your own CSV, JSON lines, Parquet, column or SQuAD files"
    tasks: ClassVar[tuple[str, ...]] = tuple(_COLUMNS)

    name: Literal["files"] = "files"
    train: str = Field(min_length=1)
    validation: str | None = None
    test: str | None = None
    text: str = Field("text", min_length=1, description="column with the text")
    label: str = Field("label", min_length=1, description="column with the label")
    words: str = Field("words", min_length=1, description="column with the list of words")
    tags: str = Field("tags", min_length=1, description="column with the list of BIO tags")
    question: str = Field("question", min_length=1, description="column with the question")
    context: str = Field("context", min_length=1, description="column with the passage")
    answers: str = Field("answers", min_length=1, description="column with the answers")
    labels: tuple[str, ...] | None = Field(
        None, min_length=2, description="all labels or BIO tags, O first, where rows may lack some"
    )
    client: str | None = Field(None, min_length=1, description="column with the client's name")
    file_per_client: Flag = False

    @model_validator(mode="after")
    def _differ(self) -> Files:
        for fields in _COLUMNS.values():
            named: dict[str, str] = {}
            for field in fields:
                column = getattr(self, field)
                if column in named:
                    raise ConfigError(
                        f"data.{field}: {column!r} is the {named[column]} column; they must differ"
                    )
                named[column] = field
        return self

    def task_settings(self) -> dict[str, Any]:
        """Nothing: the tasks' own defaults fit."""
        return {}

    def load(self, task: str) -> Corpus:
        """The tables with the columns of the task and, where clients are given, client."""
        require_task(self, task)
        found: dict[str, Table] = {}
        for split in SPLITS:
            place = getattr(self, split)
            if place is not None:
                found[split] = self._read(task, split, place)
        if list(found) == ["train"]:
            for split in SPLITS[1:]:
                rows = other_split(self.train, split)
                if rows is not None:
                    place = f"{self.train} [{split}]"
                    found[split] = self._named(task, place, rows, training=False)
        if task != "text_classification":
            for table in found.values():
                table.setdefault("id", [str(row + 1) for row in range(num_rows(table))])
        labels = self._labels(task, found)
        return Corpus(found["train"], labels, found.get("validation"), found.get("test"))

    def _labels(self, task: str, found: dict[str, Table]) -> tuple[str, ...]:
        """The labels of training, which must be all that the other splits have."""
        train = found["train"]
        if task == "question_answering":
            return ()
        if self.labels is not None:
            return self._require_labels(task, found, self.labels)
        names = sorted(set(train["label"])) if task == "text_classification" else tag_names([train])
        if len(names) < 2:
            kind = "label" if task == "text_classification" else "tag"
            raise DataError(f"{self.train}: only one {kind} ({names[0]!r}); at least 2 are needed")
        for split, table in found.items():
            place = getattr(self, split) or self.train
            if task == "token_classification":
                own_tokens.require_known_types(place, split, table, train)
                continue
            unknown = sorted(set(table["label"]) - set(names))
            if unknown:
                raise DataError(
                    f"{place}: label {unknown[0]!r} of the {split} split does not occur in training"
                )
        return tuple(names) if task == "text_classification" else tag_names(found.values())

    def _require_labels(
        self, task: str, found: dict[str, Table], labels: tuple[str, ...]
    ) -> tuple[str, ...]:
        """``labels``, if no row has another one."""
        for split, table in found.items():
            tags = task == "token_classification"
            for name in sorted(tag_names([table]) if tags else set(table["label"])):
                if name not in labels:
                    kind, place = "tag" if tags else "label", getattr(self, split) or self.train
                    raise DataError(
                        f"{place}: the {kind} {name!r} is not among data.labels ({len(labels)})"
                    )
        return labels

    def _read(self, task: str, split: str, place: str) -> Table:
        training = split == "train"
        if is_saved_dataset(user_path(place)):
            rows = saved_split(user_path(place), split)
            return self._named(task, place, rows, training=training)
        paths = expand(place, own_tokens.SUFFIXES if task == "token_classification" else SUFFIXES)
        stems = [path.stem for path in paths]
        if training:
            self._require_training(place, stems)
        unique = len(set(stems)) == len(stems)
        names = {path: path.stem if unique else str(path) for path in paths}
        whole: Table = {}
        for path in paths:
            table = self._named(task, str(path), self._open(task, path), training=training)
            if training and self.file_per_client:
                table["client"] = [names[path]] * num_rows(table)
            if "id" in table and len(paths) > 1:  # each file may count anew
                table["id"] = [f"{names[path]}/{row}" for row in table["id"]]
            for name, values in table.items():
                whole.setdefault(name, []).extend(values)
        # what only some of the files have is of no use
        total = len(whole[_COLUMNS[task][0]])
        return {name: values for name, values in whole.items() if len(values) == total}

    def _require_training(self, place: str, stems: list[str]) -> None:
        other = sorted(set(map(str.lower, stems)) & EVALUATION_STEMS)
        if len(stems) > 1 and other:
            raise DataError(
                f"{place}: holds a file {other[0]!r}, which is no training data; name the files in "
                "data.train, data.validation and data.test"
            )
        if self.file_per_client and len(stems) == 1:
            raise DataError(
                f"data.file_per_client: {place} is one file, so that there would be one client; "
                "name a folder or a pattern of files"
            )

    def _open(self, task: str, path: Path) -> Table:
        if task == "token_classification" and path.suffix.lower() in own_tokens.COLUMN_SUFFIXES:
            return own_tokens.read_columns(path, self.words, self.tags)
        if task == "question_answering":
            names = self.question, self.context, self.answers
            found = own_questions.read_squad_layout(path, *names)
            if found is not None:
                return found
        return read_table(path)

    def _named(self, task: str, place: str, rows: Table, *, training: bool) -> Table:
        wanted = list(_COLUMNS[task])
        by_column = self.client is not None and not self.file_per_client
        if by_column and (training or self.client in rows):
            wanted.append("client")
        for field in wanted:
            column = getattr(self, field)
            if column not in rows:
                raise DataError(
                    f"{place}: no column {column!r} (data.{field}); " + nearest(column, rows)
                )
        if not rows[getattr(self, wanted[0])]:
            raise DataError(f"{place}: the table has no rows")
        table = self._checked(task, place, rows)
        if "client" in wanted:
            table["client"] = _names(place, rows, str(self.client))
        return table

    def _checked(self, task: str, place: str, rows: Table) -> Table:
        """The task's columns, each cell checked."""
        if task == "token_classification":
            names = self.words, self.tags
            table = own_tokens.token_rows(place, rows[names[0]], rows[names[1]], names)
            return table | _ids(place, rows)
        if task == "question_answering":
            names3 = self.question, self.context, self.answers
            table = own_questions.question_rows(place, rows, *names3)
            return table | _ids(place, rows)
        return {
            "text": column_texts(place, rows, self.text),
            "label": _names(place, rows, self.label),
        }


def _names(place: str, rows: Table, column: str) -> list[str]:
    return [text.strip() for text in column_texts(place, rows, column)]


def _ids(place: str, rows: Table) -> dict[str, list[str]]:
    """The rows' own ids, if the file has any, which must be distinct."""
    if "id" not in rows:
        return {}
    names = column_texts(place, rows, "id")
    seen: set[str] = set()
    for index, name in enumerate(names):
        require_new(f"{place}: row {index + 1}", name, seen)
    return {"id": names}
