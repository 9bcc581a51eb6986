"""What every method is: a frozen record of hyper-parameters with two pure steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import nn

    from federa.types import Layout, Tensors


class PeftMethod(Protocol):
    """A way to choose what is trained.

    traits: ``low_rank`` (the change is a sum of low-rank products, so it exports as LoRA),
    ``svd_start`` (the factors start from the weights), ``stackable`` (clients can share a batch),
    ``freezes`` (the encoder's weights stay fixed). exports: formats of ``federa export``, the first
    being the one that a run ends with. default_rate: the learning rate where a run names none.
    """

    aliases: ClassVar[tuple[str, ...]]
    summary: ClassVar[str]
    traits: ClassVar[frozenset[str]]
    exports: ClassVar[tuple[str, ...]]
    default_rate: ClassVar[float]

    @property
    def name(self) -> str:
        """The registered name."""

    def start(self, model: nn.Module, seed: int) -> Tensors:
        """The initial shared tensors, on the CPU; called once, by the server, on a plain model.

        Raises: ConfigError, ModelError.
        """

    def attach(self, model: nn.Module, start: Tensors) -> Layout:
        """Make ``model`` trainable from ``start``, in place; called by server and clients alike."""
