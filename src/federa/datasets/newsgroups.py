"""20 Newsgroups, the version split by date: which group a message was posted to."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from federa.datasets.interface import find_folder, one_place, require_task
from federa.datasets.lines import list_folder, read_objects, require_plain, value_of
from federa.datasets.questions import require_new, require_text
from federa.errors import ConfigError, DataError
from federa.registry import RECORD, nearest, shown
from federa.types import Corpus, Table

GROUPS = (
    *("alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware"),
    *("comp.sys.mac.hardware", "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles"),
    *("rec.sport.baseball", "rec.sport.hockey", "sci.crypt", "sci.electronics", "sci.med"),
    *("sci.space", "soc.religion.christian", "talk.politics.guns", "talk.politics.mideast"),
    *("talk.politics.misc", "talk.religion.misc"),
)
Part = Literal["headers", "footers", "quotes"]
_SPLITS = ("train", "test")
_TREE = "20news-bydate-{}"
_ARCHIVE = "20news-bydate.tar.gz"
_SOURCE = "http://qwone.com/~jason/20Newsgroups/20news-bydate.tar.gz"
_HUB = "SetFit/20_newsgroups"
_QUOTE = re.compile(r"writes in|writes:|wrote:|says:|said:|^In article|^Quoted from|^\||^>")


class TwentyNewsgroups(BaseModel):
    """Whole messages with their header lines, from which parts can be stripped.

    folder: holds train.jsonl.gz and test.jsonl.gz (or .jsonl; keys id, label, text), or the folders
    20news-bydate-train and -test, or 20news-bydate.tar.gz, or scikit-learn's 20news-bydate*.pkz;
    hub: a copy on the Hugging Face hub instead (SetFit/20_newsgroups is stripped of all parts
    already); strip: parts to remove, by scikit-learn's rules. What is then empty stays a row.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("20news", "newsgroups")
    summary: ClassVar[str] = "20 Newsgroups by date, messages of 20 groups"
    tasks: ClassVar[tuple[str, ...]] = ("text_classification",)

    name: Literal["20newsgroups"] = "20newsgroups"
    folder: str | None = Field(None, min_length=1)
    hub: str | None = Field(None, min_length=1, description="hub id, or a folder laid out like one")
    strip: list[Part] = []

    @model_validator(mode="after")
    def _agree(self) -> TwentyNewsgroups:
        one_place(self.folder, self.hub)
        if self.hub == _HUB and 0 < len(set(self.strip)) < len(_STRIPPERS):
            raise ConfigError(
                f"data.strip: {_HUB} is without headers, footers and quotes already; "
                "name all three or none, or read the original through data.folder"
            )
        return self

    def task_settings(self) -> dict[str, Any]:
        """Nothing: the task's own defaults fit."""
        return {}

    def load(self, task: str) -> Corpus:
        """Train 11,314 messages, test up to 7,532; no development split."""
        require_task(self, task)
        if self.hub is not None:
            tables = _from_hub(self.hub)
        else:
            tables = _from_folder(find_folder(self.name, self.folder, _SOURCE, _HUB))
        for split, table in tables.items():
            if not table["text"]:
                raise DataError(f"data: 20newsgroups: the {split} part holds no messages")
            if self.hub != _HUB:
                for row, text in enumerate(table["text"]):  # in place: two copies would be large
                    table["text"][row] = stripped(text, self.strip)
        labels = tuple(sorted(set(tables["train"]["label"]) | set(tables["test"]["label"])))
        return Corpus(tables["train"], labels, test=tables["test"])


def stripped(text: str, parts: list[Part]) -> str:
    """The message without ``parts``; equals scikit-learn's functions applied in its order."""
    for part, strip in _STRIPPERS.items():
        if part in parts:
            text = strip(text)
    return text


def _without_header(text: str) -> str:
    return text.partition("\n\n")[2]


def _without_footer(text: str) -> str:
    """Drop what follows the last empty or hyphened line, which sets signatures apart."""
    lines = text.strip().split("\n")
    for last in reversed(range(1, len(lines))):
        if not lines[last].strip().strip("-"):
            return "\n".join(lines[:last])
    return text


def _without_quotes(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not _QUOTE.search(line))


_STRIPPERS: dict[Part, Callable[[str], str]] = {
    "headers": _without_header,
    "footers": _without_footer,
    "quotes": _without_quotes,
}


def _table() -> Table:
    return {"id": [], "text": [], "label": []}


def _add(table: Table, place: str, name: str, text: str, label: str) -> None:
    if label not in GROUPS:
        raise DataError(f"{place}: no group {shown(label)}; {nearest(label, GROUPS)}")
    table["id"].append(name)
    table["text"].append(text)
    table["label"].append(GROUPS[GROUPS.index(label)])  # one object for all


