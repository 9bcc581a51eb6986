"""A starter configuration made from the user's own file."""

from __future__ import annotations

from pathlib import Path

import yaml

from federa.datasets.conll import read_sentences
from federa.datasets.files import (
    EVALUATION_STEMS,
    SUFFIXES,
    expand,
    is_saved_dataset,
    read_table,
)
from federa.datasets.own_questions import read_squad_layout
from federa.datasets.own_tokens import COLUMN_SUFFIXES
from federa.errors import DataError
from federa.files import user_path
from federa.types import Table

CLIENT_NAMES = ("client", "client_id", "site", "hospital", "branch", "user", "device", "bank")
LABEL_NAMES = ("label", "labels", "class", "category", "target", "topic", "intent", "y")
WORDS_NAMES = ("words", "tokens")
TAGS_NAMES = ("tags", "ner_tags", "labels")
QUESTION_NAMES = {
    "question": ("question", "query"),
    "context": ("context", "passage", "paragraph"),
    "answers": ("answers", "answer"),
}
TEXT_NAMES = ("text", "sentence", "message", "document", "body", "content", "review", "note")


def starter_yaml(data: str, name: str = "my-run") -> str:
    """The YAML text of a first run on ``data`` (file, folder or pattern), task and columns guessed.

    Raises: DataError if the data cannot be read or no columns look like those of a task.
    """
    path = user_path(data)
    if is_saved_dataset(path):
        raise DataError(f"{data}: init reads tables; for a datasets folder set data.train by hand")
    files, splits = _splits(_expand(data))
    task, columns, client = guess_task(files[0])
    train = str(files[0]) if splits else data
    lines = [f"data:\n  name: files\n  train: {_quoted(train)}"]
    lines += [f"  {split}: {_quoted(str(path))}" for split, path in splits.items()]
    lines += [f"  {field}: {_quoted(column)}" for field, column in columns.items()]
    if client:
        lines.append(f"  client: {_quoted(client)}  # each value of this column is one client")
    elif len(files) > 1:
        lines.append("  file_per_client: true  # each file is one client")
    if "validation" not in splits:
        lines.append("  # validation: a file   # else a tenth of train, seeded")
    if "test" not in splits:
        lines.append("  # test: a file")
    if client or len(files) > 1:
        federation = "  num_rounds: 20\n  # clients_per_round: 10   # of all that the data has"
    else:
        lines.append(f"partition: {PARTITIONS[task]}")
        federation = "  num_clients: 10\n  clients_per_round: 5\n  num_rounds: 20"
    data_part = "\n".join(lines)
    none = task == "question_answering" and lacks_answers(files[0], columns.get("answers"))
    shown_task = f"{{name: {task}, unanswerable: true}}" if none else task
    max_length = 192 if task == "question_answering" else 128
    return f"""\
# yaml-language-server: $schema=federa.schema.json
# Check with `federa check`, run with `federa run`. `federa schema > federa.schema.json` lets
# editors complete the keys.
name: {name}
seed: 1
model: minilm                      # alias (federa models), hub id or folder
task: {shown_task}
{data_part}
method: {{name: federa, rank: 8}}    # or lora, full (federa methods)
rule: fedavg
federation:
{federation}
train: {{batch_size: 8, epochs: 1, max_steps: 20, max_length: {max_length}}}
"""


PARTITIONS = {
    "text_classification": "{name: dirichlet, alpha: 0.5}  # or iid",
    "token_classification": "{name: embedding, alpha: 0.5}  # clusters of meaning; or iid",
    "question_answering": "{name: embedding, alpha: 0.5}  # clusters of meaning; or iid",
}


def _expand(data: str) -> list[Path]:
    """The files, of any kind that some task reads."""
    kinds = (*SUFFIXES, *(suffix for suffix in COLUMN_SUFFIXES if suffix not in SUFFIXES))
    return expand(data, kinds)


def guess_task(path: Path) -> tuple[str, dict[str, str], str | None]:
    """The task that a file looks made for, its columns by field, and its column of clients.

    Raises: DataError if it cannot be read or no columns look like those of a task.
    """
    if path.suffix.lower() in COLUMN_SUFFIXES:
        next(read_sentences(path))
        return "token_classification", {}, None
    names = "question", "context", "answers"
    if read_squad_layout(path, *names) is not None:
        return "question_answering", {}, None
    table = read_table(path)
    client = _by_name(list(table), CLIENT_NAMES)
    words = _by_name(_lists(table), WORDS_NAMES)
    tags = _by_name(_lists(table), TAGS_NAMES)
    if words and tags:
        return "token_classification", {"words": words, "tags": tags}, client
    found = {field: _by_name(list(table), QUESTION_NAMES[field]) for field in names}
    if all(found.values()):
        return "question_answering", {key: str(value) for key, value in found.items()}, client
    text, label = guess_columns(str(path), table)
    return "text_classification", {"text": text, "label": label}, client


def lacks_answers(path: Path, column: str | None) -> bool:
    """Whether some question in a file has no answer; column: None for SQuAD's layout."""
    name = column or "answers"
    table = read_squad_layout(path, "question", "context", name) or read_table(path)
    return not all(table[name])


def _lists(table: Table) -> list[str]:
    """Columns that hold lists."""
    return [name for name, values in table.items() if values and isinstance(values[0], list)]


def _splits(files: list[Path]) -> tuple[list[Path], dict[str, Path]]:
    """Training files, and the validation and test files that stand beside one called train."""
    by_stem = {path.stem.lower(): path for path in files}
    if "train" not in by_stem or not EVALUATION_STEMS & set(by_stem):
        return files, {}
    splits = {}
    for stem, path in by_stem.items():
        if stem in EVALUATION_STEMS:
            splits["test" if stem == "test" else "validation"] = path
    return [by_stem["train"]], splits


def _quoted(value: str) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
        .removesuffix("\n...\n")
        .strip()
    )


def guess_columns(place: str, table: Table) -> tuple[str, str]:
    """The columns that look like text and label: by name, else the longest and the least varied.

    Raises: DataError if there are no two columns for it.
    """
    columns = [name for name, values in table.items() if any(value is not None for value in values)]
    if len(columns) < 2:
        raise DataError(
            f"{place}: columns {', '.join(table) or 'none'}; a text and a label are needed, "
            "with a value in some row"
        )
    text = _by_name(columns, TEXT_NAMES) or max(columns, key=lambda name: _mean_length(table[name]))
    others = [name for name in columns if name != text and name.lower() not in CLIENT_NAMES]
    if not others:
        raise DataError(f"{place}: no column besides {text!r} can be the label")
    label = _by_name(others, LABEL_NAMES) or min(
        others,
        key=lambda name: (len(set(map(str, table[name]))) < 2, len(set(map(str, table[name])))),
    )
    return text, label


def _by_name(columns: list[str], names: tuple[str, ...]) -> str | None:
    lower = {column.lower(): column for column in columns}
    return next((lower[name] for name in names if name in lower), None)


def _mean_length(values: list[object]) -> float:
    return sum(len(str(value)) for value in values) / max(1, len(values))
