"""What the tests of the cohort engine ask of a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from conformance.combinations import difference
from federa.local import LocalSetup
from federa.types import ClientFailure, Download, ServerState, Tensors, Upload

ONE, TWO = {"threads": 1}, {"threads": 2}
CLOSE = 1e-5
Answers = dict[int, Upload | ClientFailure]


def everyone(setup: LocalSetup, state: ServerState) -> dict[int, Download]:
    return {client: setup.rule.download(state, client) for client in range(len(setup.clients))}


def trained(session: Any, work: dict[int, Download], round: int = 0) -> Answers:
    answers = list(session.train(round, work))
    assert sorted(answer.client for answer in answers) == sorted(work)
    return {answer.client: answer for answer in answers}


def same_bits(first: Answers, second: Answers) -> bool:
    return all(
        torch.equal(value, second[client].params[name])
        for client, answer in first.items()
        for name, value in answer.params.items()
    )


def require_close(found: Answers, wanted: Answers, start: Tensors) -> None:
    assert found.keys() == wanted.keys()
    for client, one in wanted.items():
        other = found[client]
        assert isinstance(one, Upload), one
        assert isinstance(other, Upload), other
        assert difference(other.params, one.params, start) < CLOSE
        assert other.num_examples == one.num_examples
        assert other.metrics == pytest.approx(one.metrics, rel=1e-5)


def moved(state: ServerState) -> ServerState:
    """The state after rounds in which every tensor moved, by as much as it holds."""
    generator = torch.Generator().manual_seed(11)

    def move(value: torch.Tensor) -> torch.Tensor:
        size = max(0.1, float(value.std())) if value.numel() > 1 else 0.1
        return value + size * torch.randn(value.shape, generator=generator)

    return replace(state, params={name: move(value) for name, value in state.params.items()})
