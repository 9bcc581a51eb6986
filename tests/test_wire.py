"""Messages as bytes: exact where promised, hand-worked codecs, error feedback, hostile bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from federa.rules.scaffold import PATH_LENGTH, Scaffold
from federa.state_file import pack
from federa.types import Download, Layout, Tensors, Upload
from federa.wire import (
    CODECS,
    DOWNLOAD_CODECS,
    FACTS_BYTES,
    MOST_HEADER_BYTES,
    Codec,
    pack_download,
    pack_upload,
    packed_sizes,
    received,
    unpack_download,
    unpack_upload,
)

ONE_LINE = r"\A.+\Z"
SHAPES = {"z": (4, 3), "a": (2, 3, 2), "head": (5,), "scalar": (), "empty": (0, 3), "none": (3, 0)}
AWKWARD = [-0.0, float("nan"), float("inf"), float("-inf"), 1e-45, 3.4e38]


def tensors(seed: int, scale: float = 1.0) -> Tensors:
    """Float tensors in no alphabetical order, and an integer and a boolean one."""
    generator = torch.Generator().manual_seed(seed)
    found = {n: scale * torch.randn(shape, generator=generator) for n, shape in SHAPES.items()}
    return found | {"count": torch.tensor([2**40, seed]), "flags": torch.tensor([True, False])}


def moved(start: Tensors, seed: int, scale: float = 0.01) -> Tensors:
    """``start`` after small changes of its float tensors."""
    change = tensors(seed, scale)
    floating = torch.Tensor.is_floating_point
    return {name: old + change[name] if floating(old) else old for name, old in start.items()}


def assert_same(found: Tensors, expected: Tensors) -> None:
    """The same names in the same order, and the same bits."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert (found[name].shape, found[name].dtype) == (value.shape, value.dtype), name
        assert found[name].numpy().tobytes() == value.contiguous().numpy().tobytes(), name


def assert_refused(read: Callable[[], object]) -> str:
    with pytest.raises(ValueError, match=ONE_LINE) as caught:
        read()
    assert type(caught.value) is ValueError
    return str(caught.value)


def decoded(params: Tensors, base: Tensors, codec: Codec, residual: Tensors | None = None) -> Any:
    """What the server reads of an upload, and the residual."""
    blob, lost = pack_upload(Upload(0, params, 1), base, codec, residual)
    return unpack_upload(blob, 0, base).params, lost


# exact


def test_fp32_keeps_every_bit_and_the_order() -> None:
    params = tensors(1) | {"awkward": torch.tensor(AWKWARD)}
    download = Download(params, base_change=tensors(2), extra=tensors(3), start=tensors(4))
    found = unpack_download(pack_download(download, tensors(5), "fp32"), tensors(5))
    for group in ("params", "base_change", "extra", "start"):
        assert_same(getattr(found, group), getattr(download, group))
    assert_same(received(download, tensors(5), "fp32"), params)

    base = tensors(6) | {"awkward": torch.zeros(len(AWKWARD))}
    upload = Upload(3, params, 17, extra=tensors(7), metrics={"loss": 0.1 + 0.2, "a": 1e-300})
    blob, lost = pack_upload(upload, base, "fp32", {"z": torch.ones(4, 3)})
    assert lost == {}, "nothing is lost, and what was lost before is not added to exact values"
    arrived = unpack_upload(blob, 3, base)
    assert_same(arrived.params, params)
    assert_same(arrived.extra, upload.extra)
    assert (arrived.client, arrived.num_examples) == (3, 17)
    assert list(arrived.metrics.items()) == list(upload.metrics.items())


@pytest.mark.parametrize("codec", DOWNLOAD_CODECS)
def test_start_base_change_and_extra_are_exact_and_so_is_what_has_no_reference(
    codec: Codec,
) -> None:
    start = {"z": tensors(1)["z"]}
    params = moved(tensors(1), 2)
    download = Download(params, tensors(3), tensors(4), start)
    found = unpack_download(pack_download(download, {}, codec), {})
    assert_same(found.start, start)
    assert_same(found.base_change, download.base_change)
    assert_same(found.extra, download.extra)
    others = [name for name in params if name != "z"]
    assert_same({n: found.params[n] for n in others}, {n: params[n] for n in others})
    assert torch.equal(found.params["z"], params["z"]) == (codec == "fp32")