def _from_folder(folder: Path) -> dict[str, Table]:
    lines = {
        split: [
            path
            for path in (folder / f"{split}.jsonl.gz", folder / f"{split}.jsonl")
            if os.path.exists(path)
        ]
        for split in _SPLITS
    }
    if any(lines.values()):
        for split in _SPLITS:
            if not lines[split]:
                raise DataError(f"{folder}: no {split}.jsonl.gz (or {split}.jsonl)")
        return {split: _from_lines(lines[split][0]) for split in _SPLITS}
    if any(os.path.isdir(folder / _TREE.format(split)) for split in _SPLITS):
        return {split: _sorted(_from_tree(folder / _TREE.format(split))) for split in _SPLITS}
    if os.path.exists(folder / _ARCHIVE):
        return {split: _sorted(table) for split, table in _from_archive(folder / _ARCHIVE).items()}
    if any(folder.glob("20news-bydate*.pkz")):
        return {split: _sorted(_from_scikit_learn(folder, split)) for split in _SPLITS}
    raise DataError(
        f"{folder}: holds none of train.jsonl.gz, {_TREE.format('train')}, {_ARCHIVE} and "
        f"20news-bydate*.pkz; get it from {_SOURCE}"
    )


def _from_lines(path: Path) -> Table:
    table = _table()
    seen: set[str] = set()
    for place, record in read_objects(path):
        name, label, text = (value_of(record, key, str, place) for key in ("id", "label", "text"))
        require_text(place, "id", name)
        require_new(place, name, seen)
        _add(table, place, name, text, label)
    return table


def _from_tree(folder: Path) -> Table:
    """The messages in ``<group>/<number>``, hidden files left out."""
    table = _table()
    for group in list_folder(folder):
        for path in list_folder(group):
            require_plain(path)
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: cannot read ({error.strerror})") from error
            name = f"{group.name}/{path.name}"
            _add(table, str(path), name, content.decode("latin-1"), group.name)
    return table


def _from_archive(path: Path) -> dict[str, Table]:
    """Both trees of the archive, read through once."""
    require_plain(path)
    tables = {split: _table() for split in _SPLITS}
    by_folder = {_TREE.format(split): table for split, table in tables.items()}
    try:
        for member, content in _members(path):
            tree, group, number = ("", "", "", *member.split("/"))[-3:]
            if tree in by_folder and not number.startswith("."):
                place, name = f"{path} ({member})", f"{group}/{number}"
                _add(by_folder[tree], place, name, content.decode("latin-1"), group)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}: damaged or cut off ({error})") from error
    return tables


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in the archive, in its order."""
    with gzip.open(path, "rb") as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
        while (member := archive.next()) is not None:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                content = file.read()
                if len(content) < member.size:
                    raise EOFError(f"{member.name} is cut off")
                yield member.name, content
            archive.members = []  # type: ignore[attr-defined]  # it would remember every one
        while unpacked.read(1 << 14):  # up to the checksum, which tells whether all was there
            pass
        if unpacked.tell() % tarfile.BLOCKSIZE:
            raise EOFError("no whole number of blocks")


def _from_scikit_learn(folder: Path, split: str) -> Table:
    from sklearn.datasets import fetch_20newsgroups

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it cannot read
            data = fetch_20newsgroups(
                data_home=os.fspath(folder), subset=split, shuffle=False, download_if_missing=False
            )
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(f"{folder}: scikit-learn cannot read its cache ({error})") from error
    table = _table()
    for text, target, file in zip(data.data, data.target, data.filenames, strict=True):
        name = "/".join(re.split(r"[\\/]", str(file))[-2:])
        _add(table, f"{folder} ({name})", name, text, data.target_names[target])
    return table


def _sorted(table: Table) -> Table:
    """By group and number: the order of a folder, an archive or a cache means nothing."""

    def key(row: int) -> tuple[str, int, str]:
        group, _, number = table["id"][row].rpartition("/")
        return group, int(number) if number.isdecimal() else 0, number

    order = sorted(range(len(table["id"])), key=key)
    return {name: [values[row] for row in order] for name, values in table.items()}


def _from_hub(place: str) -> dict[str, Table]:
    from federa.datasets.hub import read_hub

    tables = {}
    for split, rows in read_hub(place, _SPLITS, {"text": str, "label_text": str}).items():
        table = _table()
        for number, (where, row) in enumerate(rows, start=1):
            _add(table, where, f"{split}-{number}", row["text"], row["label_text"])
        tables[split] = table
    return tables
