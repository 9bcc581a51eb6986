"""What trackers are sent in the course of a run, and what happens when one fails."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from builders import tiny_config
from federa import run
from federa.config import RunConfig
from federa.measure import Bytes, ClientRecord, RoundRecord
from federa.progress import Silent
from federa.tracked import Tracked
from federa.tracking import TensorBoard, TrackedRun


class Notes(Silent):
    """A display that keeps its notes, and forwards nothing."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Memory:
    """A tracker and its sink: what it was sent, by round; it fails where ``fails`` says so."""

    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "for tests"

    name: str = "memory"
    last_round: int = 0
    fails: str = ""
    rounds: list[tuple[int, float, float]] = field(default_factory=list)
    run: TrackedRun | None = None
    final: Mapping[str, float] | None = None
    closed: int = 0

    def _reach(self, what: str) -> None:
        if self.fails == what:
            raise OSError(28, "No space left on device")

    def require(self) -> None:
        pass

    def open(self, run: TrackedRun) -> "Memory":
        self._reach("open")
        self.run = run
        return self

    def round(self, number: int, values: Mapping[str, float]) -> None:
        self._reach(f"round {number}")
        self.rounds.append(
            (number, values["traffic/total_down_bytes"], values["traffic/total_up_bytes"])
        )

    def finish(self, number: int, values: Mapping[str, float]) -> None:
        self._reach("finish")
        self.final = values

    def close(self) -> None:
        self.closed += 1
        self._reach("close")


@dataclass
class Facts:
    """As much of a run's facts as trackers are told of."""

    source: str = "/models/base"
    labels: tuple[str, ...] = ("a", "b")
    num_clients: int = 3


def record(number: int) -> RoundRecord:
    """A round that sends 100 bytes times its number, and receives 10 times its number."""
    traffic = (Bytes(0, 0, 100 * number), Bytes(0, 0, 10 * number))
    return RoundRecord(number, [ClientRecord(0, False, *traffic)])


def save(folder: Path, *rounds: int) -> None:
    text = "".join(record(number).to_json() + "\n" for number in rounds)
    (folder / "rounds.jsonl").write_text(text)


@pytest.fixture
def config() -> RunConfig:
    return RunConfig.parse({"name": "edge", "data": "servicedesk"})


def test_rounds_are_sent_in_order_with_the_traffic_so_far(
    config: RunConfig, tmp_path: Path
) -> None:
    tracker = Memory()
    with Tracked(Silent(), [tracker]) as tracked:
        tracked.started(config, Facts(), tmp_path, 0)  # type: ignore[arg-type]
        for number in (1, 2, 3):
            tracked.finished_round(record(number), None)
    assert tracker.rounds == [(1, 100, 10), (2, 300, 30), (3, 600, 60)]
    assert tracker.closed == 1


@pytest.mark.parametrize(("last", "missing"), [(0, [1, 2]), (1, [2]), (2, []), (5, [])], ids=str)
def test_a_resumed_run_sends_what_a_sink_lacks_and_nothing_twice(
    config: RunConfig, tmp_path: Path, last: int, missing: list[int]
) -> None:
    save(tmp_path, 1, 2, 3)  # the third was written, but not finished
    tracker = Memory(last_round=last)
    with Tracked(Silent(), [tracker]) as tracked:
        tracked.started(config, Facts(), tmp_path, 2)  # type: ignore[arg-type]
        assert [number for number, *_ in tracker.rounds] == missing
        tracked.finished_round(record(3), None)
    assert [number for number, *_ in tracker.rounds] == missing + ([3] if last < 3 else [])
    if last < 3:
        assert tracker.rounds[-1] == (3, 600, 60), "earlier rounds count wherever they were sent"


def test_of_a_search_only_the_chosen_rounds_are_sent(config: RunConfig, tmp_path: Path) -> None:
    tracker = Memory()
    with Tracked(Silent(), [tracker]) as tracked:
        tracked.started(config, Facts(), tmp_path, 0)  # type: ignore[arg-type]
        for number, rate in enumerate((0.1, 0.2), start=1):
            tracked.searching(rate, number, 2, 2)
            tracked.finished_round(record(1), None)
            tracked.finished_round(record(2), None)
        assert tracker.rounds == []
        save(tmp_path, 1, 2)
        tracked.chose(0.2, 2)
        tracked.finished_round(record(3), None)
    assert tracker.rounds == [(1, 100, 10), (2, 300, 30), (3, 600, 60)]


def test_a_choice_that_is_repeated_on_resuming_sends_nothing_twice(
    config: RunConfig, tmp_path: Path
) -> None:
    save(tmp_path, 1, 2)
    tracker = Memory(last_round=1)
    with Tracked(Silent(), [tracker]) as tracked:
        tracked.started(config, Facts(), tmp_path, 2)  # type: ignore[arg-type]
        tracked.chose(0.2, 2)
        tracked.finished_round(record(3), None)
    assert tracker.rounds == [(2, 300, 30), (3, 600, 60)]


