"""Bytes against real serialisation, records to disk and back, the averaging error by hand."""

from pathlib import Path

import pytest
import torch

from federa.errors import RunError
from federa.measure import (
    Bytes,
    PeakMemory,
    RoundRecord,
    averaging_error,
    averaging_norms,
    best_round,
    count_bytes,
    parse_record,
    read_records,
)
from federa.types import ClientFailure, Download, Layout, LowRankPair, ServerState, Upload
from federa.wire import pack_download

LAYOUT = Layout(
    shared=("b", "a", "head"),
    head=("head",),
    pairs=(LowRankPair("a", "b", "w", 2.0),),
    starts=("b", "a"),
)


def tensors(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"b": (6, 2), "a": (2, 5), "head": (3,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def state(seed: int = 0) -> ServerState:
    return ServerState(round=0, layout=LAYOUT, start=tensors(seed), params=tensors(seed))


def test_bytes_are_those_of_the_serialised_message() -> None:
    message = {"params": tensors(0), "start": {"a": torch.ones(2, 5)}}
    found = count_bytes(message, frozenset({"head"}))
    blob = pack_download(Download(**message), {}, "fp32")
    assert found == Bytes(
        tensor_bytes=4 * (12 + 10 + 3 + 10), head_bytes=12, serialised_bytes=len(blob)
    )
    assert count_bytes({"params": {"a": torch.zeros(2, 5).half()}}, frozenset()).tensor_bytes == 20


def test_the_loss_is_that_of_clients_whose_update_was_used() -> None:
    record, first = RoundRecord(1), state()
    record.sent({client: Download(first.params) for client in (1, 2, 3)}, first)
    answers = [
        Upload(client, tensors(client), number, metrics={"loss": loss})
        for client, number, loss in ((1, 10, 1.0), (2, 30, 2.0), (3, 50, 9.0))
    ]
    record.usable(record.received(answers, LAYOUT))
    record.failures.append(ClientFailure(3, "too late"))
    assert [client.client for client in record.used] == [1, 2]
    assert record.train_loss == 1.75


def test_a_record_counts_each_way_and_survives_the_disk(tmp_path: Path) -> None:
    record = RoundRecord(1, learning_rate=0.1)
    first = state()
    record.sent({4: Download(first.params), 2: Download(first.params)}, first)
    answers = [Upload(4, tensors(1), 10, metrics={"loss": 2.0}), ClientFailure(2, "boom")]
    uploads = record.usable(record.received(answers, LAYOUT))
    assert [upload.client for upload in uploads] == [4]
    assert record.failures == [ClientFailure(2, "boom")]
    assert record.down.tensor_bytes == 2 * record.up.tensor_bytes == 2 * 4 * 25
    assert record.up.head_bytes == 12
    assert record.train_loss == 2.0
    assert [client.client for client in record.clients] == [2, 4]
    assert all(client.first_contact for client in record.clients)
    assert parse_record(record.to_json()) == record
    path = tmp_path / "rounds.jsonl"
    path.write_text(record.to_json() + "\n" + record.to_json()[:30])
    assert read_records(path) == [record], "a line cut off by a power failure is left out"
    path.write_text("{}\n" + record.to_json() + "\n")
    with pytest.raises(RunError, match=r"rounds\.jsonl:1"):
        read_records(path)


def test_later_contacts_are_not_first() -> None:
    record, before = RoundRecord(2), state()
    later = ServerState(
        round=1, layout=LAYOUT, start=before.start, params=tensors(3), contacted=frozenset({4})
    )
    record.sent({4: Download(later.params), 5: Download(later.params, start=before.start)}, later)
    assert [client.first_contact for client in record.clients] == [False, True]
    assert record.clients[1].down.tensor_bytes - record.clients[0].down.tensor_bytes == 4 * 25


def test_averaging_error_equals_the_dense_definition() -> None:
    first = state()
    uploads = [Upload(k, tensors(k), n) for k, n in ((1, 10), (2, 30), (3, 60))]
    shares = [0.1, 0.3, 0.6]
    products = [(u.params["b"] @ u.params["a"]).double() for u in uploads]
    mean = sum(p * m for p, m in zip(shares, products, strict=True))
    mean_b = sum(p * u.params["b"] for p, u in zip(shares, uploads, strict=True))
    mean_a = sum(p * u.params["a"] for p, u in zip(shares, uploads, strict=True))
    start = (first.start["b"] @ first.start["a"]).double()
    wanted = (mean - (mean_b @ mean_a).double()).norm() / (mean - start).norm()
    assert averaging_error(averaging_norms(first, uploads)) == pytest.approx(
        float(wanted), rel=1e-5
    )
    assert averaging_error(averaging_norms(first, uploads[:1])) == pytest.approx(0.0, abs=1e-6)


def test_averaging_error_is_absent_where_nothing_is_low_rank_or_moved() -> None:
    first = state()
    assert averaging_error(averaging_norms(first, [Upload(1, first.params, 5)])) is None
    whole = ServerState(0, Layout(("w",), ()), {"w": torch.ones(2)}, {"w": torch.ones(2)})
    assert averaging_error(averaging_norms(whole, [Upload(1, {"w": torch.zeros(2)}, 5)])) is None


def test_best_round_is_the_earliest_of_the_highest() -> None:
    records = [
        RoundRecord(n, scores={"validation": {"accuracy": s}})
        for n, s in ((1, 0.3), (2, 0.5), (3, 0.5))
    ]
    assert best_round([*records, RoundRecord(4)], "accuracy") == 2
    assert best_round([RoundRecord(1)], "accuracy") is None


def test_peak_memory_is_that_of_its_own_time() -> None:
    before = PeakMemory("cpu").read()
    if before is None:
        pytest.skip("the system does not let a process reset its peak")
    first = PeakMemory("cpu")
    block = torch.ones(50_000_000)  # 200 MB, touched
    peak = first.read()
    del block
    after = PeakMemory("cpu").read()
    assert peak is not None
    assert after is not None
    assert peak - before > 150e6
    assert peak - after > 150e6