@pytest.mark.parametrize("codec", DOWNLOAD_CODECS)
@pytest.mark.parametrize("in_message", [True, False], ids=["late joiner", "known client"])
def test_the_server_knows_what_a_client_trains_from(codec: Codec, in_message: bool) -> None:
    start = tensors(1)
    download = Download(moved(start, 2), start=start if in_message else {})
    known = {} if in_message else start
    found = unpack_download(pack_download(download, known, codec), known)
    assert_same(found.params, received(download, known, codec))
    for name, value in download.params.items():
        assert torch.allclose(found.params[name].float(), value.float(), atol=1e-3)


@pytest.mark.parametrize("codec", DOWNLOAD_CODECS)
def test_a_first_download_without_start_is_exact(codec: Codec) -> None:
    download = Download(tensors(1))
    found = unpack_download(pack_download(download, {}, codec), {})
    assert_same(found.params, download.params)
    assert (found.start, found.base_change, found.extra) == ({}, {}, {})


def test_the_same_tensor_may_stand_in_a_message_twice() -> None:
    value = torch.ones(2, 3)
    download = Download({"w": value, "v": value}, extra={"w": value})
    found = unpack_download(pack_download(download, {}, "fp32"), {})
    assert_same(found.params, download.params)
    assert_same(found.extra, download.extra)


@pytest.mark.parametrize("codec", CODECS)
def test_equal_messages_are_equal_bytes(codec: Codec) -> None:
    base = tensors(1)
    upload = Upload(0, moved(base, 2), 5, extra={"e": torch.ones(2)}, metrics={"loss": 1.5})
    owed = {"z": torch.full((4, 3), 1e-6)}
    blob, lost = pack_upload(upload, base, codec, owed)
    strided = {
        name: value.T.contiguous().T if value.dim() == 2 else value.clone()
        for name, value in upload.params.items()
    }
    again, lost_again = pack_upload(replace(upload, params=strided), base, codec, owed)
    assert again == blob
    assert_same(lost_again, lost)
    if codec in DOWNLOAD_CODECS:
        download = Download(upload.params, extra={"e": torch.ones(2)})
        assert pack_download(download, base, codec) == pack_download(download, base, codec)


def test_the_extras_of_scaffold_arrive() -> None:
    params = {"w": tensors(1)["z"]}
    rule = Scaffold()
    state = rule.start(params, Layout(shared=("w",), head=()), {0: 3, 1: 5})
    length = {PATH_LENGTH: torch.tensor(0.4)}
    state = rule.merge(state, [Upload(1, {"w": params["w"] + 0.5}, 5, length)])
    download = rule.download(state, 0)
    found = unpack_download(pack_download(download, params, "bf16"), params)
    assert_same(found.extra, download.extra)
    assert bool(found.extra["w"].any())
    extra = rule.finish(found.params, found, 4, 0.1)
    upload = Upload(0, {"w": found.params["w"] + 0.1}, 3, extra)
    blob, _ = pack_upload(upload, found.params, "int8", None)
    arrived = unpack_upload(blob, 0, received(download, params, "bf16"))
    assert_same(arrived.extra, extra)
    assert rule.fault(arrived.extra, 4, 0.1) is None


# codecs by hand


def test_a_difference_in_half_precision_by_hand() -> None:
    # float32(1000.1) = 1000 + 1638 / 2^14. bf16 keeps 8 digits: 1638 / 2^14 = 204.75 / 2^11
    # becomes 205 / 2^11; fp16 keeps 11 and loses nothing, though 1000.1 itself would become 1000
    start, params = {"w": torch.tensor([1000.0])}, {"w": torch.tensor([1000.1])}
    for codec, expected in (("bf16", 1000 + 205 / 2**11), ("fp16", 1000 + 1638 / 2**14)):
        down = pack_download(Download(params), start, codec)
        assert load(down)["params/w"].element_size() == 2
        assert unpack_download(down, start).params["w"].tolist() == [expected]
        up, lost = decoded(params, start, codec)
        assert up["w"].tolist() == [expected]
        assert lost["w"].tolist() == [1000 + 1638 / 2**14 - expected]


