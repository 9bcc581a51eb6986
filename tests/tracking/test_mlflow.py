"""MLflow runs, read back through its own client."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from federa.config import RunConfig
from federa.measure import RoundRecord
from federa.progress import Silent
from federa.tracked import Tracked
from federa.tracking import MLflow, Sink, TrackedRun
from federa.tracking.interface import recall, remember

pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")

# of the relations between MLflow's own tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

Runs = Callable[..., TrackedRun]


@dataclass
class Facts:
    """As much of a run's facts as matters here."""

    num_clients: int = 3


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database for several runs; to make one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'all.db'}"


def client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def run_id(run: TrackedRun) -> str:
    return str(recall(run.folder, "mlflow")["run_id"])


def steps(run: TrackedRun, uri: str, name: str = "validation/f1") -> list[tuple[int, float]]:
    history = client(uri).get_metric_history(run_id(run), name)
    return [(metric.step, metric.value) for metric in history]


def log(sink: Sink, *rounds: int) -> None:
    for number in rounds:
        sink.round(number, {"validation/f1": number / 4})


@pytest.mark.slow
def test_a_run_is_read_back_from_its_own_folder(
    tracked_run: Runs, connections: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    many = {f"data.column_{number}": number for number in range(150)}  # more than one request takes
    run, tracker = tracked_run(**many), MLflow()
    tracker.require()
    sink = tracker.open(run)
    assert sink.last_round == 0
    log(sink, 1, 2)
    sink.finish(2, {"final/best/test/f1": 0.75})
    sink.close()
    here = f"sqlite:///{run.folder / 'mlflow' / 'mlflow.db'}"
    assert steps(run, here) == [(1, 0.25), (2, 0.5)]
    assert steps(run, here, "final/best/test/f1") == [(2, 0.75)]
    found = client(here).get_run(run_id(run))
    assert found.data.params == {
        "method.name": "federa",
        "train.learning_rate": "0.01",
        **{name: str(value) for name, value in many.items()},
    }
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "run"
    assert client(here).get_experiment(found.info.experiment_id).name == "group"
    assert connections == []
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

    elsewhere = MLflow(uri=f"sqlite:///{run.folder / 'other.db'}").open(run)
    assert elsewhere.last_round == 0, "another place knows nothing of this run"
    elsewhere.close()


def test_a_resumed_run_goes_on_in_the_same_mlflow_run(tracked_run: Runs, shared: str) -> None:
    run, tracker = tracked_run(), MLflow(uri=shared)
    first = tracker.open(run)
    log(first, 1, 2)
    first.close()
    begun = run_id(run)
    assert client(shared).get_run(begun).info.status == "FAILED"
    second = tracker.open(run)
    assert second.last_round == 2
    assert client(shared).get_run(begun).info.status == "RUNNING"
    log(second, 3)
    for _ in range(2):  # a finished run may be resumed as well
        second.finish(3, {"final/best/test/f1": 0.5})
    second.close()
    assert run_id(run) == begun
    assert steps(run, shared) == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert steps(run, shared, "final/best/test/f1") == [(3, 0.5)]
    assert client(shared).get_run(begun).info.status == "FINISHED"


def test_runs_of_one_experiment_stand_side_by_side(tracked_run: Runs, shared: str) -> None:
    for name in ("one", "two"):
        sink = MLflow(uri=shared, experiment="methods").open(tracked_run(name))
        log(sink, 1)
        sink.finish(1, {})
        sink.close()
    experiment = client(shared).get_experiment_by_name("methods")
    found = client(shared).search_runs([experiment.experiment_id])
    assert {each.info.run_name for each in found} == {"one", "two"}


@pytest.mark.parametrize("how", ["deleted", "gone"])
def test_a_run_that_was_removed_is_begun_anew(tracked_run: Runs, shared: str, how: str) -> None:
    run, tracker = tracked_run(), MLflow(uri=shared)
    sink = tracker.open(run)
    log(sink, 1)
    sink.finish(1, {"final/best/test/f1": 0.5})
    sink.close()
    removed = run_id(run)
    if how == "deleted":
        client(shared).delete_run(removed)
    else:
        remember(run.folder, "mlflow", run_id="0" * 32)
    again = tracker.open(run)
    assert again.last_round == 0
    log(again, 1)
    again.finish(1, {"final/best/test/f1": 0.5})
    again.close()
    assert run_id(run) not in (removed, "0" * 32)
    assert steps(run, shared) == [(1, 0.25)]
    assert steps(run, shared, "final/best/test/f1") == [(1, 0.5)]


def test_more_values_than_one_request_takes_are_all_there(tracked_run: Runs, shared: str) -> None:
    run, tracker = tracked_run(), MLflow(uri=shared)
    sink = tracker.open(run)
    sink.round(1, {f"validation/score_{number}": number for number in range(1200)})
    sink.close()
    assert steps(run, shared, "validation/score_0") == [(1, 0)]
    assert steps(run, shared, "validation/score_1199") == [(1, 1199)]
    again = tracker.open(run)
    assert again.last_round == 1
    again.close()


def test_a_server_that_is_away_is_a_note(
    monkeypatch: pytest.MonkeyPatch, tracked_run: Runs, connections: list[Any]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    notes: list[str] = []

    class Display(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    run = tracked_run()
    config = RunConfig.parse({"data": "servicedesk"})
    with Tracked(Display(), [MLflow(uri="http://127.0.0.1:5000")]) as tracked:
        tracked.started(config, Facts(), run.folder, 0)  # type: ignore[arg-type]
        tracked.finished_round(RoundRecord(1), None)
    (note,) = notes
    assert note.startswith("tracking: mlflow failed (MlflowException: ")
    assert note.endswith("the run goes on without it, and resuming sends what is missing")
    assert set(connections) == {("127.0.0.1", 5000)}
