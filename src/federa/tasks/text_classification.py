"""One label for each text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel

from federa.registry import RECORD

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

    from federa.types import Table


@dataclass(frozen=True)
class EncodedTexts:
    """Token ids of each text, and label numbers [N] (-1 where unknown).

    offsets [N + 1] mark where each text's ids begin in ``ids``.
    """

    ids: numpy.ndarray
    offsets: numpy.ndarray
    labels: numpy.ndarray
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)

    def lengths(self) -> numpy.ndarray:
        """Tokens of each text [N]."""
        lengths: numpy.ndarray = self.offsets[1:] - self.offsets[:-1]
        return lengths

    def digest(self) -> str:
        """SHA-256 of ids, offsets and labels."""
        digest = hashlib.sha256()
        for array in (self.ids, self.offsets, self.labels):
            digest.update(array.tobytes())
        return digest.hexdigest()


class TextClassification(BaseModel):
    """Cross-entropy over the labels of an ``AutoModelForSequenceClassification``."""

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("sequence_classification",)
    summary: ClassVar[str] = "one label for each text (accuracy, macro-F1)"
    main_score: ClassVar[str] = "accuracy"

    name: Literal["text_classification"] = "text_classification"

    def build_model(self, source: str, labels: Sequence[str], seed: int) -> nn.Module:
        """The encoder with a sequence-classification head."""
        from federa.models import load_classifier

        return load_classifier(source, labels, seed)

    def encode(
        self, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> EncodedTexts:
        """Tokenise ``table["text"]``; rows without a ``label`` column get -1."""
        import numpy

        texts: list[str] = table["text"]
        ids = tokenizer(texts, truncation=True, max_length=max_length, return_attention_mask=False)
        rows: list[list[int]] = ids["input_ids"]
        number = {label: index for index, label in enumerate(labels)}
        given = table.get("label")
        return EncodedTexts(
            ids=numpy.array([token for row in rows for token in row], dtype=numpy.int32),
            offsets=numpy.cumsum([0, *map(len, rows)], dtype=numpy.int64),
            labels=numpy.array(
                [number[label] for label in given] if given else [-1] * len(texts),
                dtype=numpy.int64,
            ),
            pad_id=int(tokenizer.pad_token_id),
        )

    def collate(self, encoded: EncodedTexts, rows: Sequence[int]) -> dict[str, Tensor]:
        """input_ids and attention_mask [B, L], labels [B]."""
        import torch

        pieces = [encoded.ids[encoded.offsets[row] : encoded.offsets[row + 1]] for row in rows]
        longest = max(len(piece) for piece in pieces)
        ids = torch.full((len(pieces), longest), encoded.pad_id, dtype=torch.long)
        mask = torch.zeros(len(pieces), longest, dtype=torch.long)
        for index, piece in enumerate(pieces):
            ids[index, : len(piece)] = torch.from_numpy(piece)
            mask[index, : len(piece)] = 1
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": torch.from_numpy(encoded.labels[list(rows)]),
        }

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each text [B], and ones [B]."""
        from torch.nn.functional import cross_entropy

        sums = cross_entropy(self._logits(model, batch), batch["labels"], reduction="none")
        return sums, sums.new_ones(sums.shape)

    def predict(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Logits [B, number of labels], float32."""
        return self._logits(model, batch).float()

    def _logits(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits: Tensor = model(**inputs).logits
        return logits

    def score(
        self, predictions: numpy.ndarray, encoded: EncodedTexts, rows: numpy.ndarray
    ) -> dict[str, float]:
        """Accuracy, macro-F1 over the labels present in the truth, and mean loss.

        predictions: logits [N, number of labels] for ``rows`` [N].
        """
        import numpy
        from scipy.special import log_softmax
        from sklearn.metrics import f1_score

        truth = encoded.labels[rows]
        guess = predictions.argmax(axis=1)
        likelihood = log_softmax(predictions.astype(numpy.float64), axis=1)
        return {
            "accuracy": float((guess == truth).mean()),
            "macro_f1": float(
                f1_score(truth, guess, labels=numpy.unique(truth), average="macro", zero_division=0)
            ),
            "loss": float(-likelihood[numpy.arange(len(truth)), truth].mean()),
        }

    def baseline(self, train: EncodedTexts, encoded: EncodedTexts) -> float:
        """Accuracy of always guessing the commonest training label."""
        import numpy

        commonest = int(numpy.bincount(train.labels).argmax())
        return float((encoded.labels == commonest).mean())

    def partition_key(self, table: Table) -> list[Any]:
        """The label."""
        return table["label"]
