"""The records of a server and of a site: defaults, paths, and one line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from federa.datasets import Files, ServiceDesk
from federa.deploy.records import Federation, Limits, SiteConfig
from federa.errors import ConfigError

FEDERATION: dict[str, Any] = {"addresses": ["fl.example.org"], "sites": ["a", "b"]}
SITE: dict[str, Any] = {
    "site": "a",
    "server": "fl.example.org:8443",
    "data": {"name": "files", "train": "notes.csv"},
}


def federation_folder(folder: Path, **changes: Any) -> Path:
    (folder / "federation.yaml").write_text(yaml.safe_dump(FEDERATION | changes))
    return folder


def site_folder(folder: Path, **changes: Any) -> Path:
    (folder / "site.yaml").write_text(yaml.safe_dump(SITE | changes))
    return folder


def test_federation_defaults(tmp_path: Path) -> None:
    found = Federation.load(federation_folder(tmp_path))
    assert (found.name, found.port, found.sites) == ("federation", 8443, ["a", "b"])
    assert found.internal_port != found.port
    assert found.server == "fl.example.org:8443"


def test_federation_written_and_read_again() -> None:
    found = Federation.parse(FEDERATION | {"sites": ["no", "1e5", "07"]})
    assert Federation.parse(yaml.safe_load(found.to_yaml())) == found


@pytest.mark.parametrize(
    ("given", "spelt", "server"),
    [
        ("FL.Example.ORG", "fl.example.org", "fl.example.org:8443"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.7:8443"),
        ("2001:DB8:0:0::1", "2001:db8::1", "[2001:db8::1]:8443"),
        ("localhost", "localhost", "localhost:8443"),
    ],
)
def test_an_address_has_one_spelling(given: str, spelt: str, server: str) -> None:
    found = Federation.parse(FEDERATION | {"addresses": [given]})
    assert found.addresses == [spelt]
    assert found.server == server
    assert SiteConfig.parse(SITE | {"server": server}).server == server


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"sites": []}, ["sites", "at least 1"]),
        ({"sites": ["a", "a"]}, ["sites", "must not name anything twice"]),
        ({"sites": ["A"]}, ["sites", "'A'", "small letters"]),
        ({"sites": ["-a"]}, ["sites", "'-a'", "no hyphen"]),
        ({"sites": ["a" * 64]}, ["sites", "1 to 63"]),
        ({"sites": ["a/../b"]}, ["sites", "'a/../b'"]),
        ({"sites": [1]}, ["sites", "string", "1"]),
        ({"sites": ["a\n"]}, ["sites", "small letters"]),
        ({"addresses": []}, ["addresses", "at least 1"]),
        ({"addresses": ["https://fl.example.org"]}, ["addresses", "without scheme or port"]),
        ({"addresses": ["fl.example.org:8443"]}, ["addresses", "without scheme or port"]),
        ({"addresses": ["256.1.1.1"]}, ["addresses", "'256.1.1.1'"]),
        ({"addresses": ["0.0.0.0"]}, ["addresses", "that sites can reach"]),
        ({"addresses": ["fe80::1%eth0"]}, ["addresses", "that sites can reach"]),
        ({"addresses": ["münchen.example"]}, ["addresses", "host name"]),
        ({"addresses": ["\u212aiosk.example"]}, ["addresses", "host name"]),  # lower() makes a k
        ({"addresses": ["a.b", "A.b"]}, ["addresses", "must not name anything twice"]),
        ({"addresses": "fl.example.org"}, ["addresses", "list"]),
        ({"port": 0}, ["port", "greater than or equal to 1", "0"]),
        ({"port": "8443"}, ["port", "integer", "'8443'"]),
        ({"port": 18443}, ["internal_port", "18443"]),
        ({"name": "a b"}, ["name", "'a b'"]),
        ({"prot": 1}, ["prot", "unknown key", "port"]),
    ],
)
def test_a_wrong_federation_is_one_line(
    tmp_path: Path, changes: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        Federation.load(federation_folder(tmp_path, **changes))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'federation.yaml'}: ")
    assert all(part in message for part in parts), message
    assert len(message.splitlines()) == 1


def test_a_federation_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"federation\.yaml: cannot read"):
        Federation.load(tmp_path)


def test_site_defaults(tmp_path: Path) -> None:
    found = SiteConfig.load(site_folder(tmp_path))
    assert (found.model, found.device, found.threads, found.warm) == (None, "auto", "auto", True)
    assert found.limits == Limits()
    assert found.limits.tasks == [
        "text_classification",
        "token_classification",
        "question_answering",
    ]
    assert found.limits.evaluation_fraction == 0.2
    assert found.limits.min_evaluation_examples == 20


def test_relative_paths_start_from_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    data = {"name": "own", "train": "notes.csv", "validation": "/abs/dev.csv", "text": "body"}
    found = SiteConfig.load(site_folder(tmp_path, data=data))
    assert isinstance(found.data, Files)
    assert found.data.train == str(tmp_path / "notes.csv")
    assert found.data.validation == "/abs/dev.csv"
    assert found.data.test is None
    assert found.data.text == "body"


def test_a_relative_site_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    site_folder(tmp_path)
    found = SiteConfig.load(Path())
    assert isinstance(found.data, Files)
    assert found.data.train == str(tmp_path / "notes.csv")


def test_home_is_spelt_out(tmp_path: Path) -> None:
    found = SiteConfig.load(site_folder(tmp_path, data={"name": "files", "train": "~/notes.csv"}))
    assert isinstance(found.data, Files)
    assert found.data.train == str(Path.home() / "notes.csv")


def test_a_pattern_in_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "site[1]"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("text,label\none,x\ntwo,y\n")
    found = SiteConfig.load(site_folder(folder, data={"name": "files", "train": "*.csv"}))
    assert len(found.data.load("text_classification").train["text"]) == 4


def test_folders_of_public_data_and_models(tmp_path: Path) -> None:
    for name in ("news", "copy", "encoder"):
        (tmp_path / name).mkdir()
    data = {"name": "20newsgroups", "folder": "news"}
    found = SiteConfig.load(site_folder(tmp_path, data=data, model="encoder"))
    assert found.data.model_dump()["folder"] == str(tmp_path / "news")
    assert found.model == str(tmp_path / "encoder")
    data = {"name": "20newsgroups", "hub": "copy"}
    found = SiteConfig.load(site_folder(tmp_path, data=data, model="minilm"))
    assert found.data.model_dump()["hub"] == str(tmp_path / "copy")
    assert found.model == "minilm"
    data = {"name": "20newsgroups", "hub": "owner/name"}
    assert (
        SiteConfig.load(site_folder(tmp_path, data=data)).data.model_dump()["hub"] == "owner/name"
    )


@pytest.mark.parametrize("data", ["servicedesk", "demo", {"name": "Builtin"}, ServiceDesk()])
def test_data_by_name_alias_or_record(data: Any) -> None:
    assert SiteConfig.parse(SITE | {"data": data}).data == ServiceDesk()


def test_tasks_by_alias() -> None:
    limits = {"tasks": ["question_answering", "Text-Classification"]}
    found = SiteConfig.parse(SITE | {"limits": limits})
    assert found.limits.tasks == ["question_answering", "text_classification"]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"site": "A"}, ["site", "'A'", "small letters"]),
        ({"server": "fl.example.org"}, ["server", "host:port", "'fl.example.org'"]),
        ({"server": "https://fl.example.org:1"}, ["server", "host:port"]),
        ({"server": "fl.example.org:0"}, ["server", "host:port"]),
        ({"server": "fl.example.org:65536"}, ["server", "host:port"]),
        ({"server": "2001:db8::1:8443"}, ["server", "in brackets"]),
        ({"server": "[fl.example.org]:8443"}, ["server", "in brackets"]),
        ({"server": ":8443"}, ["server", "host name"]),
        ({"data": None}, ["data", "None"]),
        ({"data": {}}, ["data.name", "missing", "files"]),
        ({"data": {"name": 3}}, ["data.name", "3"]),
        ({"data": "sites"}, ["data.name", "'sites'", "files"]),
        ({"data": {"name": "sites", "labels": ["x", "y"]}}, ["data.name", "'sites'"]),
        ({"data": {"name": "filse"}}, ["data.name", "'filse'", "files"]),
        ({"data": {"name": "files"}}, ["data.train", "missing"]),
        ({"data": {"name": "files", "train": "a.csv", "lable": "x"}}, ["data.lable", "label"]),
        ({"data": {"name": "files", "train": "a", "label": "text"}}, ["data.label", "differ"]),
        ({"model": ""}, ["model", "at least 1 character", "''"]),
        ({"device": "tpu"}, ["device", "'tpu'"]),
        ({"threads": 0}, ["threads", "0"]),
        ({"warm": "yes"}, ["warm", "'yes'"]),
        ({"limits": 3}, ["limits", "mapping", "3"]),
        ({"limits": {"tasks": []}}, ["limits.tasks", "at least 1"]),
        ({"limits": {"tasks": ["summaries"]}}, ["limits.tasks", "'summaries'", "question"]),
        ({"limits": {"max_examples": 0}}, ["limits.max_examples", "greater than 0"]),
        ({"limits": {"max_seconds": -1}}, ["limits.max_seconds", "greater than 0", "-1"]),
        ({"limits": {"evaluation_fraction": 0.5}}, ["limits.evaluation_fraction", "0.5"]),
        ({"limits": {"evaluation_fraction": 0}}, ["limits.evaluation_fraction", "0"]),
        ({"limits": {"min_evaluation_examples": 0}}, ["limits.min_evaluation_examples", "0"]),
        ({"limits": {"seconds": 3}}, ["limits.seconds", "unknown key", "max_seconds"]),
        ({"serve": "x"}, ["serve", "unknown key", "server"]),
    ],
)
def test_a_wrong_site_is_one_line(
    tmp_path: Path, changes: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        SiteConfig.load(site_folder(tmp_path, **changes))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'site.yaml'}: ")
    assert all(part in message for part in parts), message
    assert len(message.splitlines()) == 1


def test_a_site_without_data(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("site: a\nserver: b:1\n")
    with pytest.raises(ConfigError, match=r"site\.yaml: data: missing; one of .*files"):
        SiteConfig.load(tmp_path)