@pytest.mark.parametrize(("codec", "unit"), [("bf16", 2**-8), ("fp16", 2**-11)])
def test_half_precision_loses_a_share_of_the_change_not_of_the_value(
    codec: Codec, unit: float
) -> None:
    start = {"w": 100 + torch.randn(50, 20, generator=torch.Generator().manual_seed(1))}
    change = torch.randn(50, 20, generator=torch.Generator().manual_seed(2))
    params = {"w": start["w"] + change}
    arrived = received(Download(params), start, codec)["w"]
    bound = unit * change.abs() + 2**-22 * params["w"].abs()
    assert bool(((arrived - params["w"]).abs() <= bound).all())
    assert not torch.equal(arrived, params["w"])


def test_what_half_precision_cannot_hold_goes_whole() -> None:
    zero = {name: torch.zeros(2) for name in ("edge", "over", "small", "nan")}
    values = {
        "edge": torch.tensor([65519.0, 1.0]),  # the last float32 that rounds to 65504
        "over": torch.tensor([65520.0, -0.0]),
        "small": torch.tensor([0.5, 1.0]),
        "nan": torch.tensor([float("nan"), 1.0]),
    }
    blob = pack_download(Download(values), zero, "fp16")
    halves = {name for name, value in load(blob).items() if value.dtype == torch.float16}
    assert halves == {"params/edge", "params/small"}
    found = unpack_download(blob, zero).params
    assert_same(found, values | {"edge": torch.tensor([65504.0, 1.0])})
    assert_same(received(Download(values), zero, "fp16"), found)

    owed = {"over": torch.tensor([0.25, 0.25]), "small": torch.tensor([0.25, 0.25])}
    up, lost = decoded(values, zero, "fp16", owed)
    assert up["over"].tolist() == [65520.25, 0.25], "what was owed goes with it"
    assert up["small"].tolist() == [0.75, 1.25]
    assert list(lost) == ["edge", "small"]
    above = {"w": torch.tensor([3.4e38])}  # bf16 ends at 3.39e38
    assert_same(received(Download(above), {"w": torch.zeros(1)}, "bf16"), above)


def test_int8_by_hand() -> None:
    values = {
        "rows": torch.tensor([[63.5, -0.25, 0.75, 10.125], [0.0, 0, 0, 0], [-254, 3, 5, 1]]),
        "vector": torch.tensor([254.0, -2.0, 1.0]),
        "scalar": torch.tensor(-127.0),
        "cube": torch.tensor([[[127.0], [0.5]], [[1.5], [12.7 * 10]]]),
    }
    zero = {name: torch.zeros_like(value) for name, value in values.items()}
    blob, lost = pack_upload(Upload(0, values, 1), zero, "int8", None)
    flat = load(blob)
    # scales 63.5 / 127 = 0.5, 0 and 254 / 127 = 2: -0.5, 1.5, 20.25 and 1.5, 2.5, 0.5 of them
    assert flat["scale/rows"].tolist() == [0.5, 0.0, 2.0]
    assert flat["params/rows"].dtype == torch.int8
    assert flat["params/rows"].tolist() == [[127, 0, 2, 20], [0, 0, 0, 0], [-127, 2, 2, 0]]
    assert flat["scale/vector"].tolist() == [2.0]
    assert flat["params/vector"].tolist() == [127, -1, 0]
    assert flat["scale/scalar"].tolist() == [1.0]
    assert flat["params/scalar"].tolist() == -127
    assert flat["scale/cube"].tolist() == [1.0, 1.0]
    assert flat["params/cube"].tolist() == [[[127], [0]], [[2], [127]]]
    arrived = unpack_upload(blob, 0, zero).params
    assert list(arrived) == list(values)
    assert arrived["rows"].tolist() == [[63.5, 0, 1, 10], [0, 0, 0, 0], [-254, 4, 4, 0]]
    assert lost["rows"].tolist() == [[0, -0.25, -0.25, 0.125], [0, 0, 0, 0], [0, -1, 1, 1]]
    assert arrived["vector"].tolist() == [254, -2, 0]
    assert lost["vector"].tolist() == [0, 0, 1]
    assert lost["scalar"].tolist() == 0
    # the next round adds what was lost: 1 + 1 = 2 is one step of the vector
    again, lost = decoded(values, zero, "int8", lost)
    assert again["vector"].tolist() == [254, -2, 2]
    assert lost["vector"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [1e-45, 1e-44, 190e-45, 1e-38])
