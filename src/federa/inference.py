"""Labelling new text with a run or an export of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import ValidationError

from federa.checkpoint import RunFolder
from federa.datasets.files import SUFFIXES, cell_text, expand, read_table
from federa.datasets.interface import read_text
from federa.errors import DataError, RunError
from federa.export import NATIVE_FILE, trained_model
from federa.export_record import RECORD_FILE, ExportRecord, text_column_of
from federa.files import user_path
from federa.registry import nearest

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Prediction:
    """The likeliest label of a text and its probability."""

    text: str
    label: str
    score: float


@dataclass(frozen=True)
class Predictor:
    """A trained model with what labelling needs; ``federa.load`` makes one.

    model: in float32, in evaluation mode; record: where it comes from, its task and labels.
    """

    model: nn.Module
    tokenizer: Any
    record: ExportRecord

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """A label for each text, in order."""
        import numpy
        from scipy.special import softmax

        from federa.engines.evaluation import predict_rows

        if not texts:
            return []
        task, labels = self.record.task, self.record.labels
        table = {"text": list(texts)}
        encoded = task.encode(table, labels, self.tokenizer, self.record.max_length)
        logits = predict_rows(task, self.model, encoded, numpy.arange(len(texts)), "cpu")
        shares = softmax(logits, axis=1)
        return [
            Prediction(text, labels[int(row.argmax())], float(row.max()))
            for text, row in zip(texts, shares, strict=True)
        ]


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
        return Predictor(trained_model(config, facts, state), load_tokenizer(facts.source), record)
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


def text_column(folder: Path | str) -> str:
    """The column of a table that holds the texts, as the run was configured.

    Raises: RunError if ``folder`` is neither an export nor a run folder.
    """
    if (Path(folder) / RECORD_FILE).is_file():
        return read_record(folder).text_column
    return text_column_of(RunFolder.open(Path(folder)).config())


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


def read_texts(place: str, standard_input: IO[bytes], column: str = "text") -> list[str]:
    """Texts to label: a table's ``column`` (.csv, .tsv, .jsonl, .parquet), else a text a line.

    place: a file, or ``-`` for ``standard_input``. Empty lines are left out, an empty cell
    is refused, so that answers and rows stay aligned.
    Raises: DataError if there is nothing to read.
    """
    path = user_path(place)
    if place != "-" and path.suffix.lower() in SUFFIXES:
        if len(files := expand(place)) != 1:
            raise DataError(f"{place}: holds {len(files)} files; name one")
        table = read_table(files[0])
        if column not in table:
            raise DataError(f"{place}: no column {column!r}; " + nearest(column, table))
        texts = [cell_text(place, column, row, cell) for row, cell in enumerate(table[column])]
        if not texts:
            raise DataError(f"{place}: no text to label")
        return texts
    if place == "-":
        try:
            content = standard_input.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"standard input: not UTF-8 at byte {error.start}") from error
    else:
        content = read_text(path)
    texts = [line for line in content.splitlines() if line.strip()]
    if not texts:
        raise DataError(f"{'standard input' if place == '-' else place}: no text to label")
    return texts
