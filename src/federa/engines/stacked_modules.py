"""Modules whose trained tensors carry a leading client axis; the forms that replace a model's own.

Rows of a batch belong to clients. A stacked module uses its frozen weights once for all rows and
each client's trained tensors for that client's rows alone, so gradients separate exactly.
Letters: C clients, N rows (windows), B rows of a client, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from federa.local import on_device
from federa.methods.bottleneck import NAMES, BottleneckLinear
from federa.methods.low_rank import LowRankLinear
from federa.precision import Bf16Linear

TENSOR = object()
"""Stands for a tensor in a module's output."""


class Cohort:
    """Whose row is whose in the present batch, and the trained tensors of these clients.

    values: by full name, [C, ...]. Set anew for every batch; every stacked module reads it.
    """

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}
        self.num_clients = 0
        self._rows_each = 0
        self._slots: Tensor | None = None
        self._owners: Tensor | None = None

    def arrange(self, owners: Sequence[int], device: str) -> None:
        """Rows in ascending order of ``owners`` [N], which are positions on the client axis."""
        counts = [0] * (1 + max(owners))
        slots = []
        for owner in owners:
            slots.append((owner, counts[owner]))
            counts[owner] += 1
        self.num_clients, self._rows_each = len(counts), max(counts)
        if min(counts) == max(counts):
            self._slots = self._owners = None
            return
        flat = [owner * self._rows_each + place for owner, place in slots]
        index = {"owners": torch.tensor(owners), "slots": torch.tensor(flat)}
        moved = on_device(index, device)
        self._owners, self._slots = moved["owners"], moved["slots"]

    def spread(self, x: Tensor) -> Tensor:
        """Rows [N, ...] by client, [C, B, ...]; a client with fewer rows gets zeros."""
        if self._slots is not None:
            grid = x.new_zeros((self.num_clients * self._rows_each, *x.shape[1:]))
            x = grid.index_copy(0, self._slots, x)
        return x.reshape(self.num_clients, self._rows_each, *x.shape[1:])

    def collect(self, y: Tensor) -> Tensor:
        """The inverse of ``spread``."""
        y = y.flatten(0, 1)
        return y if self._slots is None else y.index_select(0, self._slots)

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        """Rows [N, ..., D_in] times the weight [C, D_out, D_in] of each row's client."""
        if self._owners is not None and x.dim() == 3 and weight[0].numel() < x[0].numel():
            return torch.bmm(x, weight.index_select(0, self._owners).mT)  # cheaper than moving rows
        spread = self.spread(x)
        y = torch.bmm(spread.flatten(1, -2), weight.mT)
        return self.collect(y.reshape(*spread.shape[:-1], weight.shape[1]))

    def each(self, value: Tensor, like: Tensor) -> Tensor:
        """[C, D] as what broadcasts over rows shaped as ``like`` [N, ..., D]."""
        rows = (
            value.repeat_interleave(self._rows_each, 0)
            if self._owners is None
            else (value.index_select(0, self._owners))
        )
        return rows.reshape(len(rows), *[1] * (like.dim() - 2), -1)


class Stacked(nn.Module):
    """A module of the model with the trained tensors that belong to it, by their own names."""

    def __init__(
        self, inner: nn.Module, prefix: str, trained: Sequence[str], cohort: Cohort
    ) -> None:
        super().__init__()
        self.inner = inner
        self.cohort = cohort
        self.full_names = {name.removeprefix(f"{prefix}."): name for name in trained}

    def value(self, name: str) -> Tensor | None:
        """The trained tensor [C, ...] called ``name`` in the module, or None if it is frozen."""
        full = self.full_names.get(name)
        return None if full is None else self.cohort.values[full]


class StackedLowRank(Stacked):
    """y = base(x) + s B_c (A_c x) for ``LowRankLinear``."""

    inner: LowRankLinear

    def forward(self, x: Tensor) -> Tensor:
        """y [N, ..., D_out] for x [N, ..., D_in], in the type of the frozen layer's output."""
        y: Tensor = self.inner.base(x)
        kind = y.dtype
        for part in self.inner.parts:
            a, b = self.value(part.a), self.value(part.b)
            assert a is not None
            assert b is not None
            inner = self.cohort.product(x.to(a.dtype), a) * self.inner.scaling
            product = self.cohort.product(inner, b)
            if part.rows is not None:
                product = F.pad(product, (part.rows[0], y.shape[-1] - part.rows[1]))
            y = y + product
        return y.to(kind)