def test_int8_of_next_to_nothing_is_finite(value: float) -> None:
    up, lost = decoded({"w": torch.tensor([value, 0.0])}, {"w": torch.zeros(2)}, "int8")
    assert 0 <= float(up["w"][0]) <= 2 * value
    assert float(up["w"][0] + lost["w"][0]) == float(torch.tensor(value))


@pytest.mark.parametrize("codec", CODECS)
def test_values_that_are_not_finite_reach_the_admission(codec: Codec) -> None:
    values = {"w": torch.tensor([1.0, float("nan")]), "v": torch.tensor([float("inf"), -1.0])}
    up, lost = decoded(values, {"w": torch.ones(2), "v": torch.ones(2)}, codec)
    assert_same(up, values)
    assert lost == {}


@pytest.mark.parametrize("codec", ["bf16", "fp16", "int8"])
def test_a_residual_that_no_longer_fits_is_dropped(codec: Codec) -> None:
    base = tensors(1)
    upload = Upload(0, moved(base, 2), 1)
    plain = pack_upload(upload, base, codec, None)[0]
    misfits = {
        "z": torch.ones(1, 3),
        "a": torch.ones(2, 3, 2).double(),
        "gone": torch.ones(2),
        "count": torch.ones(2, dtype=torch.int64),
    }
    assert pack_upload(upload, base, codec, misfits)[0] == plain
    fitting = {"z": torch.ones(4, 3)}
    assert pack_upload(upload, base, codec, fitting)[0] != plain


@pytest.mark.parametrize(
    ("codec", "update", "step"),
    [
        ("int8", [1.0, 0.003], 1 / 127),
        ("bf16", [1.001, 1.002], 2**-7),
        ("fp16", [1.0003, 1.0004], 2**-10),
    ],
)
def test_error_feedback_loses_nothing_for_good(
    codec: Codec, update: list[float], step: float
) -> None:
    rounds, base = 300, {"w": torch.zeros(2)}
    params = {"w": torch.tensor(update)}
    truth = rounds * params["w"].double()
    sums = {True: torch.zeros(2).double(), False: torch.zeros(2).double()}
    for feedback in sums:
        residual: Tensors | None = None
        for _ in range(rounds):
            up, residual = decoded(params, base, codec, residual if feedback else None)
            sums[feedback] += up["w"].double()
    assert float((sums[True] - truth).abs().max()) <= 1.01 * step
    assert float((sums[False] - truth).abs().max()) > 20 * step


# sizes


@pytest.mark.parametrize("codec", CODECS)
def test_sizes_are_those_of_the_bytes(codec: Codec) -> None:
    base = tensors(1)
    params, extra = moved(base, 2), {"path": torch.tensor(1.0)}
    for metrics in ({}, {"loss": 0.1 + 0.2, "mean \N{GREEK SMALL LETTER BETA}": -1e-300}):
        upload = Upload(0, params, 10**9, extra, metrics)
        blob, _ = pack_upload(upload, base, codec, None)
        sizes, serialised = packed_sizes({"params": params, "extra": extra}, codec, set(base))
        assert serialised == len(blob)
        assert sum(sizes.values()) == sum(value.nbytes for value in load(blob).values())
    expected = {"fp32": (48, 20, 4), "bf16": (24, 10, 2), "fp16": (24, 10, 2), "int8": (28, 9, 5)}
    assert tuple(sizes[f"params/{name}"] for name in ("z", "head", "scalar")) == expected[codec]
    assert (sizes["params/empty"], sizes["params/count"], sizes["extra/path"]) == (0, 16, 4)
    hollow = {name: value.to("meta") for name, value in params.items()}
    message = {"params": hollow, "extra": extra}
    assert packed_sizes(message, codec, set(base)) == (sizes, serialised), "shapes are enough"

    long = replace(upload, metrics={f"metric {number}": 0.1 for number in range(40)})
    more = len(pack_upload(long, base, codec, None)[0]) - serialised
    assert more > 0
    assert more % FACTS_BYTES == 0


