"""One label for each text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel

from federa.metrics.classification import (
    classification_scores,
    classification_sums,
    fault_of_classification,
    relation_macro_f1,
    relation_macro_f1_of,
)
from federa.metrics.prediction_files import write_labels
from federa.registry import RECORD, once
from federa.tasks.interface import Predictions
from federa.tasks.windows import Windows

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

    from federa.types import Table


def _no_blank(token: str) -> str:
    if not token.strip():
        raise ValueError("must have a letter that is not blank")
    return token


Token = Annotated[str, AfterValidator(_no_blank)]


@dataclass(frozen=True)
class Prediction:
    """The likeliest label of a text and its probability."""

    text: str
    label: str
    score: float


@dataclass(frozen=True)
class EncodedTexts:
    """One window a text, and label numbers [N] (-1 where unknown)."""

    windows: Windows
    labels: numpy.ndarray
    label_names: tuple[str, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """SHA-256 of tokens and labels."""
        return self.windows.digest(self.labels)


class TextClassification(BaseModel):
    """Cross-entropy over the labels of an ``AutoModelForSequenceClassification``.

    special_tokens: words such as ``<e1>`` that become one token each; scores: what is computed
    besides accuracy and macro-F1.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("sequence_classification",)
    summary: ClassVar[str] = "one label for each text (accuracy, macro-F1)"
    main_score: ClassVar[str] = "accuracy"
    inputs: ClassVar[tuple[str, ...]] = ("text",)
    raw_inputs: ClassVar[tuple[str, ...]] = ("text",)
    peft_type: ClassVar[str] = "SEQ_CLS"
    pipeline: ClassVar[str] = "text-classification"
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    one_label: ClassVar[bool] = True
    baseline_name: ClassVar[str] = "commonest label"

    name: Literal["text_classification"] = "text_classification"
    special_tokens: Annotated[tuple[Token, ...], AfterValidator(once)] = ()
    scores: Annotated[tuple[Literal["relation_macro_f1"], ...], AfterValidator(once)] = ()

    @property
    def shown_scores(self) -> tuple[str, ...]:
        """Accuracy, macro-F1 and what was asked for."""
        return ("accuracy", "macro_f1", *self.scores)

    def build_model(self, source: str, labels: Sequence[str], seed: int) -> nn.Module:
        """The encoder with a sequence-classification head."""
        from federa.models import load_model

        return load_model(source, self.auto_class, labels, seed, self.special_tokens)

    def encode(
        self, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> EncodedTexts:
        """Tokenise ``table["text"]``, cut at the end; rows without ``label`` get -1."""
        import numpy

        texts: list[str] = table["text"]
        ids = tokenizer(texts, truncation=True, max_length=max_length, return_attention_mask=False)
        number = {label: index for index, label in enumerate(labels)}
        given = table.get("label")
        numbers = [number[label] for label in given] if given else [-1] * len(texts)
        return EncodedTexts(
            windows=Windows.of(ids["input_ids"], range(len(texts)), len(texts), tokenizer),
            labels=numpy.array(numbers, dtype=numpy.int64),
            label_names=tuple(labels),
            texts=tuple(texts),
        )

    def collate(self, encoded: EncodedTexts, windows: Sequence[int]) -> dict[str, Tensor]:
        """input_ids and attention_mask [B, L], labels [B]."""
        import torch

        labels = torch.from_numpy(encoded.labels[list(windows)])
        return {**encoded.windows.batch(windows), "labels": labels}

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
        self, predictions: Predictions, encoded: EncodedTexts, rows: numpy.ndarray
    ) -> dict[str, Any]:
        """Accuracy, macro-F1 over the labels present in the truth, mean loss, ``scores``."""
        return self.scores_of(self.tally(predictions, encoded, rows), encoded.label_names)

    def tally(
        self, predictions: Predictions, encoded: EncodedTexts, rows: numpy.ndarray
    ) -> dict[str, float]:
        """Hits, guesses and examples of each label, number of texts, sum of their losses."""
        logits = _stacked(predictions, len(encoded.label_names))
        return classification_sums(encoded.labels[rows], logits, encoded.label_names)

    def scores_of(self, sums: Mapping[str, float], labels: Sequence[str]) -> dict[str, Any]:
        """The scores that ``score`` gives."""
        found = classification_scores(sums, labels)
        if "relation_macro_f1" in self.scores:
            found["relation_macro_f1"] = relation_macro_f1_of(sums, labels)
        return found

    def sound_sums(self, sums: object, labels: Sequence[str]) -> str | None:
        """What is wrong with a tally that came from elsewhere, in one line, or None."""
        return fault_of_classification(sums, labels)

    def decode(
        self, predictions: Predictions, encoded: EncodedTexts, rows: numpy.ndarray
    ) -> list[Prediction]:
        """The likeliest label of each text."""
        from scipy.special import softmax

        shares = softmax(_stacked(predictions, len(encoded.label_names)), axis=1)
        return [
            Prediction(
                encoded.texts[row], encoded.label_names[int(share.argmax())], float(share.max())
            )
            for row, share in zip(rows, shares, strict=True)
        ]

    def write(self, folder: Path, table: Table, answers: Sequence[Prediction]) -> list[Path]:
        """predictions.txt and key.txt: number TAB label, as SemEval-2010 Task 8's scorer reads."""
        guesses = [answer.label for answer in answers]
        return write_labels(folder, table.get("id"), guesses, table.get("label"))

    def baseline(self, train: EncodedTexts, encoded: EncodedTexts) -> float:
        """Accuracy of always guessing the commonest training label."""
        import numpy

        commonest = int(numpy.bincount(train.labels).argmax())
        return float((encoded.labels == commonest).mean())

    def check(self, table: Table) -> None:
        """Raises: DataError for labels that one of ``scores`` does not know."""
        if "relation_macro_f1" in self.scores:
            relation_macro_f1(table["label"], table["label"])

    def partition_key(self, table: Table) -> list[Any] | None:
        """The label."""
        return table["label"]

    def text_for_clusters(self, table: Table) -> list[str]:
        """The text."""
        return table["text"]

    def passage(self, table: Table) -> list[Any] | None:
        """Each text stands for itself."""
        return None

    def label_profile(self, table: Table) -> tuple[str, list[list[str]]]:
        """The label of each text."""
        return "label", [[label] for label in table["label"]]


def _stacked(predictions: Predictions, num_labels: int) -> numpy.ndarray:
    """The logits of each text [N, labels]."""
    import numpy

    rows = [windows[0] for windows in predictions]
    return numpy.stack(rows) if rows else numpy.zeros((0, num_labels), dtype=numpy.float32)
