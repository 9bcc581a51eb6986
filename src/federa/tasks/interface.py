"""What every task is: examples in, per-example losses and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

    from federa.types import Table


class Encoded(Protocol):
    """Tokenised examples, indexable by row numbers; ids: the tokens of all of them."""

    @property
    def ids(self) -> numpy.ndarray:
        """Token ids, one example after the other."""

    def __len__(self) -> int:
        """Number of examples."""

    def lengths(self) -> numpy.ndarray:
        """Tokens of each example [N]."""

    def digest(self) -> str:
        """SHA-256 of the content."""


class Task(Protocol):
    """A kind of problem: its head, its inputs, its loss and its scores."""

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    main_score: ClassVar[str]

    @property
    def name(self) -> str:
        """The registered name."""

    def build_model(self, source: str, labels: Sequence[str], seed: int) -> nn.Module:
        """The pre-trained encoder with a head drawn from ``seed``."""

    def encode(
        self, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> Encoded:
        """Tokenise every row of ``table``."""

    def collate(self, encoded: Encoded, rows: Sequence[int]) -> dict[str, Tensor]:
        """One batch [B, L], padded to its longest example."""

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss sums [B] and counts [B] of each example."""

    def predict(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """What ``score`` needs for each example [B, ...]."""

    def score(
        self, predictions: numpy.ndarray, encoded: Encoded, rows: numpy.ndarray
    ) -> dict[str, float]:
        """Scores in [0, 1] of ``predictions`` for ``rows``, ``main_score`` among them."""

    def baseline(self, train: Encoded, encoded: Encoded) -> float:
        """The main score on ``encoded`` of the best guess that ignores the input."""

    def partition_key(self, table: Table) -> list[Any]:
        """One key a row, which label-aware partitioners spread unevenly."""