@pytest.mark.parametrize("codec", DOWNLOAD_CODECS)
def test_sizes_of_downloads(codec: Codec) -> None:
    base = tensors(1)
    start = {"head": base["head"]}
    for known in ({}, {"z": base["z"]}, base):
        for greeting in ({}, start):
            download = Download(moved(base, 2), {"change": torch.ones(3)}, tensors(3), greeting)
            message = vars(download)
            sizes, serialised = packed_sizes(message, codec, known)
            blob = pack_download(download, known, codec)
            assert serialised == len(blob)
            assert sizes == {name: value.nbytes for name, value in load(blob).items()}


# hostile and mistaken


@pytest.mark.parametrize("codec", CODECS)
def test_a_row_is_not_broadcast(codec: Codec) -> None:
    base, row = {"w": torch.zeros(4, 3)}, {"w": torch.ones(1, 3)}
    assert "(1, 3)" in assert_refused(lambda: pack_upload(Upload(0, row, 1), base, codec, None))
    blob, _ = pack_upload(Upload(0, row, 1), {"w": torch.zeros(1, 3)}, codec, None)
    message = assert_refused(lambda: unpack_upload(blob, 0, base))
    assert "(1, 3)" in message
    assert "(4, 3)" in message
    if codec in DOWNLOAD_CODECS:
        down = pack_download(Download(row), {"w": torch.zeros(1, 3)}, codec)
        assert_refused(lambda: unpack_download(down, base))
        assert_refused(lambda: pack_download(Download(row), base, codec))
        late = pack_download(Download(row, start={"w": torch.zeros(1, 3)}), {}, codec)
        lying = forge(load(late) | {"start/w": torch.zeros(4, 3)}, codec=codec)
        assert_refused(lambda: unpack_download(lying, {}))


def test_mistakes_of_our_own_are_told() -> None:
    base = {"w": torch.zeros(2, 3)}
    upload = Upload(0, {"w": torch.ones(2, 3)}, 1)
    assert "not received" in assert_refused(lambda: pack_upload(upload, {}, "fp32", None))
    halves = Upload(0, {"w": torch.ones(2, 3).half()}, 1)
    assert "float16" in assert_refused(lambda: pack_upload(halves, base, "fp16", None))
    wrong: Any = "int4"
    assert "int4" in assert_refused(lambda: pack_upload(upload, base, wrong, None))
    for pack_or_know in (pack_download, received):
        told = assert_refused(lambda call=pack_or_know: call(Download(base), {}, "int8"))
        assert "fp32, bf16, fp16" in told


RECEIVED = {
    "w": torch.zeros(2, 3),
    "v": torch.zeros(3),
    "n": torch.tensor([1]),
    "o": torch.ones(0, 3),
}
INT8 = {"params/w": torch.ones(2, 3, dtype=torch.int8), "scale/w": torch.ones(2)}
FACTS: dict[str, Any] = {"codec": "int8", "num_examples": 3, "metrics": {"loss": 1.0}}


def forge(flat: Tensors, **facts: Any) -> bytes:
    """A well-formed file with any tensors and facts."""
    return pack(flat, FACTS | facts)


def test_the_forged_message_is_sound_but_for_its_lies() -> None:
    arrived = unpack_upload(forge(INT8), 0, RECEIVED)
    assert arrived.params["w"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert arrived.metrics == {"loss": 1.0}
    nan = forge(INT8 | {"scale/w": torch.tensor([float("nan"), 2.0])}, metrics={"loss": 1e999})
    arrived = unpack_upload(nan, 0, RECEIVED)
    assert bool(arrived.params["w"][0].isnan().all())
    assert arrived.params["w"][1].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "facts",
    [
        {"codec": "int4"},
        {"codec": ["int8"]},
        {"codec": None},
        {"codec": "fp16"},
        {"codec": "fp32"},
        {"num_examples": -1},
        {"num_examples": True},
        {"num_examples": 2.0},
        {"num_examples": "3"},
        {"num_examples": None},
        {"num_examples": 2**63},
        {"metrics": []},
        {"metrics": None},
        {"metrics": {"loss": "1"}},
        {"metrics": {"loss": True}},
        {"metrics": {"loss": None}},
        {"metrics": {"loss\n\ud800": [1]}},
        {"metrics": {"loss": 10**400}},
    ],
    ids=lambda facts: repr(facts)[:50],
)
def test_lying_facts_are_refused(facts: dict[str, Any]) -> None:
    assert_refused(lambda: unpack_upload(forge(INT8, **facts), 0, RECEIVED))


