"""What trackers share: names, missing packages, memory."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from federa.errors import ConfigError, RunError
from federa.registry import canonical, names
from federa.tracking import TRACKERS, MLflow, TensorBoard, Tracker, WeightsAndBiases
from federa.tracking.interface import MEMORY, recall, remember, require_packages


def test_trackers_are_found_by_name_and_alias() -> None:
    assert names(TRACKERS) == ["tensorboard", "mlflow", "wandb"]
    assert canonical("tracking", "Weights-and-Biases", TRACKERS) == "wandb"
    with pytest.raises(ConfigError, match=r"tracking: unknown name 'tensorbord'; did you mean"):
        canonical("tracking", "tensorbord", TRACKERS)


@pytest.mark.parametrize("record", TRACKERS)
def test_records_are_frozen_and_refuse_unknown_keys(record: type[TensorBoard]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        record.model_validate({"colour": "red"})
    with pytest.raises(ValidationError, match="frozen"):
        record().name = "other"  # type: ignore[misc, assignment]


def test_nothing_is_sent_anywhere_unless_asked_for() -> None:
    assert MLflow().uri is None
    assert WeightsAndBiases().mode == "offline"


@pytest.mark.parametrize(
    ("tracker", "missing"),
    [
        (TensorBoard(), "tensorboard"),
        (MLflow(), "mlflow"),
        (MLflow(), "sqlalchemy"),
        (MLflow(uri="sqlite:///all.db"), "alembic"),
        (WeightsAndBiases(), "wandb"),
    ],
)
def test_a_missing_package_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tracker: Tracker, missing: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else 1)
    with pytest.raises(ConfigError) as caught:
        tracker.require()
    assert str(caught.value) == (
        f"tracking: {tracker.name} needs the package {missing}; pip install 'federa[tracking]'"
    )


def test_a_server_needs_no_database_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: 1 if name == "mlflow" else None)
    MLflow(uri="http://server:5000").require()


def test_packages_that_are_there_are_no_error() -> None:
    require_packages("tensorboard", "torch", "json")


def test_memory_is_kept_apart_for_each_tracker(tmp_path: Path) -> None:
    assert recall(tmp_path, "mlflow") == {}
    remember(tmp_path, "mlflow", run_id="a", finished=0)
    remember(tmp_path, "wandb", run_id="b")
    remember(tmp_path, "mlflow", finished=3)
    assert recall(tmp_path, "mlflow") == {"run_id": "a", "finished": 3}
    assert recall(tmp_path, "wandb") == {"run_id": "b"}


@pytest.mark.parametrize("content", ["{", "[1]", '{"mlflow": 3}'])
def test_damaged_memory_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / MEMORY).write_text(content)
    with pytest.raises(RunError, match=r"tracking\.json: damaged"):
        recall(tmp_path, "mlflow")
