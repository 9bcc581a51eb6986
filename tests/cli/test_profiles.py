"""federa profile: lists and records as printed, and the file of a calibration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from federa import calibration
from federa.cli.profiles import app
from federa.errors import ConfigError, RunError
from federa.profiles import DEVICES, NETWORKS, Profile


def call(*arguments: str) -> str:
    """What a command prints; its error is raised."""
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None:
        raise result.exception
    return str(result.stdout)


def test_the_list_names_every_preset_with_its_source() -> None:
    out = call("list")
    for preset in (*DEVICES, *NETWORKS):
        record: Any = preset()
        assert f"  {record.name} (" in out
        assert f"    source: {record.source}\n" in out
        assert getattr(record, "assumed", "") in out
    assert out.index("Devices:") < out.index("a100") < out.index("Networks:") < out.index("lte")


@pytest.mark.parametrize("name", ["jetson-agx-orin", "agx_orin", "wifi-50"])
def test_what_is_shown_can_be_given_as_a_record(name: str, tmp_path: Path) -> None:
    record = yaml.safe_load(call("show", name))
    kind, other = ("network", "device") if name == "wifi-50" else ("device", "network")
    rest = {"device": "phone", "network": "lte"}[other]
    by_name, by_record = (
        Profile.model_validate({kind: given, other: rest}) for given in (name, record)
    )
    assert by_name == by_record


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'jetson-agx-orn'; did you mean 'jetson_agx_orin'"):
        call("show", "jetson-agx-orn")


def test_calibrate_writes_a_file_that_a_profile_takes(
    tiny_model: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "SIDES", {"cpu": 64})
    monkeypatch.setattr(calibration, "default_device", lambda: "cpu")
    file = tmp_path / "bench.yaml"
    options = ("--out", str(file), "--model", tiny_model("bert"), "--threads", "1")
    printed = call("calibrate", *options, "--seconds", "0")
    assert yaml.safe_load(printed) == yaml.safe_load(file.read_text(encoding="utf-8"))
    (device,) = Profile.model_validate({"device": str(file), "network": "lte"}).devices
    assert device.name == "bench"
    with pytest.raises(RunError, match="already exists"):
        call("calibrate", *options)


def test_a_file_that_a_profile_would_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"machine\.txt: must end in \.yaml or \.yml"):
        call("calibrate", "--out", str(tmp_path / "machine.txt"))


@pytest.mark.parametrize("command", [("list",), ("show", "phone")])
def test_presets_are_shown_without_torch(command: tuple[str, ...]) -> None:
    code = (
        "import sys; from federa.cli.profiles import app; "
        f"app({list(command)}, standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL)
    assert done.returncode == 0