@pytest.mark.parametrize(
    "changes",
    [
        {"params/x\ny": torch.ones(2, 3)},
        {"params/w": torch.ones(1, 3, dtype=torch.int8)},
        {"params/w": torch.ones(3, dtype=torch.int8)},
        {"params/w": torch.ones(2, 3).half()},
        {"params/w": torch.ones(2, 3).double()},
        {"params/w": torch.ones(2, 3, dtype=torch.int16)},
        {"params/w": torch.ones(2, 3)},
        {"params/n": torch.tensor([1.0])},
        {"params/n": torch.tensor([1], dtype=torch.int8), "scale/n": torch.ones(1)},
        {"params/v": torch.ones(3, dtype=torch.int8)},
        {"params/v": torch.ones(3, dtype=torch.int8), "scale/v": torch.ones(3)},
        {"params/o": torch.ones(0, 3, dtype=torch.int8), "scale/o": torch.ones(0)},
        {"scale/w": torch.ones(1)},
        {"scale/w": torch.ones(2, 1)},
        {"scale/w": torch.tensor(1.0)},
        {"scale/w": torch.ones(3)},
        {"scale/w": torch.ones(2).half()},
        {"scale/w": torch.ones(2).int()},
        {"scale/v": torch.ones(1)},
        {"start/w": torch.ones(2, 3)},
        {"w": torch.ones(2, 3)},
        {"extra/e": torch.ones(2).double()},
        {"extra/e": torch.ones(2).half()},
        {"extra/e": torch.ones((1,) * 9)},
        {"extra/e": torch.ones((1,) * 100)},
    ],
    ids=lambda changes: " ".join(f"{n!r} {v.dtype} {v.dim()}" for n, v in changes.items()),
)
def test_lying_tensors_are_refused(changes: Tensors) -> None:
    assert_refused(lambda: unpack_upload(forge(INT8 | changes), 0, RECEIVED))


@pytest.mark.parametrize(
    ("flat", "codec"),
    [
        ({"params/w": torch.ones(2, 3, dtype=torch.int8)}, "int8"),
        ({"params/w": torch.ones(2, 3)}, "int8"),
        ({"params/new": torch.ones(2).half()}, "fp16"),
        ({"params/w": torch.ones(2, 3).half()}, "bf16"),
        ({"params/w": torch.ones(2, 3).half()}, "fp32"),
        ({"params/n": torch.ones(1).half()}, "fp16"),
        ({"params/w": torch.ones(1, 3).half()}, "fp16"),
        ({"params/w": torch.ones(2, 3), "scale/w": torch.ones(2)}, "fp16"),
        ({"params/new": torch.ones((1,) * 9)}, "fp32"),
        ({"start/w": torch.ones(2).bfloat16()}, "bf16"),
    ],
)
def test_lying_downloads_are_refused(flat: Tensors, codec: str) -> None:
    assert_refused(lambda: unpack_download(forge(flat, codec=codec), RECEIVED))


def raw(facts: str) -> bytes:
    return save(INT8, metadata={"facts": facts})


