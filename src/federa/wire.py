"""The tensors of one message as bytes and back: exact, or the changes in fewer bits.

A message is one safetensors file in memory: tensors named group/name, with their order, the codec
and the facts as JSON. A codec shortens differences from a reference that both ends hold; what
stands there in float32 is the value itself. What is read is not trusted: bytes that are no sound
message are a ValueError of one line, and cannot make their reader allocate much besides.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from federa.state_file import pack
from federa.types import Download, Upload

if TYPE_CHECKING:
    from torch import Tensor

    from federa.types import Tensors

Codec: TypeAlias = Literal["fp32", "bf16", "fp16", "int8"]
CODECS: tuple[Codec, ...] = get_args(Codec)
DOWNLOAD_CODECS = CODECS[:3]

FACTS_BYTES = 256
"""Kept for codec, count and metrics, or a multiple where they need more: a size known before."""

MOST_HEADER_BYTES = 1 << 22  # thousands of tensors; parsed JSON can take twenty times its text
MOST_DIMS = 8  # torch itself computes with at most 64
_PLAIN = ("float32", "int64", "int32", "int16", "int8", "uint8", "bool")
_NUMBERS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "int8": "int8"}
_brief = reprlib.repr  # one short line for anything: names and values read may be hostile


class PackedSizes(NamedTuple):
    """tensor_bytes: by group/name, scales included; serialised_bytes: of the whole message."""

    tensor_bytes: Mapping[str, int]
    serialised_bytes: int


def pack_download(download: Download, known: Tensors, codec: Codec) -> bytes:
    """What the server sends; equal arguments give equal bytes.

    known: what the receiver holds of the start, by name. A tensor with a reference, there or in
    ``download.start``, is sent as its difference from it, unless the codec is fp32 or cannot hold
    the difference (fp16 ends at 65504). Everything else is sent exactly.
    Raises: ValueError.
    """
    _codec(codec, DOWNLOAD_CODECS)
    references = known | download.start
    flat: Tensors = {}
    for name, value in download.params.items():
        flat |= _send(name, value, references, codec)[0]
    for group in ("base_change", "extra", "start"):
        flat |= {f"{group}/{name}": value for name, value in getattr(download, group).items()}
    return _pack(flat, codec, {})


def received(download: Download, known: Tensors, codec: Codec) -> Tensors:
    """The params that ``unpack_download`` finds in ``pack_download``'s bytes, bit for bit.

    Raises: ValueError.
    """
    _codec(codec, DOWNLOAD_CODECS)
    references = known | download.start
    return {
        name: _send(name, value, references, codec)[1] for name, value in download.params.items()
    }


def unpack_download(blob: bytes, known: Tensors) -> Download:
    """The message in ``blob``; its params are those that the server counts on (``received``).

    Raises: ValueError if ``blob`` is no sound download or does not fit ``known``.
    """
    groups, facts = _read(blob, ("params", "base_change", "extra", "start"))
    codec = _codec(facts.get("codec"), DOWNLOAD_CODECS)
    references = known | groups["start"]
    params = {
        name: _restore(name, value, _reference(name, value, references), codec, {})
        for name, value in groups["params"].items()
    }
    return Download(**(groups | {"params": params}))


def pack_upload(
    upload: Upload, received: Tensors, codec: Codec, residual: Tensors | None
) -> tuple[bytes, Tensors]:
    """What a client returns, and what the codec lost of it: the next round's ``residual``.

    received: what the client trained from. The differences go in the codec's numbers; int8 has one
    float32 scale for each row of the first dimension, or for a whole vector or scalar. What was
    lost before is added to the difference first, so that nothing is lost for good. A difference
    that the codec cannot hold goes as the value itself, and a residual that no longer fits is
    dropped. Under fp32 all values go as they are and the residual is empty.
    Source: Seide et al., Interspeech 2014 (1-bit SGD); arXiv 1901.09847, algorithm 2.
    Raises: ValueError.
    """
    _codec(codec, CODECS)
    flat: Tensors = {}
    lost: Tensors = {}
    for name, value in upload.params.items():
        if name not in received:
            raise ValueError(f"params/{_brief(name)} was not received")
        sent, _, loss = _send(name, value, received, codec, (residual or {}).get(name))
        flat |= sent
        lost |= {} if loss is None else {name: loss}
    flat |= {f"extra/{name}": value for name, value in upload.extra.items()}
    facts = {"num_examples": upload.num_examples, "metrics": dict(upload.metrics)}
    return _pack(flat, codec, facts), lost


def unpack_upload(blob: bytes, client: int, received: Tensors) -> Upload:
    """The message in ``blob``, which came from ``client``, who was sent ``received``.

    Names that are missing and numbers that are not finite are left to the admission.
    Raises: ValueError if ``blob`` is no sound upload or does not fit ``received``.
    """
    groups, facts = _read(blob, ("params", "extra", "scale"))
    codec, scales = _codec(facts.get("codec"), CODECS), groups["scale"]
    params: Tensors = {}
    for name, value in groups["params"].items():
        reference = _reference(name, value, received)
        if reference is None:
            raise ValueError(f"params/{_brief(name)} was not sent to the client")
        params[name] = _restore(name, value, reference, codec, scales)
    if scales:
        raise ValueError(f"scale/{_brief(next(iter(scales)))} belongs to no int8 tensor")
    return Upload(client, params, extra=groups["extra"], **_counted(facts))


def packed_sizes(
    message: Mapping[str, Tensors], codec: Codec, references: Collection[str]
) -> PackedSizes:
    """What a message will take, from its groups of tensors.

    From names, shapes and dtypes alone; exact if the codec can hold every difference and the facts
    fit into FACTS_BYTES. Each kind of message is serialised once and its sizes remembered.
    references: names of ``params`` that have one at the receiver; those in ``start`` count too.
    """
    known = {*references, *message.get("start", {})}
    kind = tuple(
        (group, name, tuple(value.shape), value.dtype, group == "params" and name in known)
        for group, tensors in message.items()
        for name, value in tensors.items()
    )
    return _sizes_of_kind(codec, kind)


@cache
def _sizes_of_kind(codec: Codec, kind: tuple[tuple[str, str, Any, Any, bool], ...]) -> PackedSizes:
    import torch

    flat: Tensors = {}
    tensor_bytes: dict[str, int] = {}
    for group, name, shape, dtype, referred in kind:
        sent = {f"{group}/{name}": (value := torch.zeros(shape, dtype=dtype))}
        if referred:
            sent = _send(name, value, {name: value}, codec)[0]
        flat |= sent
        tensor_bytes[f"{group}/{name}"] = sum(part.nbytes for part in sent.values())
    return PackedSizes(tensor_bytes, len(_pack(flat, codec, {})))


def _pack(flat: Tensors, codec: Codec, facts: dict[str, Any]) -> bytes:
    facts = {"codec": codec, **facts}
    width = len(json.dumps(json.dumps(facts)))  # with the escapes of a string inside the header
    # a start may be the very tensor that is trained; safetensors refuses memory named twice
    owner = {value.data_ptr(): name for name, value in flat.items()}
    flat = {n: v if owner[v.data_ptr()] == n else v.clone() for n, v in flat.items()}
    return pack(flat, facts | {"pad": " " * (-width % FACTS_BYTES)})


def _read(blob: bytes, groups: tuple[str, ...]) -> tuple[dict[str, Tensors], dict[str, Any]]:
    """The tensors by group, in the order they were packed in, and the facts."""
    from safetensors.torch import load

    length = int.from_bytes(blob[:8], "little")
    if length > MOST_HEADER_BYTES:
        raise ValueError(f"not a message: its header is longer than {MOST_HEADER_BYTES} bytes")
    try:
        flat = load(blob)
        header = json.loads(str(blob[8 : 8 + length], "utf-8"))
        facts = json.loads(header["__metadata__"]["facts"])
        names = list(facts["names"])
        complete = sorted(names) == sorted(flat)
    except Exception as error:  # json, safetensors and torch have many words for hostile bytes
        raise ValueError(f"not a message: damaged ({type(error).__name__})") from error
    if not complete:
        raise ValueError("not a message: the names listed are not those of its tensors")
    found: dict[str, Tensors] = {group: {} for group in groups}
    for flat_name in names:
        group, _, name = flat_name.partition("/")
        if group not in found:
            raise ValueError(f"{_brief(flat_name)} is in none of the groups {', '.join(groups)}")
        value = found[group][name] = flat[flat_name]
        if value.dim() > MOST_DIMS or (group != "params" and _dtype(value) not in _PLAIN):
            raise ValueError(f"{_brief(flat_name)} is {_dtype(value)}, {value.dim()} dimensions")
    return found, facts


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _reference(name: str, value: Tensor, references: Tensors) -> Tensor | None:
    """The reference of ``params/name``, if any, in the same shape: (1, k) would broadcast."""
    reference = references.get(name)
    if reference is not None and reference.shape != value.shape:
        shapes = f"{_brief(tuple(value.shape))}, its reference {_brief(tuple(reference.shape))}"
        raise ValueError(f"params/{_brief(name)} has shape {shapes}")
    return reference


def _send(
    name: str, value: Tensor, references: Tensors, codec: Codec, owed: Tensor | None = None
) -> tuple[Tensors, Tensor, Tensor | None]:
    """``params/name`` as it is sent, as it arrives, and what is lost (None: it went whole)."""
    import torch

    reference = _reference(name, value, references)
    if reference is not None and reference.dtype != value.dtype:
        raise ValueError(f"params/{_brief(name)} is {_dtype(value)}, expected {_dtype(reference)}")
    exact = codec == "fp32" or value.dtype != torch.float32 or value.numel() == 0
    if reference is None or exact:
        return {f"params/{name}": value}, value, None
    difference = value - reference
    if owed is not None and (owed.shape, owed.dtype) == (value.shape, value.dtype):
        value, difference = value + owed, difference + owed
    scale, numbers = _quantised(difference) if codec == "int8" else (None, difference)
    numbers = numbers.to(getattr(torch, _NUMBERS[codec]))
    read = _lengthen(numbers, scale)
    if not bool(read.isfinite().all()):  # one infinity would spoil the average
        return {f"params/{name}": value}, value, None
    sent = {f"params/{name}": numbers} | ({} if scale is None else {f"scale/{name}": scale})
    return sent, reference + read, difference - read


def _quantised(difference: Tensor) -> tuple[Tensor, Tensor]:
    """The scales max|.| / 127 of the rows, and how many of them are nearest, ties to even."""
    rows = _rows(difference)
    scale = rows.abs().amax(1) / 127
    steps = scale + (scale == 0)
    # more than 127 only where the scale is so small that it has lost its digits
    numbers = (rows / steps[:, None]).round().clamp(-127, 127)
    return scale, numbers.reshape(difference.shape)


def _lengthen(numbers: Tensor, scale: Tensor | None) -> Tensor:
    """The float32 difference that ``numbers`` stand for."""
    read = numbers.float()
    return read if scale is None else (_rows(read) * scale[:, None]).reshape(read.shape)


def _rows(tensor: Tensor) -> Tensor:
    """What shares a scale as one row: [rows, numbers]; a vector or a scalar is one."""
    return tensor.reshape(len(tensor) if tensor.dim() > 1 else 1, -1)


def _restore(
    name: str, value: Tensor, reference: Tensor | None, codec: Codec, scales: Tensors
) -> Tensor:
    """The value that was packed; the scale that it needed is taken out of ``scales``."""
    dtype, wanted = _dtype(value), None if reference is None else _dtype(reference)
    if dtype in _PLAIN and wanted in (None, dtype):
        return value
    coded = dtype == _NUMBERS[codec] and wanted == "float32" and value.numel() > 0
    if reference is None or not coded:
        raise ValueError(f"params/{_brief(name)} is {dtype}, which {codec} does not send for it")
    scale = scales.pop(name, None) if codec == "int8" else None
    if codec == "int8":
        shape = (len(_rows(value)),)
        if scale is None or _dtype(scale) != "float32" or tuple(scale.shape) != shape:
            raise ValueError(f"params/{_brief(name)} needs float32 scales of shape {shape}")
    return reference + _lengthen(value, scale)


def _codec(value: object, allowed: tuple[Codec, ...]) -> Codec:
    if value not in allowed:
        raise ValueError(f"codec {_brief(value)}, allowed here: {', '.join(allowed)}")
    return value


def _counted(facts: dict[str, Any]) -> dict[str, Any]:
    """The example count and the metrics of an upload."""
    count, metrics = facts.get("num_examples"), facts.get("metrics")
    if type(count) is not int or not 0 <= count < 2**63:
        raise ValueError(f"num_examples is {_brief(count)}, expected a count")
    if not isinstance(metrics, dict):
        raise ValueError(f"metrics is {_brief(metrics)}, expected numbers by name")
    for name, value in metrics.items():
        if type(value) is not float and (type(value) is not int or abs(value) >= 2**63):
            raise ValueError(f"the metric {_brief(name)} is {_brief(value)}, expected a number")
    return {"num_examples": count, "metrics": metrics}


def tensor_kinds(blob: bytes) -> dict[str, str]:
    """The dtype and shape of each tensor in a message that was packed here, for logs."""
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(str(blob[8 : 8 + length], "utf-8"))
    return {
        name: f"{entry['dtype']} {entry['shape']}"
        for name, entry in header.items()
        if name != "__metadata__"
    }
