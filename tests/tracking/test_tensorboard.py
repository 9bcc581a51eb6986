"""Event files, read back as TensorBoard reads them."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from federa.tracking import Sink, TensorBoard, TrackedRun
from federa.tracking.interface import recall, remember

pytest.importorskip("tensorboard")

Runs = Callable[..., TrackedRun]


def read(run: TrackedRun) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    return events


@pytest.fixture(autouse=True)
def files_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one second are read in the order of a count in their names, as text: 10 before 9."""
    from tensorboard.summary.writer import event_file_writer

    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(100))


def steps(run: TrackedRun, name: str = "validation/f1") -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(run).Scalars(name)]


def log(sink: Sink, *rounds: int, plus: float = 0.0) -> None:
    for number in rounds:
        sink.round(number, {"validation/f1": number / 4 + plus})


def test_values_are_read_back_by_round(tracked_run: Runs, connections: list[Any]) -> None:
    run, tracker = tracked_run(), TensorBoard()
    tracker.require()
    sink = tracker.open(run)
    assert sink.last_round == 0
    log(sink, 1, 2)
    sink.finish(2, {"final/best/test/f1": 0.75})
    sink.close()
    assert steps(run) == [(1, 0.25), (2, 0.5)]
    assert steps(run, "final/best/test/f1") == [(2, 0.75)]
    assert connections == []


def test_a_round_is_on_disk_as_soon_as_it_is_logged(tracked_run: Runs) -> None:
    run = tracked_run()
    sink = TensorBoard().open(run)
    log(sink, 1)
    assert steps(run) == [(1, 0.25)]
    sink.close()


def test_the_configuration_is_there_as_hyper_parameters(tracked_run: Runs) -> None:
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

    run = tracked_run(seed=3)
    TensorBoard().open(run).close()
    content = read(run).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    told = parse_session_start_info_plugin_data(content).hparams
    assert told["method.name"].string_value == "federa"
    assert told["train.learning_rate"].number_value == 0.01
    assert told["seed"].number_value == 3


def test_a_resumed_run_goes_on_in_the_same_folder(tracked_run: Runs) -> None:
    run = tracked_run()
    first = TensorBoard().open(run)
    log(first, 1, 2)
    first.close()
    second = TensorBoard().open(run)
    assert second.last_round == 2
    log(second, 3)
    second.close()
    assert steps(run) == [(1, 0.25), (2, 0.5), (3, 0.75)]


def test_a_round_that_a_killed_process_left_is_replaced(tracked_run: Runs) -> None:
    run = tracked_run()
    first = TensorBoard().open(run)
    log(first, 1, 2)
    first.close()
    remember(run.folder, "tensorboard", round=1)  # killed after the flush, before this was known
    second = TensorBoard().open(run)
    assert second.last_round == 1
    log(second, 2, 3, plus=10)
    second.close()
    assert steps(run) == [(1, 0.25), (2, 10.5), (3, 10.75)]


def test_final_values_are_written_once_for_each_number_of_rounds(tracked_run: Runs) -> None:
    run = tracked_run()
    for number in (1, 1, 2):
        sink = TensorBoard().open(run)
        if number > sink.last_round:
            log(sink, number)
        sink.finish(number, {"final/best/test/f1": 0.5})
        sink.close()
    assert steps(run, "final/best/test/f1") == [(1, 0.5), (2, 0.5)]


def test_a_folder_that_was_removed_is_written_anew(tracked_run: Runs) -> None:
    run = tracked_run()
    sink = TensorBoard().open(run)
    log(sink, 1)
    sink.close()
    shutil.rmtree(run.folder / "tensorboard")
    assert recall(run.folder, "tensorboard")["round"] == 1
    again = TensorBoard().open(run)
    assert again.last_round == 0
    again.close()
