"""bf16 for matrix products of frozen weights; everything that is trained stays float32."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from federa.models import architecture_of

if TYPE_CHECKING:
    from torch import Tensor


def has_native_bf16(device: str) -> bool:
    """Whether ``device`` multiplies bf16 matrices in hardware (AVX512-BF16, AMX, Arm, CUDA 8+)."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_capability(device)[0] >= 8
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


class Bf16Linear(nn.Module):
    """A linear layer whose product runs in bf16: [..., d_in] -> [..., d_out], float32 or bf16.

    A frozen weight is stored in bf16 once; a trained one stays float32 and is rounded in each
    product. A frozen bias joins the product; a trained one is added to it in float32. narrow:
    whether the output stays bf16, for readers that round it in any case or compute in bf16.
    """

    def __init__(self, linear: nn.Linear, *, narrow: bool = False) -> None:
        super().__init__()
        self.weight, self.bias, self.narrow = linear.weight, linear.bias, narrow
        if not linear.weight.requires_grad:
            self.weight = nn.Parameter(linear.weight.to(torch.bfloat16), requires_grad=False)
        if linear.bias is not None and not linear.bias.requires_grad:
            self.bias = nn.Parameter(linear.bias.to(torch.bfloat16), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """y = W x + b."""
        weight = self.weight.to(torch.bfloat16)
        if self.bias is None or self.bias.dtype == torch.bfloat16:
            return self.output(nn.functional.linear(x.to(torch.bfloat16), weight, self.bias))
        return self.output(nn.functional.linear(x.to(torch.bfloat16), weight).float() + self.bias)

    def output(self, y: Tensor) -> Tensor:
        """``y`` in the type that this layer returns."""
        return y.to(torch.bfloat16) if self.narrow else y.float()


def use_bf16(model: nn.Module, keep: frozenset[str], device: str = "cpu") -> None:
    """Replace every linear layer of ``model`` by its bf16 form, in place, but for ``keep``.

    keep: names of parameters (the task head's) whose layers stay as they are. Where the
    architecture says that an activation reads a layer's output, that stays bf16 (what the
    activation returns is rounded to bf16 in any case); on a GPU also what attention reads: on a
    CPU its backward pass is many times as slow in bf16 as in float32.
    """
    known = architecture_of(model)
    narrow_names: tuple[str, ...] = ()
    if known is not None:
        narrow_names = known.activated + (() if device == "cpu" else known.attended)
    ends = tuple(f".{name}" for name in narrow_names)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and f"{name}.weight" not in keep:
            parent, _, attribute = name.rpartition(".")
            narrow = name.removesuffix(".base").endswith(ends)
            bf16 = Bf16Linear(module, narrow=narrow)
            setattr(model.get_submodule(parent), attribute, bf16)
