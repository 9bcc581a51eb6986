"""Profiles of fleets: how they are written, who has what, who is slow or gone, what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from federa.errors import ConfigError
from federa.profiles import (
    GIVEN,
    Device,
    Fate,
    JetsonAgxOrin,
    Lte,
    Network,
    Phone,
    Profile,
    RoundSeconds,
    Wifi50,
)
from federa.yaml_text import dump_yaml, parse_yaml

OWN = {"name": "mine", "peak_flops_per_second": 1e12, "efficiency": 0.5, "memory_bytes": 1e9}
LINK = {
    "name": "radio",
    "down_bits_per_second": 1e6,
    "up_bits_per_second": 1e5,
    "round_trip_seconds": 1.0,
}


def read(text: str) -> Profile:
    """A profile as it stands in a configuration."""
    return Profile.model_validate(parse_yaml("test", text))


def figures(record: BaseModel) -> dict[str, Any]:
    return record.model_dump()


def test_a_name_stands_for_its_preset() -> None:
    profile = read("{device: jetson-agx-orin, network: wifi-50}")
    for client in (0, 7):
        device, network = profile.client(1, client)
        assert figures(device) == figures(JetsonAgxOrin())
        assert figures(network) == figures(Wifi50())
    assert profile.fate(1, 1, 0) == Fate(dropped=False, slowdown=1.0)


def test_a_presets_figure_may_be_changed() -> None:
    profile = read("{device: {name: Phone, efficiency: 0.1}, network: {name: 4g, overhead: 0}}")
    (device,), (network,) = profile.devices, profile.networks
    wanted = figures(Phone()) | {"efficiency": 0.1, "source": GIVEN, "assumed": ""}
    assert figures(device) == wanted
    assert figures(network) == figures(Lte()) | {"overhead": 0, "source": GIVEN}


def test_own_figures_and_files_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "my-machine.yaml"
    file.write_text(dump_yaml(OWN), encoding="utf-8")
    for device in (OWN, str(file), Device.model_validate(OWN)):
        profile = Profile.model_validate({"device": device, "network": LINK})
        assert profile.devices == (Device.model_validate(OWN),)
        assert profile.networks == (Network.model_validate(LINK),)
    mixed = Profile.model_validate({"fleet": {str(file): 1, "phone": 3}, "network": "lte"})
    assert [device.name for device in mixed.devices] == ["mine", "phone"]


@pytest.mark.parametrize(
    "text",
    [
        "{device: jetson_agx_orin, network: wifi_50}",
        "{fleet: {jetson_agx_orin: 0.5, raspberry_pi_5: 0.5}, network: {wifi_50: 0.8, lte: 0.2}}",
        "{device: phone, network: lte, dropout: 0.05, straggler_fraction: 0.1, "
        "straggler_slowdown: 4, deadline_seconds: 600}",
        "{device: {name: laptop, efficiency: 0.4}, network: 5g}",
    ],
)
def test_what_a_run_folder_keeps_reads_back_the_same(text: str) -> None:
    profile = read(text)
    kept = dump_yaml(profile.model_dump(mode="json"))
    assert read(kept) == profile


def test_a_run_folder_keeps_figures_and_needs_no_file(tmp_path: Path) -> None:
    file = tmp_path / "my-machine.yaml"
    file.write_text(dump_yaml(OWN), encoding="utf-8")
    profile = Profile.model_validate({"device": str(file), "network": "lte"})
    kept = json.dumps(profile.model_dump(mode="json"))
    file.unlink()
    assert Profile.model_validate(json.loads(kept)) == profile


def test_a_fleet_is_dealt_out_by_its_weights() -> None:
    profile = read(
        "{fleet: {jetson_agx_orin: 3, raspberry_pi_5: 1}, network: {wifi_50: 1, lte: 1}}"
    )
    drawn = [profile.client(5, client) for client in range(2000)]
    devices = Counter(device.name for device, _ in drawn)
    assert devices["raspberry_pi_5"] / 2000 == pytest.approx(0.25, abs=0.04)
    both = Counter((device.name, network.name) for device, network in drawn)
    assert both["jetson_agx_orin", "lte"] / 2000 == pytest.approx(0.375, abs=0.05)
    assert drawn == [profile.client(5, client) for client in range(2000)]
    assert drawn != [profile.client(6, client) for client in range(2000)]


def test_clients_drop_out_and_straggle_as_often_as_said() -> None:
    profile = read(
        "{device: phone, network: lte, dropout: 0.2, straggler_fraction: 0.1, "
        "straggler_slowdown: 4}"
    )
    fates = [profile.fate(3, round, client) for round in range(50) for client in range(40)]
    assert sum(fate.dropped for fate in fates) / 2000 == pytest.approx(0.2, abs=0.03)
    assert sum(fate.slowdown == 4 for fate in fates) / 2000 == pytest.approx(0.1, abs=0.03)
    assert {fate.slowdown for fate in fates} == {1.0, 4.0}
    assert fates[0] == profile.fate(3, 0, 0)
    assert [profile.fate(4, 0, client) for client in range(40)] != fates[:40]


def test_who_straggles_does_not_depend_on_who_drops_out() -> None:
    slow = {"device": "phone", "network": "lte", "straggler_fraction": 0.5, "straggler_slowdown": 2}
    few, many = (Profile.model_validate({**slow, "dropout": part}) for part in (0.1, 0.6))
    for client in range(50):
        one, other = few.fate(1, 1, client), many.fate(1, 1, client)
        assert one.slowdown == other.slowdown
        assert other.dropped or not one.dropped


def test_a_deadline_is_kept_up_to_its_second() -> None:
    profile = read("{device: phone, network: lte, deadline_seconds: 10}")
    assert profile.in_time(RoundSeconds(download=2, compute=5, upload=3))
    assert not profile.in_time(RoundSeconds(download=2, compute=5, upload=3.1))
    assert read("{device: phone, network: lte}").in_time(RoundSeconds(compute=1e9))


BASE = {"device": "phone", "network": "lte"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({**BASE, "device": "fone"}, "profile.device: unknown name 'fone'; did you mean 'phone'?"),
        ({**BASE, "network": "wlan"}, "profile.network: unknown name 'wlan'; "),
        ({"device": "phone"}, "profile.network: missing"),
        ({"network": "lte"}, "profile: needs a device, or a fleet of several, and not both"),
        ({**BASE, "fleet": {"laptop": 1}}, "profile: needs a device, or a fleet"),
        ({**BASE, "devcie": 1}, "profile.devcie: unknown key; did you mean 'device'?"),
        (
            {**BASE, "device": {**OWN, "efficiency": 2}},
            "profile.device.efficiency: must be less than or equal to 1, not 2",
        ),
        (
            {**BASE, "device": {**OWN, "watts": 2}},
            "profile.device.watts: unknown key; did you mean",
        ),
        (
            {**BASE, "device": {"name": "mine", "efficiency": 0.2}},
            "profile.device.peak_flops_per_second: missing",
        ),
        ({**BASE, "device": 3}, "profile.device: must be a mapping of keys, not 3"),
        ({**BASE, "device": "no-such.yaml"}, "no-such.yaml: cannot read"),
        ({**BASE, "network": {}}, "profile.network: must have at least 1 item, not []"),
        ({**BASE, "network": {"lte": 0}}, "profile.network.0.weight: must be greater than 0"),
        (
            {"fleet": {"phone": 0.5, "laptop": "half"}, "network": "lte"},
            "profile.fleet.1.weight: must be a valid number, not 'half'",
        ),
        ({**BASE, "dropout": 1}, "profile.dropout: must be less than 1, not 1"),
        ({**BASE, "deadline_seconds": 0}, "profile.deadline_seconds: must be greater than 0"),
        ({**BASE, "straggler_fraction": 0.1}, "profile.straggler_fraction: stragglers need"),
        ({**BASE, "straggler_slowdown": 2}, "profile.straggler_fraction: stragglers need"),
        ([], "profile: must be a mapping of keys, not []"),
    ],
    ids=str,
)
def test_mistakes_are_told_in_one_line(given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Profile.model_validate(given)
    assert str(caught.value).startswith(message)


def test_the_schema_allows_what_may_be_written() -> None:
    schema = Profile.model_json_schema()
    kinds = {
        key: {option.get("type", "record") for option in schema["properties"][key]["anyOf"]}
        for key in ("device", "fleet", "network")
    }
    assert kinds["device"] == {"string", "record", "null"}
    assert kinds["fleet"] == {"object", "array"}
    assert kinds["network"] == {"string", "record", "object", "array"}
