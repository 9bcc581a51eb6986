"""What the server refuses to average."""

import re
from dataclasses import replace

import pytest
import torch

from federa.admission import admit, well_formed
from federa.rules import FedAvg
from federa.types import ClientFailure, ClientSize, Upload

EXPECTED = {"b": torch.zeros(3, 2), "a": torch.zeros(2, 4)}
SIZES = {1: ClientSize(20, 20), 2: ClientSize(30, 30)}
GOOD = Upload(1, {"b": torch.ones(3, 2), "a": torch.ones(2, 4)}, 20)


def fault(upload: Upload) -> str | None:
    return FedAvg().fault(upload.extra, 5, 0.1)


def only(upload: Upload) -> Upload | ClientFailure:
    (answer,) = admit([upload], EXPECTED, SIZES, fault)
    return answer


def with_params(**params: torch.Tensor) -> Upload:
    return replace(GOOD, params={**GOOD.params, **params})


def test_a_sound_upload_passes_as_it_is() -> None:
    assert only(GOOD) is GOOD


@pytest.mark.parametrize(
    ("upload", "reason"),
    [
        (with_params(b=torch.full((3, 2), float("nan"))), "b holds NaN"),
        (with_params(b=torch.full((3, 2), float("inf"))), "b holds NaN or infinite"),
        (with_params(b=torch.ones(1, 2)), r"b has shape \(1, 2\), expected \(3, 2\)"),
        (with_params(b=torch.ones(3, 2).double()), "b is torch.float64"),
        (with_params(c=torch.ones(1)), "unknown c"),
        (replace(GOOD, params={"b": GOOD.params["b"]}), "lacks a"),
        (replace(GOOD, num_examples=10**12), "claims 1000000000000 examples, holds 20"),
        (replace(GOOD, num_examples=0), "claims 0"),
        (replace(GOOD, num_examples=-5), "claims -5"),
        (replace(GOOD, num_examples=float("nan")), "claims nan"),
        (replace(GOOD, num_examples=20.0), "claims 20.0 examples, holds 20"),
        (replace(GOOD, num_examples=True), "claims True"),
        (replace(GOOD, num_examples="20"), "claims '20'"),
        (replace(GOOD, num_examples=None), "claims None"),
        (replace(GOOD, num_examples=2**70), "claims 1180591620717411303424"),
        (replace(GOOD, extra={"control": torch.ones(1)}), "has an unknown control"),
        (replace(GOOD, client=9), "not asked"),
        (replace(GOOD, extra={"control": torch.tensor([float("nan")])}), "control holds NaN"),
    ],
)
def test_an_unsound_upload_becomes_a_failure(upload: Upload, reason: str) -> None:
    answer = only(upload)
    assert isinstance(answer, ClientFailure)
    assert answer.client == upload.client
    assert re.search(reason, answer.reason), answer.reason
    assert "\n" not in answer.reason


def test_a_second_answer_is_refused_and_failures_pass_through() -> None:
    failure = ClientFailure(2, "RuntimeError: boom")
    answers = list(admit([GOOD, failure, GOOD], EXPECTED, SIZES, fault))
    assert answers[:2] == [GOOD, failure]
    assert answers[2] == ClientFailure(1, "answered a second time in this round")


@pytest.mark.parametrize(
    ("upload", "reason"),
    [
        (with_params(b=torch.ones(3, 2).to_sparse()), "b is not a dense tensor"),
        (with_params(b=[1.0, 2.0]), "b is not a dense tensor"),
        (with_params(b=None), "b is not a dense tensor"),
        (replace(GOOD, extra={"c": "text"}), "c is not a dense tensor"),
        (replace(GOOD, metrics={"loss": "x"}), "its loss is not a finite number"),
        (replace(GOOD, metrics={"loss": float("nan")}), "its loss is not a finite number"),
        (replace(GOOD, metrics={"loss": None}), "its loss is not a finite number"),
    ],
)
def test_what_cannot_even_be_counted_becomes_a_failure(upload: Upload, reason: str) -> None:
    assert list(well_formed([upload, GOOD])) == [ClientFailure(1, reason), GOOD]


def test_metrics_and_failures_pass() -> None:
    upload = replace(GOOD, metrics={"loss": 0.5, "num_steps": 3})
    failure = ClientFailure(2, "boom")
    assert list(well_formed([upload, failure])) == [upload, failure]
