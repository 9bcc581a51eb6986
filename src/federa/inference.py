"""Answers of a run, or an export of one, to new text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from federa.checkpoint import RunFolder
from federa.errors import DataError, RunError
from federa.export import NATIVE_FILE, trained_model
from federa.export_record import RECORD_FILE, ExportRecord, columns_of
from federa.registry import shown
from federa.types import Table, num_rows

if TYPE_CHECKING:
    from torch import nn

    from federa.tasks import Task

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Halves of characters, which no tokenizer takes."""


@dataclass(frozen=True)
class Predictor:
    """A trained model with what answering needs; ``federa.load`` makes one.

    model: in float32, in evaluation mode, on the CPU until it is moved; record: where it comes
    from, its task and labels.
    """

    model: nn.Module
    tokenizer: Any
    record: ExportRecord

    def predict(self, items: Sequence[Any]) -> list[Any]:
        """The answer to each item, in order, as the task's dataclass.

        items: texts (a label each, or the entities in each); for entities also lists of words; for
        questions mappings with ``question`` and ``context``, or pairs of them.
        Raises: DataError if an item is something else.
        """
        return self.predict_table(as_table(self.record.task, items)) if len(items) else []

    def predict_table(self, table: Table) -> list[Any]:
        """The answer to each row of a table with the task's input columns."""
        import numpy

        from federa.engines.evaluation import predict_rows

        task, record = self.record.task, self.record
        encoded = task.encode(table, record.labels, self.tokenizer, record.max_length)
        rows = numpy.arange(num_rows(table))
        device = str(next(self.model.parameters()).device)
        predictions = predict_rows(task, self.model, encoded, rows, device)
        return task.decode(predictions, encoded, rows)


def as_table(task: Task, items: Sequence[Any]) -> Table:
    """The items as columns of the task's inputs.

    Raises: DataError naming the first item that does not fit.
    """
    wanted, raw = task.inputs, task.raw_inputs
    if len(raw) == 1 and all(_fits(item, text=True) for item in items):
        return {raw[0]: list(items)}
    table: Table = {name: [] for name in wanted}
    for number, item in enumerate(items, start=1):
        values: Any = None
        if isinstance(item, Mapping):
            values = [item.get(name) for name in wanted]
        elif isinstance(item, list | tuple):
            values = [item] if len(wanted) == 1 else item
        texts = wanted != ("words",)
        if (
            values is None
            or len(values) != len(wanted)
            or not all(_fits(value, text=texts) for value in values)
        ):
            kinds = {"words": "lists of words", "text": "texts"}
            expected = " or ".join(dict.fromkeys(kinds.get(name, name) for name in (*wanted, *raw)))
            raise DataError(f"item {number}: expected {expected}, not {shown(item)}")
        for name, value in zip(wanted, values, strict=True):
            table[name].append(list(value) if name == "words" else value)
    return table


def _fits(value: Any, *, text: bool) -> bool:
    if text:
        return isinstance(value, str) and not _SURROGATE.search(value)
    return isinstance(value, list | tuple) and all(_fits(word, text=True) for word in value)


def load(folder: Path | str, *, base: str | None = None) -> Predictor:
    """The model in an export of any format, or the best state of a run folder.

    base: alias, hub id or folder of the base model, where an export's own is no longer to be found.
    Raises: RunError if ``folder`` is neither or is damaged; ModelError if the base model is missing
    or has other weights than those that were trained on.
    """
    from federa.models import load_tokenizer

    path, record = Path(folder), read_record(folder)
    if record.format == "run":
        home = RunFolder.open(path)
        config, facts = home.config(), home.facts()
        state = home.load_best()
        tokenizer = load_tokenizer(facts.source, config.task.special_tokens)
        return Predictor(trained_model(config, facts, state), tokenizer, record)
    model = _load_export(path, record, base).eval()
    return Predictor(model, load_tokenizer(str(path)), record)


def read_record(folder: Path | str) -> ExportRecord:
    """What an export, or a run folder, says of itself.

    Raises: RunError.
    """
    path = Path(folder) / RECORD_FILE
    if not path.is_file():
        home = RunFolder.open(Path(folder))
        return ExportRecord.of(home.config(), home.facts(), "run")
    try:
        return ExportRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RunError(f"{path}: damaged or unreadable") from error


def task_and_columns(folder: Path | str) -> tuple[Task, dict[str, str]]:
    """The task, and what a table calls its inputs, as the run was configured.

    Raises: RunError if ``folder`` is neither an export nor a run folder.
    """
    if (Path(folder) / RECORD_FILE).is_file():
        record = read_record(folder)
        return record.task, record.columns
    config = RunFolder.open(Path(folder)).config()
    return config.task, columns_of(config)


def _load_export(folder: Path, record: ExportRecord, base: str | None) -> nn.Module:
    from federa.local import require_same_base
    from federa.models import hash_encoder, locate, quiet_transformers

    if record.format == "merged":
        return record.task.build_model(str(folder), record.labels, seed=0)
    source = locate(base or (record.source if Path(record.source).exists() else record.model))
    model = record.task.build_model(source, record.labels, seed=0)
    require_same_base(hash_encoder(model), record.base_sha256, source)
    if record.format == "native":
        _attach(model, record, folder / NATIVE_FILE)
        return model
    from peft import PeftModel

    with quiet_transformers():
        try:
            adapted: nn.Module = PeftModel.from_pretrained(model, folder).merge_and_unload()
        except Exception as error:  # damaged adapters raise errors of several libraries
            raise RunError(f"{folder}: the adapter is damaged or unreadable") from error
    return adapted


def _attach(model: nn.Module, record: ExportRecord, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        layout = record.method.attach(model, tensors)
        shapes = {name: model.get_parameter(name).shape for name in layout.shared}
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise RunError(f"{path}: damaged or unreadable ({error})") from error
    if {name: value.shape for name, value in tensors.items()} != shapes:
        raise RunError(f"{path}: damaged or unreadable (not the tensors of {record.method.name})")
