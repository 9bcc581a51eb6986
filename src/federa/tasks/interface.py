"""What every task is: examples in, per-window losses, scores and answers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

    from federa.tasks.windows import Windows
    from federa.types import Table

Predictions: TypeAlias = "Sequence[Sequence[numpy.ndarray]]"
"""For each example, what the model says of each of its windows, [D] or [L, D]."""


class Encoded(Protocol):
    """N tokenised examples as W windows, none longer than the model may read.

    A text that fits is one window; a longer one is several, or is cut, as the task says.
    """

    @property
    def windows(self) -> Windows:
        """The windows, those of the first example first."""

    def __len__(self) -> int:
        """Number of examples."""

    def digest(self) -> str:
        """SHA-256 of the content."""


class Task(Protocol):
    """A kind of problem: its head, its inputs, its loss and its scores.

    main_score drives every choice; shown_scores are what people see in tables, main_score first;
    inputs: the columns that an example needs; raw_inputs: those that will do instead for text that
    is new (words may come as plain text); peft_type: its name in a peft adapter;
    pipeline: its name in transformers' pipelines and on model cards; auto_class: the transformers
    class whose head it trains; one_label: whether an example has one label, which label-aware
    partitioners need; special_tokens: added to the vocabulary.
    """

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    main_score: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    raw_inputs: ClassVar[tuple[str, ...]]
    peft_type: ClassVar[str]
    pipeline: ClassVar[str]
    auto_class: ClassVar[str]
    one_label: ClassVar[bool]
    baseline_name: ClassVar[str]

    @property
    def name(self) -> str:
        """The registered name."""

    @property
    def shown_scores(self) -> tuple[str, ...]:
        """The scores that tables show, ``main_score`` first."""

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """Tokens added to the vocabulary of the pre-trained model."""

    def build_model(self, source: str, labels: Sequence[str], seed: int) -> nn.Module:
        """The pre-trained encoder with a head drawn from ``seed``."""

    def encode(
        self, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> Encoded:
        """Tokenise every row of ``table``; ``inputs`` or ``raw_inputs`` are enough to predict.

        Raises: ConfigError if ``max_length`` is too short for the task.
        """

    def collate(self, encoded: Encoded, windows: Sequence[int]) -> dict[str, Tensor]:
        """One batch [B, L], padded to its longest window."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss sums [B] and counts [B] of each window."""

    def predict(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """What ``score`` and ``decode`` need of each window [B, D] or [B, L, D], float32."""

    def score(
        self, predictions: Predictions, encoded: Encoded, rows: numpy.ndarray
    ) -> dict[str, Any]:
        """Scores in [0, 1] of ``predictions`` for ``rows``, ``main_score`` among them."""

    def tally(
        self, predictions: Predictions, encoded: Encoded, rows: numpy.ndarray
    ) -> dict[str, float]:
        """The sums that scores of ``rows`` are made of, to be added up over rows and over sites.

        Finite numbers from 0 up, ``num_examples`` among them, if the predictions are finite. Their
        names are made of the task's labels alone and are all there whatever the rows hold.
        """

    def scores_of(self, sums: Mapping[str, float], labels: Sequence[str]) -> dict[str, Any]:
        """What ``score`` gives of all the rows whose tallies make ``sums``; of no rows, 0."""

    def sound_sums(self, sums: object, labels: Sequence[str]) -> str | None:
        """What is wrong with a tally that came from elsewhere, in one line, or None.

        Sound are the names of a ``tally``, and numbers that some rows could give: such sums can
        still be false, but neither stop the server nor give a score that is not in [0, 1].
        """

    def decode(self, predictions: Predictions, encoded: Encoded, rows: numpy.ndarray) -> list[Any]:
        """The answer to each of ``rows``: a frozen dataclass with fields that JSON can hold."""

    def write(self, folder: Path, table: Table, answers: Sequence[Any]) -> list[Path]:
        """Write the answers to ``table`` as the task's official scorer reads them."""

    def baseline(self, train: Encoded, encoded: Encoded) -> float:
        """The main score on ``encoded`` of the best guess that ignores the input."""

    def check(self, table: Table) -> None:
        """Raises: DataError if the task, as it is set, cannot be learned from ``table``."""

    def partition_key(self, table: Table) -> list[Any] | None:
        """One label a row, which label-aware partitioners spread unevenly, or None."""

    def text_for_clusters(self, table: Table) -> list[str]:
        """The text of each row that embedding clusters are made from."""

    def passage(self, table: Table) -> list[Any] | None:
        """What rows must share to be held out together, or None if each stands for itself."""

    def label_profile(self, table: Table) -> tuple[str, list[list[str]]]:
        """The labels that occur in each row, for pictures of a split, and what they are."""