def header(content: str, data: bytes = b"") -> bytes:
    return len(content.encode()).to_bytes(8, "little") + content.encode() + data


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\0" * 8,
        b"\xff" * 64,
        (1 << 40).to_bytes(8, "little") + b"{}",
        (1 << 22).to_bytes(8, "little") + b"{}",
        header("{}"),
        header('{"__metadata__": {"facts": "[]"}}'),
        header('{"params/w": {"dtype": "F32", "shape": [1000000000], "data_offsets": [0, 4]}}'),
        header(
            '{"a": {"dtype": "F32", "shape": [0, 9000000000000000000, 9],"data_offsets": [0,0]}}'
        ),
        header('{"a": {"dtype": "F8_E8M0", "shape": [4], "data_offsets": [0, 4]}}', b"0123"),
        save(INT8),
        save(INT8, metadata={"other": "{}"}),
        raw("{"),
        raw("[]"),
        raw('"names"'),
        raw("[" * 200_000),
        raw('{"names": ' + "1" * 5000 + "}"),
        raw('{"names": 5}'),
        raw('{"names": [1, "params/w"]}'),
        raw(json.dumps(FACTS | {"names": list(INT8), "pad": " " * MOST_HEADER_BYTES})),
        raw(json.dumps(FACTS | {"names": ["params/w"]})),
        raw(json.dumps(FACTS | {"names": ["params/w", "params/w"]})),
        raw(json.dumps(FACTS | {"names": ["params/w", "scale/w", "scale/w"]})),
        raw(json.dumps(FACTS | {"names": ["params/w", "scale/w", "\ud800"]})),
    ],
    ids=lambda blob: f"{len(blob)} bytes",
)
def test_what_is_no_message_is_refused(blob: bytes) -> None:
    assert_refused(lambda: unpack_upload(blob, 0, RECEIVED))
    assert_refused(lambda: unpack_download(blob, RECEIVED))


@functools.cache
def sound() -> list[tuple[bytes, Callable[[bytes], object]]]:
    """Sound messages, each with what reads it."""
    base = tensors(1)
    upload = Upload(0, moved(base, 2), 5, {"e": torch.ones(2)}, {"loss": 1.0})
    found: list[tuple[bytes, Callable[[bytes], object]]] = []
    for codec in CODECS:
        blob, _ = pack_upload(upload, base, codec, None)
        found.append((blob, lambda blob: unpack_upload(blob, 0, tensors(1))))
    for codec in DOWNLOAD_CODECS:
        download = Download(upload.params, {"c": torch.ones(1)}, {}, {"head": base["head"]})
        blob = pack_download(download, base, codec)
        found.append((blob, lambda blob: unpack_download(blob, tensors(1))))
    return found


def read_or_refuse(read: Callable[[bytes], object], blob: bytes) -> None:
    try:
        read(blob)
    except ValueError as error:
        refusal = error
    else:
        return
    assert type(refusal) is ValueError
    assert len(str(refusal).splitlines()) == 1


@settings(max_examples=500, deadline=None)
@given(
    which=st.integers(0, len(CODECS) + len(DOWNLOAD_CODECS) - 1),
    edits=st.lists(st.tuples(st.integers(0, 10**5), st.binary(max_size=3)), max_size=4),
    in_header=st.booleans(),
    length=st.none() | st.integers(0, 10**5),
)
def test_damaged_messages_are_read_or_refused(
    which: int, edits: list[tuple[int, bytes]], in_header: bool, length: int | None
) -> None:
    blob, read = sound()[which]
    end = 8 + int.from_bytes(blob[:8], "little") if in_header else len(blob)
    damaged = bytearray(blob)
    for place, content in edits:
        damaged[place % end : place % end + len(content)] = content
    cut = bytes(damaged if length is None else damaged[: length % len(damaged)])
    read_or_refuse(read, cut)
    if length is not None:
        assert_refused(lambda: read(cut))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(blob: bytes) -> None:
    assert_refused(lambda: unpack_upload(blob, 0, RECEIVED))
    assert_refused(lambda: unpack_download(blob, RECEIVED))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
NAMES = st.permutations(list(INT8)) | st.lists(st.sampled_from([*INT8, "w", ""]), max_size=3)


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"codec": st.sampled_from(CODECS) | JSON, "names": NAMES | JSON},
        optional={"num_examples": st.integers(0, 9) | JSON, "metrics": JSON},
    )
    | JSON
)
def test_any_facts_are_read_or_refused(facts: Any) -> None:
    blob = raw(json.dumps(facts))
    read_or_refuse(lambda blob: unpack_upload(blob, 0, RECEIVED), blob)
    read_or_refuse(lambda blob: unpack_download(blob, RECEIVED), blob)
