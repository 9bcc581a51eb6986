"""What the people of a deployment get to read, and what systemd, containers and Flower do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from federa.config import RunConfig
from federa.deploy.certificates import fingerprint
from federa.deploy.initialise import initialise
from federa.deploy.records import SiteConfig

pytest.importorskip("cryptography")

SITES = ["hospital-a", "no"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment that no test changes."""
    folder = tmp_path_factory.mktemp("deploy") / "clinics"
    initialise(folder, SITES, ["fl.example.org", "192.0.2.7"], name="clinics")
    return folder


def test_readmes_are_filled_in(made: Path) -> None:
    for path in made.rglob("*"):
        left = re.search(rb"(?<!\w)@\{?\w+", path.read_bytes()) if path.is_file() else None
        assert left is None, (path, left)
    shown = fingerprint((made / "server" / "ca.crt").read_bytes())
    operator = (made / "README.md").read_text()
    assert shown in operator
    for site in SITES:
        text = (made / "sites" / site / "README.md").read_text()
        assert shown in text
        assert "fl.example.org:8443" in text
        assert f"server/keys/{site}.pub" in text
        for said in ("ssh-keygen -t ecdsa -b 384", "logs/messages.jsonl", "max_seconds", "403"):
            assert said in text, said


@pytest.mark.parametrize("sites", [["a"], ["a", "b", "c"]])
def test_the_starting_run_is_valid(tmp_path: Path, sites: list[str]) -> None:
    labels = ["no", "später", "1e5"]
    initialise(tmp_path / "d", sites, ["127.0.0.1"], name="clinics", labels=labels)
    config = RunConfig.load(tmp_path / "d" / "run.yaml")
    assert config.name == "clinics"
    assert config.data.model_dump()["name"] == "sites"
    assert list(config.data.model_dump()["labels"]) == labels
    assert (config.method.name, config.rule.name) == ("federa", "fedavg")
    assert config.federation.min_uploads == min(2, len(sites))
    engine = config.engine.model_dump()
    assert (engine["name"], engine["mode"]) == ("flower", "deployment")


def test_data_of_a_trial(tmp_path: Path) -> None:
    initialise(tmp_path / "d", ["a"], ["127.0.0.1"], data="servicedesk")
    assert SiteConfig.load(tmp_path / "d" / "sites" / "a").data.name == "servicedesk"


@pytest.mark.parametrize("address", ["fl.example.org", "127.0.0.1", "::1", "localhost"])
def test_containers_have_no_more_rights_than_they_need(tmp_path: Path, address: str) -> None:
    initialise(tmp_path / "d", ["a", "b"], [address, "10.0.0.1"])
    trial = yaml.safe_load((tmp_path / "d" / "compose.yaml").read_text())["services"]
    site = yaml.safe_load((tmp_path / "d" / "sites" / "a" / "compose.yaml").read_text())
    for service in (trial["server"], site["services"]["site"]):
        assert "privileged" not in service
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["user"].startswith("${FEDERA_UID")
        assert "no-new-privileges:true" in service["security_opt"]
    assert "./data:/site/data:ro" in site["services"]["site"]["volumes"]
    assert trial["site-a"]["extends"] == {"file": "sites/a/compose.yaml", "service": "site"}
    if address == "fl.example.org":  # the name that sites know becomes the server's
        assert trial["server"]["networks"]["default"]["aliases"] == [address]
        assert trial["server"]["ports"] == ["8443:8443"]
        assert "network_mode" not in trial["site-b"]
    else:
        assert {trial[name]["network_mode"] for name in trial} == {"host"}


def test_systemd_units_are_hardened(tmp_path: Path) -> None:
    initialise(tmp_path / "d", ["a"], ["127.0.0.1"], port=443)
    server = (tmp_path / "d" / "server" / "federa-server.service").read_text()
    site = (tmp_path / "d" / "sites" / "a" / "federa-site.service").read_text()
    for unit, folder in ((server, "server"), (site, "site")):
        lines = unit.splitlines()
        for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes"):
            assert line in lines
        assert "Restart=on-failure" in lines
        assert f"ReadWritePaths=/opt/federa/{folder}" in lines
        (start,) = (line for line in lines if line.startswith("ExecStart="))
        assert start.endswith(f"federa deploy {folder} /opt/federa/{folder}")
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in server.splitlines()
    assert "CapabilityBoundingSet=" in site.splitlines()


@pytest.mark.flower
def test_flower_builds_the_app(made: Path, tmp_path: Path) -> None:
    pytest.importorskip("flwr")
    pytest.importorskip("federa.flower_app")
    app = made / "server" / "app"
    environment = os.environ | {
        "FLWR_HOME": str(tmp_path / "home"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }
    command = [str(Path(sys.executable).with_name("flwr")), "build", "--app", str(app)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing the following" not in done.stdout
    assert len(list(tmp_path.glob("federa.federa-app.*.fab"))) == 1
