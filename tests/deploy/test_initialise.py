"""The folder of a new deployment: whole or not there, private, and ready for those who get it."""

from __future__ import annotations

import os
import shutil
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from federa.deploy import initialise as module
from federa.deploy.certificates import write_new
from federa.deploy.initialise import add_site, initialise, write_flower_config
from federa.deploy.records import Federation, SiteConfig
from federa.errors import ConfigError, RunError

pytest.importorskip("cryptography")

SITES = ["hospital-a", "no", "c"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment that no test changes."""
    folder = tmp_path_factory.mktemp("deploy") / "clinics"
    initialise(folder, SITES, ["fl.example.org", "192.0.2.7"], name="clinics")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_there_and_listed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "clinics"
    listed = initialise(folder, SITES, ["fl.example.org"])
    assert listed == sorted(folder / path for path in contents(folder))
    assert os.listdir(folder.parent) == ["clinics"]
    for site in SITES:
        own = {path.name for path in (folder / "sites" / site).iterdir()}
        assert own >= {"site.yaml", "ca.crt", "key", "key.pub", "README.md", "data"}
        assert own >= {"federa-site.service", "compose.yaml", "Dockerfile"}
        public = (folder / "sites" / site / "key.pub").read_bytes()
        assert (folder / "server" / "keys" / f"{site}.pub").read_bytes() == public
        authority = (folder / "sites" / site / "ca.crt").read_bytes()
        assert authority == (folder / "server" / "ca.crt").read_bytes()
    keys = {(folder / "sites" / site / "key").read_bytes() for site in SITES}
    assert len(keys) == len(SITES)


def test_the_records_load(made: Path) -> None:
    federation = Federation.load(made / "server")
    assert (federation.name, federation.sites) == ("clinics", SITES)
    assert federation.addresses == ["fl.example.org", "192.0.2.7"]
    for site in SITES:
        config = SiteConfig.load(made / "sites" / site)
        assert (config.site, config.server) == (site, "fl.example.org:8443")
        assert config.data.model_dump()["train"] == str(made / "sites" / site / "data/notes.csv")


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_private_files_are_private(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        initialise(tmp_path / "d", ["a"], ["127.0.0.1"])
        add_site(tmp_path / "d", "b")
    finally:
        os.umask(before)
    server, sites = tmp_path / "d" / "server", tmp_path / "d" / "sites"
    for path in (server / "ca.key", server / "server.key", sites / "a/key", sites / "b/key"):
        assert mode(path) == 0o600, path
    for path in (tmp_path / "d").rglob("*"):
        assert not path.is_dir() or mode(path) == 0o700, path


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path / "folder", tmp_path / "file"):
        place.mkdir() if place.name == "folder" else place.touch()
        with pytest.raises(RunError, match=f"{place.name}: there already"):
            initialise(place, ["a"], ["127.0.0.1"])
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert os.listdir(tmp_path / "folder") == []


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sites": []}, "sites: must have at least 1"),
        ({"sites": ["a", "a"]}, "sites: must not name anything twice"),
        ({"sites": ["../a"]}, r"sites: .*small letters.*'\.\./a'"),
        ({"addresses": ["https://x"]}, "addresses: .*'https://x'"),
        ({"port": 0}, "port: .*0"),
        ({"port": 18443}, "internal_port: 18443"),
        ({"name": "two words"}, "name: .*'two words'"),
        ({"data": "sites"}, "data.name: 'sites'"),
        ({"data": {"name": "files"}}, "data.train: missing"),
    ],
)
def test_a_wrong_wish_makes_nothing(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    wish: dict[str, Any] = {"sites": ["a"], "addresses": ["127.0.0.1"]} | changes
    with pytest.raises(ConfigError, match=match) as caught:
        initialise(tmp_path / "d", **wish)
    assert len(str(caught.value).splitlines()) == 1
    assert os.listdir(tmp_path) == []


def fails_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ``number``-th new file be one that there is no room for."""
    count = 0

    def write(path: Path, content: bytes, mode: int) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise RunError(f"{path}: the disk is full")
        write_new(path, content, mode)

    monkeypatch.setattr(module, "write_new", write)


@pytest.mark.parametrize("number", [1, 5, 20])
def test_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fails_at(number, monkeypatch)
    with pytest.raises(RunError, match="the disk is full"):
        initialise(tmp_path / "d", ["a", "b"], ["127.0.0.1"])
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot write"):
        initialise(tmp_path / "file" / "d", ["a"], ["127.0.0.1"])


def test_a_site_added_later_gets_the_next_number(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "d")
    before = contents(folder)
    for number, name in enumerate(("zeta", "alpha"), 1):
        listed = add_site(folder, name)
        own = (folder / "sites" / name).rglob("*")
        assert listed == sorted(path for path in own if path.is_file())
        assert Federation.load(folder / "server").sites == [*SITES, "zeta", "alpha"][: 3 + number]
    after = contents(folder)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"server/federation.yaml", "compose.yaml"}
    assert set(after) - set(before) == {
        *("server/keys/zeta.pub", "server/keys/alpha.pub"),
        *(path for path in after if path.startswith(("sites/zeta/", "sites/alpha/"))),
    }
    assert after["sites/zeta/ca.crt"] == before["server/ca.crt"]
    assert after["sites/zeta/key.pub"] == after["server/keys/zeta.pub"]
    assert SiteConfig.load(folder / "sites" / "zeta").site == "zeta"
    services = yaml.safe_load(after["compose.yaml"])["services"]
    assert list(services) == ["server", *(f"site-{name}" for name in [*SITES, "zeta", "alpha"])]


def test_a_site_added_without_the_authority_key_and_the_other_sites(
    made: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(made, tmp_path / "d")
    (folder / "server" / "ca.key").unlink()
    shutil.rmtree(folder / "sites")
    (folder / "compose.yaml").unlink()
    add_site(folder, "late", {"name": "servicedesk"})
    assert SiteConfig.load(folder / "sites" / "late").data.name == "servicedesk"
    assert not (folder / "compose.yaml").exists()


@pytest.mark.parametrize("name", [*SITES, "Late", "a/b", "../server/x", ""])
def test_a_site_that_cannot_be_added(made: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(made, tmp_path / "d")
    before = contents(folder)
    with pytest.raises((ConfigError, RunError), match="sites: "):
        add_site(folder, name)
    assert contents(folder) == before


@pytest.mark.parametrize("number", [1, 4, 11])
def test_a_failure_adds_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = shutil.copytree(made, tmp_path / "d")
    before = contents(folder)
    files = len(contents(made / "sites" / "no"))
    fails_at(number if number != 11 else files + 1, monkeypatch)
    with pytest.raises(RunError, match="the disk is full"):
        add_site(folder, "late")
    assert contents(folder) == before
    assert sorted(os.listdir(folder / "sites")) == sorted(SITES)


def test_a_trial_that_was_changed_is_not_broken(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "d")
    with (folder / "compose.yaml").open("a") as file:
        file.write("volumes: {models: {}}\n")
    before = contents(folder)
    with pytest.raises(ConfigError, match=r"compose\.yaml"):
        add_site(folder, "late")
    assert contents(folder) == before


def test_flowers_configuration_follows_the_folder(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / 'so "quoted" ü')
    path = write_flower_config(folder / "server")
    assert path == folder / "server" / "flower" / "config.toml"
    found = tomllib.loads(path.read_text(encoding="utf-8"))["superlink"]["federa"]
    assert found["root-certificates"] == str(folder / "server" / "ca.crt")
    port = Federation.load(folder / "server").internal_port
    assert found["address"] == f"127.0.0.1:{port}"