@pytest.mark.parametrize(
    ("fails", "received", "closed"),
    [("open", [], 0), ("round 2", [1], 1), ("finish", [1, 2, 3], 1), ("close", [1, 2, 3], 1)],
)
def test_a_tracker_that_fails_is_one_note_and_the_others_go_on(
    config: RunConfig, tmp_path: Path, fails: str, received: list[int], closed: int
) -> None:
    display, bad, good = Notes(), Memory("bad", fails=fails), Memory("good")
    with Tracked(display, [bad, good]) as tracked:
        tracked.started(config, Facts(), tmp_path, 0)  # type: ignore[arg-type]
        for number in (1, 2, 3):
            tracked.finished_round(record(number), None)
        tracked.finish({"num_rounds": 3, "baseline": {"test": 0.5}})
    assert display.notes == [
        "tracking: bad failed (OSError: [Errno 28] No space left on device); the run goes on "
        "without it, and resuming sends what is missing"
    ]
    assert [number for number, *_ in bad.rounds] == received
    assert bad.closed == closed
    assert [number for number, *_ in good.rounds] == [1, 2, 3]
    assert good.final == {"final/baseline/test": 0.5}
    assert good.closed == 1


def test_sinks_are_closed_when_a_run_ends_early(config: RunConfig, tmp_path: Path) -> None:
    tracker = Memory()

    def interrupted() -> None:
        with Tracked(Silent(), [tracker]) as tracked:
            tracked.started(config, Facts(), tmp_path, 0)  # type: ignore[arg-type]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert tracker.closed == 1
    assert tracker.final is None


def test_a_tracker_is_told_the_configuration_and_no_paths_of_models_or_labels(
    config: RunConfig, tmp_path: Path
) -> None:
    tracker = Memory()
    with Tracked(Silent(), [tracker]) as tracked:
        tracked.started(config, Facts(), tmp_path, 0)  # type: ignore[arg-type]
    assert tracker.run is not None
    told = tracker.run.parameters
    assert (tracker.run.group, tracker.run.folder) == ("edge", tmp_path)
    assert tracker.run.main_score == "validation/accuracy"
    assert told["method.name"] == "federa"
    assert told["federation.num_rounds"] == 10
    assert told["federation.clients_per_round"] == "null"
    assert told["evaluation.splits"] == '["validation"]'
    assert told["facts.num_clients"] == 3
    assert not {"facts.source", "facts.labels", "tracking"} & told.keys()


def test_everything_is_passed_on_to_the_display(config: RunConfig, tmp_path: Path) -> None:
    heard: list[Any] = []

    class Display(Silent):
        def started(self, config: Any, facts: Any, folder: Path, done: int) -> None:
            heard.append(("started", folder, done))

        def clients(self, arrivals: Any, round: int, total: int) -> Any:
            heard.append(("clients", round, total))
            return [f"{arrival}!" for arrival in arrivals]

        def finished_round(self, record: RoundRecord, score: float | None) -> None:
            heard.append(("finished_round", record.round, score))

        def searching(self, rate: float, number: int, total: int, num_rounds: int) -> None:
            heard.append(("searching", rate, number, total, num_rounds))

        def chose(self, rate: float, done: int) -> None:
            heard.append(("chose", rate, done))

        def note(self, text: str) -> None:
            heard.append(("note", text))

    with Tracked(Display(), []) as tracked:
        tracked.started(config, Facts(), tmp_path, 0)  # type: ignore[arg-type]
        tracked.searching(0.1, 1, 2, 5)
        tracked.chose(0.1, 0)
        assert list(tracked.clients(["a"], 1, 4)) == ["a!"]
        tracked.finished_round(record(1), 0.5)
        tracked.note("so")
    assert heard == [
        ("started", tmp_path, 0),
        ("searching", 0.1, 1, 2, 5),
        ("chose", 0.1, 0),
        ("clients", 1, 4),
        ("finished_round", 1, 0.5),
        ("note", "so"),
    ]


def test_a_real_run_is_tracked_and_resumed(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = tiny_config(tiny_model("bert"), tiny_table)
    with Tracked(Silent(), [TensorBoard()]) as tracked:
        first = run(config, folder=tmp_path, progress=tracked)
    more = tiny_config(
        tiny_model("bert"),
        tiny_table,
        federation={"num_clients": 6, "clients_per_round": 3, "num_rounds": 5},
    )
    with Tracked(Silent(), [TensorBoard()]) as tracked:
        tracked.finish(run(more, resume=first.folder, progress=tracked).summary)
    lines = (first.folder / "rounds.jsonl").read_text().splitlines()
    saved = [json.loads(line) for line in lines]
    events = accumulators.EventAccumulator(str(first.folder / "tensorboard"))
    events.Reload()
    total = 0
    for position, content in enumerate(saved):
        total += content["up"]["serialised_bytes"]
        for name, expected in (
            ("validation/accuracy", content["scores"]["validation"]["accuracy"]),
            ("train/loss", content["train_loss"]),
            ("traffic/total_up_bytes", total),
        ):
            event = events.Scalars(name)[position]
            assert event.step == content["round"]
            assert event.value == pytest.approx(expected, rel=1e-6)  # float32
    assert len(events.Scalars("train/loss")) == len(saved) == 5
    (final,) = events.Scalars("final/latest/round")
    assert (final.step, final.value) == (5, 5)
