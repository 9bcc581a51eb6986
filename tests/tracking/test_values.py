"""Names and numbers of a round, by hand."""

import pytest

from federa.measure import Bytes, ClientRecord, RoundRecord
from federa.tracking.values import final_values, round_values, tidy
from federa.types import ClientFailure


def test_everything_that_is_a_number_is_there_under_a_flat_name() -> None:
    clients = [
        ClientRecord(0, True, Bytes(80, 0, 100), Bytes(30, 0, 40), 10, {"loss": 1.0}),
        ClientRecord(3, False, Bytes(80, 0, 100), Bytes(30, 0, 50), 30, {"loss": 2.0}),
        ClientRecord(4, False, Bytes(80, 0, 100)),
    ]
    record = RoundRecord(
        2,
        clients,
        [ClientFailure(4, "gone")],
        {"validation": {"f1": 0.5, "num_examples": 12}, "test": {"f1": 0.25}},
        {"train": 1.5, "total": 2.0},
        peak_memory_bytes=1000,
        averaging_error=0.125,
        learning_rate=0.01,
        evaluation_bytes=(7, 8),
    )
    assert round_values(record, 900, 190) == {
        "validation/f1": 0.5,
        "validation/num_examples": 12,
        "test/f1": 0.25,
        "train/loss": pytest.approx(1.75),  # (1 * 10 + 2 * 30) / 40
        "train/learning_rate": 0.01,
        "traffic/down_bytes": 300,
        "traffic/up_bytes": 90,
        "traffic/total_down_bytes": 900,
        "traffic/total_up_bytes": 190,
        "traffic/evaluation_down_bytes": 7,
        "traffic/evaluation_up_bytes": 8,
        "measured_seconds/train": 1.5,
        "measured_seconds/total": 2.0,
        "round/num_clients": 3,
        "round/num_failures": 1,
        "round/averaging_error": 0.125,
        "round/peak_memory_bytes": 1000,
    }


def test_what_is_missing_or_not_finite_is_left_out() -> None:
    record = RoundRecord(1, scores={"validation": {"f1": float("nan"), "loss": None, "em": 1.0}})
    values = round_values(record, 0, 0)
    assert values["validation/em"] == 1.0
    assert not {"validation/f1", "validation/loss", "train/loss"} & values.keys()
    assert not {"round/averaging_error", "round/peak_memory_bytes"} & values.keys()


def test_nested_scores_keep_their_path_and_clients_only_their_spread() -> None:
    clients = {"mean": 0.5, "worst_tenth": 0.25, "scores": {"0": 0.25, "1": 0.75}}
    groups = {"mean": {"f1": 0.5}, "scores": {"News QA: web": {"f1": 0.4}}}
    scores = {"validation": {"groups": groups, "per_client": clients}}
    values = round_values(RoundRecord(1, scores=scores), 0, 0)
    assert {name: values[name] for name in values if name.startswith("validation")} == {
        "validation/groups/mean/f1": 0.5,
        "validation/groups/scores/News_QA_web/f1": 0.4,
        "validation/per_client/mean": 0.5,
        "validation/per_client/worst_tenth": 0.25,
    }


def test_diagnostics_are_averaged_over_the_layers_that_have_them() -> None:
    diagnostics = {
        "layers": ["encoder.0", "encoder.1", "encoder.2"],
        "magnitude": [0.25, 0.75, None],
        "row_angle": [None, None, None],
    }
    values = round_values(RoundRecord(1, diagnostics=diagnostics), 0, 0)
    found = {name: value for name, value in values.items() if name.startswith("diagnostics")}
    assert found == {"diagnostics/magnitude": 0.5}


def test_final_scores_name_their_state() -> None:
    summary = {
        "num_rounds": 3,
        "learning_rate": 0.02,
        "best": {"round": 2, "scores": {"test": {"f1": 0.75}}},
        "latest": {"round": 3, "scores": {"test": {"f1": 0.5}}},
        "baseline": {"test": 0.125},
        "bytes": {"down": {"serialised_bytes": 3}},
    }
    assert final_values(summary) == {
        "final/best/round": 2,
        "final/best/test/f1": 0.75,
        "final/latest/round": 3,
        "final/latest/test/f1": 0.5,
        "final/baseline/test": 0.125,
        "final/learning_rate": 0.02,
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [("creative-work", "creative-work"), ("a/b", "a_b"), ("..", "_"), ("Größe 5%", "Größe_5_")],
)
def test_a_name_holds_nothing_that_a_tracker_refuses(name: str, shown: str) -> None:
    assert tidy(name) == shown
