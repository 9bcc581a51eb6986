"""What the diagnostics of a round of every method say, against dense products in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from scipy.linalg import subspace_angles

from builders import tiny_config
from dense import dense_drift_of, dense_variation
from federa import run
from federa.checkpoint import BEST, LATEST
from federa.diagnostics import QUANTITIES, Diagnosis
from federa.engines.sequential import SequentialSession
from federa.local import LocalSetup, with_data
from federa.measure import RoundRecord, parse_record
from federa.methods import BitFit, Federa, Full, Houlsby, Lora, Pfeiffer
from federa.preparation import prepare
from federa.progress import Silent
from federa.rounds import Watch, run_round
from federa.types import LowRankPair, ServerState, Tensors, Upload

OF_WEIGHTS = ("magnitude", "direction", "drift")
CLOSE = 2e-5
"""Six digits are kept, of what was uploaded in single precision."""
LOW_RANK = [Federa(rank=4, alpha=8), Lora(rank=4, alpha=8)]
QUERIES = [
    f"bert.encoder.layer.{layer}.attention.self.{part}"
    for layer in (0, 1)
    for part in ("query", "value")
]
FUSED = [
    f"model.layers.{layer}.attn.Wqkv_{part}" for layer in (0, 1) for part in ("query", "value")
]
EACH_LAYER = ["layer 0", "layer 1"]


class Round(NamedTuple):
    """A round, from the state before it to what was recorded."""

    setup: LocalSetup
    before: ServerState
    after: ServerState
    uploads: list[Upload]
    record: RoundRecord


def second_round(folder: str, table: Path, method: Any) -> Round:
    """The second of two rounds, so that the state before it is not the start."""
    config = tiny_config(folder, table, method=method, evaluation={"every": 100})
    begun, state, *_ = prepare(config)
    setup = with_data(begun)
    uploads: list[Upload] = []

    class Session(SequentialSession):
        def train(self, round: int, work: Any) -> Iterator[Any]:
            uploads.clear()
            for answer in super().train(round, work):
                assert isinstance(answer, Upload)
                uploads.append(answer)
                yield answer

    session, watch = Session(setup), Watch(Diagnosis.of(setup))
    before, _ = run_round(config, setup, session, state, Silent(), watch)
    after, record = run_round(config, setup, session, before, Silent(), watch)
    return Round(setup, before, after, uploads, record)


@pytest.fixture(scope="module")
def round_of(tiny_model: Callable[[str], str], tiny_table: Path) -> Callable[[str, Any], Round]:
    """Rounds by architecture and method, made once."""
    made: dict[tuple[str, str], Round] = {}

    def make(architecture: str, method: Any) -> Round:
        key = (architecture, method.name)
        if key not in made:
            made[key] = second_round(tiny_model(architecture), tiny_table, method)
        return made[key]

    return make


@pytest.mark.parametrize(
    "method", [*LOW_RANK, BitFit(), Houlsby(), Pfeiffer(), Full()], ids=lambda method: method.name
)
def test_what_a_round_of_each_method_says(
    round_of: Callable[[str, Any], Round], method: Any
) -> None:
    record = round_of("bert", method).record
    found = record.diagnostics
    assert found is not None
    layers, filled = {
        "federa": (QUERIES, QUANTITIES),
        "lora": (QUERIES, QUANTITIES[:-1]),  # B starts at zero, so its columns span nothing
        "full": (QUERIES, OF_WEIGHTS),
        "bitfit": (EACH_LAYER, ("drift",)),
        "houlsby": (EACH_LAYER, ("drift",)),
        "pfeiffer": (EACH_LAYER, ("drift",)),
    }[method.name]
    assert found.keys() == {"layers", *QUANTITIES}
    assert found["layers"] == layers
    for quantity in QUANTITIES:
        values = found[quantity]
        assert len(values) == len(layers)
        if quantity in filled:
            assert all(math.isfinite(value) and value > 0 for value in values), quantity
        else:
            assert values == [None] * len(layers), quantity
    assert all(value < 1 for value in found["drift"])
    assert parse_record(record.to_json()).diagnostics == found


def pretrained(made: Round, part: LowRankPair) -> torch.Tensor:
    model = made.setup.task.build_model(made.setup.source, made.setup.labels, made.setup.seed)
    weight = model.get_parameter(part.base).detach().double()
    return weight[slice(*part.rows)] if part.rows else weight


def shares_of(made: Round) -> list[float]:
    total = sum(upload.num_examples for upload in made.uploads)
    return [upload.num_examples / total for upload in made.uploads]


def angle_of(basis: torch.Tensor, start: torch.Tensor) -> float | None:
    if not start.any():
        return None
    return math.degrees(subspace_angles(basis.double().numpy(), start.double().numpy()).mean())


def of_pair(made: Round, pair: LowRankPair) -> dict[str, float | None]:
    """Every quantity from dense products in float64."""

    def product(params: Tensors) -> torch.Tensor:
        return pair.scaling * params[pair.b].double() @ params[pair.a].double()

    shares, start, params = shares_of(made), made.before.start, made.after.params
    old, new = product(made.before.params), product(params)
    of_clients = [product(upload.params) for upload in made.uploads]
    mean = sum(share * each for share, each in zip(shares, of_clients, strict=True))
    weight = pretrained(made, pair)
    magnitude, direction = dense_variation(weight, weight + new - product(start))
    return {
        "magnitude": magnitude,
        "direction": direction,
        "drift": dense_drift_of([each - old for each in of_clients], shares),
        "averaging_error": float((mean - new).norm() / (mean - product(start)).norm()),
        "row_angle": angle_of(params[pair.a].T, start[pair.a].T),
        "column_angle": angle_of(params[pair.b], start[pair.b]),
    }


@pytest.mark.parametrize("method", LOW_RANK, ids=lambda method: method.name)
@pytest.mark.parametrize("architecture", ["bert", "modernbert"])
def test_low_rank_rounds_equal_the_dense_oracle(
    round_of: Callable[[str, Any], Round], architecture: str, method: Any
) -> None:
    made = round_of(architecture, method)
    found = made.record.diagnostics
    assert found is not None
    assert found["layers"] == {"bert": QUERIES, "modernbert": FUSED}[architecture]
    for place, pair in enumerate(made.before.layout.pairs):
        for quantity, value in of_pair(made, pair).items():
            wanted = value if value is None else pytest.approx(value, rel=CLOSE)
            assert found[quantity][place] == wanted, (pair.a, quantity)


@pytest.mark.parametrize("architecture", ["bert", "modernbert"])
def test_full_rounds_equal_the_dense_oracle_on_the_rows_that_would_be_adapted(
    round_of: Callable[[str, Any], Round], architecture: str
) -> None:
    made = round_of(architecture, Full())
    parts = round_of(architecture, LOW_RANK[1]).before.layout.pairs
    found, shares = made.record.diagnostics, shares_of(made)
    assert found is not None
    assert found["layers"] == {"bert": QUERIES, "modernbert": FUSED}[architecture]
    for place, part in enumerate(parts):
        rows = slice(*part.rows) if part.rows else slice(None)
        old, new = (state.params[part.base][rows].double() for state in (made.before, made.after))
        magnitude, direction = dense_variation(pretrained(made, part), new)
        moves = [upload.params[part.base][rows].double() - old for upload in made.uploads]
        wanted = (magnitude, direction, dense_drift_of(moves, shares))
        assert [found[name][place] for name in OF_WEIGHTS] == pytest.approx(wanted, rel=CLOSE)


def test_the_drift_of_a_layer_is_that_of_all_that_is_trained_in_it(
    round_of: Callable[[str, Any], Round],
) -> None:
    made = round_of("bert", BitFit())
    found, shares = made.record.diagnostics, shares_of(made)
    assert found is not None
    head = set(made.before.layout.head)
    for number, drift in enumerate(found["drift"]):
        names = [
            name
            for name in made.before.layout.shared
            if f".layer.{number}." in name and name not in head
        ]
        assert names
        moves = [
            torch.cat(
                [
                    (upload.params[name] - made.before.params[name]).double().flatten()
                    for name in names
                ]
            )
            for upload in made.uploads
        ]
        assert drift == pytest.approx(dense_drift_of(moves, shares), rel=CLOSE)


@pytest.mark.parametrize("method", ["federa", "full"])
def test_nothing_of_a_run_depends_on_being_looked_at(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, method: str
) -> None:
    folders = []
    for wanted in (True, False):
        config = tiny_config(
            tiny_model("bert"),
            tiny_table,
            method={"name": "federa", "rank": 4} if method == "federa" else method,
            federation={"num_clients": 3, "num_rounds": 2},
            evaluation={"diagnostics": wanted},
        )
        result = run(config, folder=tmp_path / str(wanted))
        assert [record.diagnostics is not None for record in result.records] == [wanted] * 2
        folders.append(result.folder)
    for name in (LATEST, BEST):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