class StackedLinear(Stacked):
    """A linear layer, of float32 or bf16 products, with a trained weight, bias or both."""

    inner: nn.Linear | Bf16Linear

    def forward(self, x: Tensor) -> Tensor:
        """y [N, ..., D_out] for x [N, ..., D_in]."""
        weight, bias = self.value("weight"), self.value("bias")
        narrow = isinstance(self.inner, Bf16Linear)
        given = x.to(torch.bfloat16) if narrow else x
        if weight is None:
            y = F.linear(given, self.inner.weight)
        else:
            y = self.cohort.product(given, weight.to(given.dtype))
        if isinstance(self.inner, Bf16Linear):
            y = y.to(x.dtype)
        if bias is not None:
            y = y + self.cohort.each(bias, y)
        elif self.inner.bias is not None:
            y = y + self.inner.bias
        return self.inner.output(y) if isinstance(self.inner, Bf16Linear) else y


class StackedLayerNorm(Stacked):
    """Layer normalisation with trained gain, bias or both."""

    inner: nn.LayerNorm

    def forward(self, x: Tensor) -> Tensor:
        """y [N, ..., D] for x [N, ..., D]."""
        gain, bias = self.value("weight"), self.value("bias")
        shape, eps = self.inner.normalized_shape, self.inner.eps
        if gain is None:
            y = F.layer_norm(x, shape, self.inner.weight, None, eps)
        else:
            y = F.layer_norm(x, shape, None, None, eps) * self.cohort.each(gain, x)
        if bias is not None:
            return y + self.cohort.each(bias, y)
        return y if self.inner.bias is None else y + self.inner.bias


class StackedBottleneck(Stacked):
    """y = h + U_c f(V_c h + v_c) + u_c for ``BottleneckLinear``."""

    inner: BottleneckLinear

    def forward(self, x: Tensor) -> Tensor:
        """The projection's output, adapted, [N, ..., D]."""
        h: Tensor = self.inner.base(x)
        down, down_bias, up, up_bias = (self.value(f"adapter_{name}") for name in NAMES)
        assert down is not None
        assert down_bias is not None
        assert up is not None
        assert up_bias is not None
        inner = self.cohort.product(h, down)
        inner = self.inner.activation(inner + self.cohort.each(down_bias, inner))
        return h + self.cohort.product(inner, up) + self.cohort.each(up_bias, h)


class StackedAny(Stacked):
    """Any other module, of one client, mapped over the clients by ``torch.vmap``.

    of_rows: which of the call's arguments, flattened, hold rows; the others are shared by all.
    """

    def __init__(
        self,
        inner: nn.Module,
        prefix: str,
        trained: Sequence[str],
        cohort: Cohort,
        of_rows: Sequence[bool],
    ) -> None:
        super().__init__(inner, prefix, trained, cohort)
        self.of_rows = tuple(of_rows)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module returns, every tensor in it by rows."""
        leaves, form = pytree.tree_flatten((args, kwargs))
        mapped = [place for place, rows in enumerate(self.of_rows) if rows]
        values = {name: self.cohort.values[full] for name, full in self.full_names.items()}

        returned: list[Any] = []  # what the output is besides its tensors, which vmap cannot carry

        def one_client(own: dict[str, Tensor], *rows: Tensor) -> list[Tensor]:
            filled = list(leaves)
            for place, value in zip(mapped, rows, strict=True):
                filled[place] = value
            positional, named = pytree.tree_unflatten(filled, form)
            output = torch.func.functional_call(self.inner, own, positional, named)
            parts, shape = pytree.tree_flatten(output)
            returned[:] = [shape, [TENSOR if isinstance(part, Tensor) else part for part in parts]]
            return [part for part in parts if isinstance(part, Tensor)]

        spread = [self.cohort.spread(leaves[place]) for place in mapped]
        tensors = iter(torch.vmap(one_client)(values, *spread))
        shape, parts = returned
        return pytree.tree_unflatten(
            [self.cohort.collect(next(tensors)) if part is TENSOR else part for part in parts],
            shape,
        )


FORMS: dict[type[nn.Module], type[Stacked]] = {
    LowRankLinear: StackedLowRank,
    BottleneckLinear: StackedBottleneck,
    nn.Linear: StackedLinear,
    Bf16Linear: StackedLinear,
    nn.LayerNorm: StackedLayerNorm,
}
"""The stacked form of a module type; whatever is not here is mapped by ``StackedAny``."""
