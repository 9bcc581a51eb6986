"""Tokenised examples as windows of bounded length, kept in flat arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    from torch import Tensor


def windows_of(window_offsets: numpy.ndarray, rows: numpy.ndarray) -> numpy.ndarray:
    """The windows of the examples ``rows``, those of the first row first."""
    import numpy

    begins, counts = window_offsets[rows], window_offsets[rows + 1] - window_offsets[rows]
    before = numpy.cumsum(counts) - counts  # windows of earlier rows
    found: numpy.ndarray = numpy.arange(counts.sum()) + numpy.repeat(begins - before, counts)
    return found


@dataclass(frozen=True)
class Windows:
    """Token ids of W windows, which belong to N examples.

    ids [tokens]: one window after the other; token_offsets [W + 1]: where each begins;
    window_offsets [N + 1]: which windows are an example's; type_ids [tokens]: the segment of each
    token, for tokenizers that number segments, or None.
    """

    ids: numpy.ndarray
    token_offsets: numpy.ndarray
    window_offsets: numpy.ndarray
    pad_id: int
    type_ids: numpy.ndarray | None = None

    @classmethod
    def of(
        cls,
        pieces: Sequence[Sequence[int] | numpy.ndarray],
        owners: Sequence[int],
        num_examples: int,
        tokenizer: Any,
        types: Sequence[Sequence[int] | numpy.ndarray] | None = None,
    ) -> Windows:
        """Windows from the token ids of each; owners: the example of each, in ascending order."""
        import numpy

        def flat(rows: Sequence[Sequence[int] | numpy.ndarray]) -> numpy.ndarray:
            parts = [numpy.asarray(row, dtype=numpy.int32) for row in rows]
            return numpy.concatenate(parts) if parts else numpy.zeros(0, dtype=numpy.int32)

        counts = numpy.bincount(numpy.asarray(owners, dtype=numpy.int64), minlength=num_examples)
        return cls(
            ids=flat(pieces),
            token_offsets=numpy.cumsum([0, *map(len, pieces)], dtype=numpy.int64),
            window_offsets=numpy.concatenate(([0], numpy.cumsum(counts))).astype(numpy.int64),
            pad_id=int(tokenizer.pad_token_id),
            type_ids=None if types is None else flat(types),
        )

    def lengths(self) -> numpy.ndarray:
        """Tokens of each window [W]."""
        lengths: numpy.ndarray = self.token_offsets[1:] - self.token_offsets[:-1]
        return lengths

    def batch(self, windows: Sequence[int]) -> dict[str, Tensor]:
        """input_ids, attention_mask and, where there are segments, token_type_ids [B, L]."""
        import torch

        ids = self.padded(self.ids, windows, self.pad_id)
        lengths = torch.from_numpy(self.lengths()[list(windows)])
        mask = torch.arange(ids.shape[1])[None, :] < lengths[:, None]
        batch = {"input_ids": ids, "attention_mask": mask.long()}
        if self.type_ids is not None:
            batch["token_type_ids"] = self.padded(self.type_ids, windows, 0)
        return batch

    def padded(self, values: numpy.ndarray, windows: Sequence[int], fill: int) -> Tensor:
        """``values`` [tokens] of some windows as one tensor [B, L], filled up at the end."""
        import numpy
        import torch

        chosen = numpy.asarray(windows, dtype=numpy.int64)
        begins, ends = self.token_offsets[chosen], self.token_offsets[chosen + 1]
        places = begins[:, None] + numpy.arange((ends - begins).max())
        inside = places < ends[:, None]
        found = numpy.where(inside, values[numpy.where(inside, places, begins[:, None])], fill)
        return torch.from_numpy(found.astype(numpy.int64))

    def digest(self, *others: numpy.ndarray) -> str:
        """SHA-256 of all arrays here and of ``others``."""
        digest = hashlib.sha256()
        own = (self.ids, self.token_offsets, self.window_offsets, self.type_ids)
        for array in (*own, *others):
            if array is not None:
                digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()
