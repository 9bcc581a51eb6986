"""The output of frozen lower layers, computed once for each window and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy

from federa.environment import processor, versions
from federa.frozen_prefix import cache_key, gather, start_after, switch_of
from federa.local import LocalSetup
from federa.prefix_cache import PrefixCache

if TYPE_CHECKING:
    from torch import nn

    from federa.tasks import Encoded

Provider = Callable[[Sequence[int]], None]
"""Makes a model start from the stored output for the windows that come next."""


@dataclass
class Prefixes:
    """The stored outputs of the data sets of a run; files are opened at the first use.

    whole: whether every layer is frozen and the last computes one position of a window alone.
    """

    setup: LocalSetup
    whole: bool
    caches: dict[str, PrefixCache] = field(default_factory=dict)

    @classmethod
    def of(cls, setup: LocalSetup, model: nn.Module, first_position: bool) -> Prefixes | None:
        """Make ``model`` start where the plan says; None where it says nothing of the kind."""
        frozen = setup.plan.frozen_layers
        if not frozen:
            return None
        start_after(model, frozen)
        return cls(setup, first_position and frozen == model.config.num_hidden_layers)  # type: ignore[union-attr]

    def provider(self, model: nn.Module, encoded: Encoded) -> Provider:
        """For ``model``, which starts after the frozen layers, on windows of ``encoded``."""
        switch = switch_of(model)
        assert switch is not None, "start_after was called on it"
        plan, task = self.setup.plan, self.setup.task
        collate = partial(task.collate, encoded)
        cache = self._cache(encoded)

        def provide(windows: Sequence[int]) -> None:
            frozen, device = plan.frozen_layers, plan.device
            switch.hidden = gather(cache, model, frozen, collate, windows, device)

        return provide

    def _cache(self, encoded: Encoded) -> PrefixCache:
        digest = encoded.digest()
        if digest not in self.caches:
            setup, plan = self.setup, self.setup.plan
            made_by = {**versions(), "processor": processor()}
            key = cache_key(
                setup.base_hash,
                digest,
                plan.frozen_layers,
                plan,
                made_by,
                setup.task.special_tokens,
            )
            lengths = encoded.windows.lengths()
            if self.whole:
                lengths = numpy.ones_like(lengths)
            self.caches[digest] = PrefixCache.open(
                None, key, lengths, self._width(), plan.cache_bytes
            )
        return self.caches[digest]

    def _width(self) -> int:
        from federa.models import read_config

        return int(read_config(self.setup.source).hidden_size)
