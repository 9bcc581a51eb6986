"""Labelling new text with a finished or unfinished run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from federa.checkpoint import BEST, LATEST, RunFolder
from federa.datasets.files import SUFFIXES, cell_text, expand, read_table
from federa.datasets.interface import read_text
from federa.errors import DataError
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


class Predictor:
    """The best state of a run folder, merged into a plain model.

    Raises: RunError if ``run`` is not a run folder; ModelError if its base model changed.
    """

    def __init__(self, run: Path | str) -> None:
        from federa.export import merged_model
        from federa.models import load_tokenizer

        home = RunFolder.open(Path(run))
        self.config, self.facts = home.config(), home.facts()
        state = home.load_state(BEST if home.has_best() else LATEST)
        self.model: nn.Module = merged_model(self.config, self.facts, state)
        self.tokenizer = load_tokenizer(self.facts.source)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """A label for each text, in order."""
        import numpy
        from scipy.special import softmax

        from federa.engines.evaluation import predict_rows

        if not texts:
            return []
        task, labels = self.config.task, self.facts.labels
        table = {"text": list(texts)}
        encoded = task.encode(table, labels, self.tokenizer, self.config.train.max_length)
        logits = predict_rows(task, self.model, encoded, numpy.arange(len(texts)), "cpu")
        shares = softmax(logits, axis=1)
        return [
            Prediction(text, labels[int(row.argmax())], float(row.max()))
            for text, row in zip(texts, shares, strict=True)
        ]


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
        return [cell_text(place, column, row, cell) for row, cell in enumerate(table[column])]
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
