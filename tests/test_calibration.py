"""Measuring a machine: what comes out of what was timed, on a tiny model and no time at all."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from federa import calibration
from federa.calibration import MIN_TURNS, STEPS, calibrate, prepare_trainer
from federa.errors import ModelError
from federa.local import batches
from federa.profiles import GIVEN, Profile


class Meter:
    """Draws 3 W while idle and 20 W while training."""

    what = "a meter of the test"

    def __init__(self) -> None:
        self.readings = iter((3.0, 20.0))

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> float:
        return next(self.readings)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small products on the CPU, and no waiting."""
    monkeypatch.setattr(calibration, "SIDES", {"cpu": 64})
    for name in ("IDLE_SECONDS", "SETTLING_SECONDS", "POWER_SECONDS"):
        monkeypatch.setattr(calibration, name, 0.0)
    monkeypatch.setattr(calibration, "default_device", lambda: "cpu")
    monkeypatch.setattr(calibration, "available_bytes", lambda: 5_000_000_000)


def test_a_turn_is_the_counted_work_of_real_batches_over_its_seconds(
    tiny_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = prepare_trainer(tiny_model("bert"), 1)
    clock = iter((10.0, 12.0))
    lengths, cost = trainer.setup.examples.windows.lengths(), trainer.cost
    shapes = [(len(rows), max(lengths[rows])) for rows in batches(trainer.setup, 4, 0)]
    assert len(shapes) == STEPS
    wanted = sum(
        size * length * cost.flops_per_token
        + size * length**2 * cost.flops_per_token_pair
        + size * cost.flops_per_window
        + cost.flops_per_step
        for size, length in shapes
    )
    monkeypatch.setattr(calibration.time, "perf_counter", lambda: next(clock))
    assert trainer.turn(4) == pytest.approx(wanted / 2)


@pytest.mark.usefixtures("small")
def test_medians_of_turns_make_the_device(
    tiny_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = [(100e9, 30e9), (400e9, 60e9), (200e9, 90e9)]  # ratios 0.3, 0.15, 0.45
    monkeypatch.setattr(calibration, "_take_turns", lambda *_: rates)
    monkeypatch.setattr(calibration, "find_meter", lambda _: Meter())
    device = calibrate("mine", tiny_model("bert"), threads=1, seconds=0)
    assert device.name == "mine"
    assert device.peak_flops_per_second == 200e9
    assert device.efficiency == 0.3
    assert (device.idle_watts, device.power_watts) == (3.0, 20.0)
    for part in ("federa profile calibrate", "1 threads", "3 turns", "a meter of the test"):
        assert part in device.source


@pytest.mark.usefixtures("small")
def test_a_whole_calibration_makes_a_profile(
    tiny_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "find_meter", lambda _: None)
    said: list[str] = []
    device = calibrate("mine", tiny_model("bert"), threads=1, seconds=0, note=said.append)
    assert sum(line.startswith("turn ") for line in said) == MIN_TURNS
    assert any("no energy is modelled" in line for line in said)
    assert device.power_watts is None
    assert device.source != GIVEN
    assert 0 < device.efficiency <= 1
    assert device.memory_bytes == 5_000_000_000
    assert device.precision == "fp32"
    profile = Profile.model_validate({"device": device.model_dump(), "network": "lte"})
    assert profile.devices == (device,)


@pytest.mark.usefixtures("small")
def test_power_is_that_of_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No product, and a round before, since a card may tell the mean of its last second."""
    done: list[str] = []

    class Noted(Meter):
        def start(self) -> None:
            done.append("start")

        def stop(self) -> float:
            done.append("stop")
            return super().stop()

    class Trainer:
        setup = SimpleNamespace(plan=SimpleNamespace(threads=1))

        def turn(self, number: int) -> float:
            done.append("round")
            return 5.0

    def product(device: str) -> float:
        done.append("product")
        return 7.0

    monkeypatch.setattr(calibration, "prepare_trainer", lambda *_: Trainer())
    monkeypatch.setattr(calibration, "_product_rate", product)
    monkeypatch.setattr(calibration, "find_meter", lambda _: Noted())
    device = calibrate("mine", seconds=0)
    assert (device.idle_watts, device.power_watts) == (3.0, 20.0)
    turns = ["product", "round"] * MIN_TURNS
    assert done == ["start", "stop", "round", *turns, "round", "start", "round", "stop"]


def test_rounds_go_on_for_as_long_as_power_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []
    now = iter((0.0, 2.0, 4.0, 6.0, 8.0))
    monkeypatch.setattr(calibration.time, "monotonic", lambda: next(now))
    trainer: Any = SimpleNamespace(turn=numbers.append)
    calibration._train_for(trainer, 5.0)
    assert numbers == [0, 1, 2]


@pytest.mark.usefixtures("small")
def test_turns_go_on_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trainer:
        def turn(self, number: int) -> float:
            return 5.0 * number

    now = iter(range(100))
    monkeypatch.setattr(calibration.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(calibration, "_product_rate", lambda _: 7.0)
    trainer: Any = Trainer()
    turns = calibration._take_turns(trainer, "cpu", 6.0, lambda _: None)
    assert turns == [(7.0, 5.0 * number) for number in range(1, len(turns) + 1)]
    assert len(turns) > MIN_TURNS


def test_a_model_whose_cost_cannot_be_counted_is_refused(
    tiny_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federa.preparation._COUNTED", {})
    monkeypatch.setattr("federa.preparation.count_cost", lambda *_: None)
    with pytest.raises(ModelError, match="cannot be counted; take another"):
        prepare_trainer(tiny_model("bert"), 1)
