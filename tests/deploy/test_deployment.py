"""A server and three sites as real processes: one late, one killed, the server killed too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flwr", reason="needs the flower extra")

from builders import write_tiny_table
from deploy.federation import LOOPBACK, SITES, Federation, here, processes_of
from deploy.network import RECEIVED, SENT, Sampler, shaped_network, unavailable
from deploy.sites import LABELS, write_sites
from federa.profiles import Network, download_seconds, upload_seconds

pytestmark = [pytest.mark.flower, pytest.mark.slow, pytest.mark.timeout(900)]
NUM_ROUNDS = 8


def tiny_federation(
    folder: Path, model: str, address: str = LOOPBACK, launch: Any = here, **changes: Any
) -> Federation:
    """Three sites with 120 short texts between them, a tiny model, and a run for them."""
    found = Federation(folder, address, launch)
    table = write_tiny_table(folder / "all.csv")
    for place, name in zip(write_sites(folder / "rows", table), SITES, strict=True):
        own = json.loads((place / "site.yaml").read_text(encoding="utf-8"))
        data = {split: str(place / f"{split}.csv") for split in ("train", "validation")}
        found.write_site(name, data={"name": "files", **data}, model=model, limits=own["limits"])
    run: dict[str, Any] = {
        "name": "three-sites",
        "model": model,
        "task": "text_classification",
        "data": {"name": "sites", "labels": LABELS},
        "method": {"name": "federa", "rank": 4},
        "federation": {"num_rounds": NUM_ROUNDS, "min_uploads": 1, "retries": 5},
        "train": {"max_steps": 60, "batch_size": 4, "max_length": 24, "learning_rate": 0.01},
        "evaluation": {"every": 2},
        "engine": {
            **{"name": "flower", "mode": "deployment", "device": "cpu", "threads": 1},
            **{"round_timeout_seconds": 20, "upload": "int8", "wait_seconds": 120},
        },
    }
    found.write_run(**run | changes)
    return found


@pytest.fixture
def federation(tiny_model: Callable[[str], str], tmp_path: Path) -> Iterator[Federation]:
    found = tiny_federation(tmp_path / "federation", tiny_model("bert"))
    yield found
    gone(found.folder)


def gone(folder: Path) -> None:
    """Nothing of ``folder`` runs any more, soon."""
    until = time.monotonic() + 30
    while (left := processes_of(folder)) and time.monotonic() < until:
        time.sleep(0.2)
    assert not left


def killed(process: subprocess.Popen[Any], folder: Path) -> None:
    """Kill a supervisor; everything that it started ends too."""
    process.kill()
    process.wait()
    gone(folder)


def test_sites_come_and_go_and_the_server_is_killed(federation: Federation) -> None:
    alpha, beta, gamma = map(federation.site, SITES)
    with ExitStack() as running:

        def start(kind: str, folder: Path) -> subprocess.Popen[Any]:
            return running.enter_context(federation.running(kind, folder))

        server = start("server", federation.server)
        start("site", alpha)
        second = start("site", beta)
        federation.wait_until_ready()
        federation.submit()
        federation.wait_for_round(1)
        start("site", gamma)
        federation.wait(lambda: 2 in federation.heard())
        killed(second, beta)
        federation.wait_for_round(federation.job()["round"] + 1)
        killed(server, federation.server)
        at = federation.job()
        assert at["status"] == "running"
        start("server", federation.server)
        start("site", beta)
        federation.wait_for_end()
    records = federation.records()
    assert [record.round for record in records] == list(range(1, NUM_ROUNDS + 1))
    asked = [{client.client for client in record.clients} for record in records]
    assert asked[0] == {0, 1}
    assert any(failure.client == 1 for record in records for failure in record.failures)
    assert federation.job()["flower_run"] != at["flower_run"]
    assert records[-1].scores["validation"]["num_sites"] >= 2
    kinds = [message["answer_to"] for message in federation.messages("alpha")]
    assert kinds[0] == "hello"
    assert kinds.count("train") >= NUM_ROUNDS // 2
    check_export(Path(federation.job()["folder"]))


def check_export(run: Path) -> None:
    """The adapter loads with peft on the base model."""
    from peft import AutoPeftModelForSequenceClassification

    model = AutoPeftModelForSequenceClassification.from_pretrained(
        run / "export" / "peft", num_labels=len(LABELS)
    )
    assert any("lora_A" in name for name, _ in model.named_parameters())


def test_the_network_reaches_nothing_but_the_fleet(federation: Federation) -> None:
    """Flower's own command line is turned away at the port that sites use."""
    with federation.running("server", federation.server):
        federation.wait_until_ready()
        home = federation.folder / "intruder"
        home.mkdir()
        authority = (federation.server / "ca.crt").resolve()
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "outside"\n[superlink.outside]\n'
            f'address = "{federation.address}"\nroot-certificates = "{authority}"\n',
            encoding="utf-8",
        )
        found = subprocess.run(
            [Path(sys.executable).parent / "flwr", "run", federation.server / "app", "outside"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0"},
        )
        assert found.returncode != 0
        assert "403" in found.stdout + found.stderr


MISCHIEF = """
import json, os, sys, time

if "federa.deploy.worker" in sys.orig_argv:
    import federa.deploy.site_run as site_run

    plan = json.loads(os.environ["MISCHIEF"]).get(os.path.basename(os.environ["FEDERA_SITE"]), {})
    honest = site_run.pack_upload
    train = site_run.SiteRun.train

    def remember(self, header, blob):
        remember.what = plan.pop(str(header["round"]), None)
        return train(self, header, blob)

    def spoil(upload, received, codec, residual):
        from dataclasses import replace

        what, params = remember.what, upload.params
        if what == "NaN":
            params = {name: value * float("nan") for name, value in params.items()}
        elif what == "one row":
            params = {name: value[:1] for name, value in params.items()}
            return honest(replace(upload, params=params), params, "fp32", None)
        elif what == "huge count":
            upload = replace(upload, num_examples=10**12)
        elif what == "slow":
            time.sleep(25)
        elif what == "fail":
            raise RuntimeError("a secret row")
        elif what == "die":
            os.kill(os.getpid(), 9)
        return honest(replace(upload, params=params), received, codec, residual)

    site_run.pack_upload = spoil
    site_run.SiteRun.train = remember
"""
"""As sitecustomize.py, makes a site's worker misbehave in the rounds that $MISCHIEF names."""


def test_bad_sites_are_set_aside_and_come_back(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site that returns NaN, one row, a huge count, is slow, dies; then all fail at once."""
    place = federation.folder / "mischief"
    place.mkdir()
    (place / "sitecustomize.py").write_text(MISCHIEF, encoding="utf-8")
    plan = {
        "gamma": {
            "0": "NaN",
            "1": "one row",
            "2": "huge count",
            "3": "die",
            "4": "slow",
            "6": "fail",
        },
        "alpha": {"6": "fail"},
        "beta": {"6": "fail"},
    }
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.setenv("MISCHIEF", json.dumps(plan))
    content = json.loads(federation.run_file.read_text(encoding="utf-8"))
    content["federation"] |= {"num_rounds": 9, "min_uploads": 2}
    content["evaluation"] = {"every": 9}
    federation.write_run(**content)
    with ExitStack() as running:
        running.enter_context(federation.running("server", federation.server))
        for name in SITES:
            running.enter_context(federation.running("site", federation.site(name)))
        federation.wait_until_ready()
        federation.submit()
        federation.wait_for_end()
    records = federation.records()
    reasons = {
        record.round: failure.reason
        for record in records
        for failure in record.failures
        if failure.client == 2
    }
    assert "NaN or infinite" in reasons[1]
    assert "shape" in reasons[2]
    assert "claims 1000000000000 examples" in reasons[3]
    assert "worker ended while it worked on train" in reasons[4]
    assert any("no answer within 20 s" in reason for reason in reasons.values()), reasons
    assert 2 in {client.client for client in records[-1].clients if client.up}
    log = (federation.server / "logs" / "job-0001.log").read_text(encoding="utf-8")
    assert "round 7: 0 of" in log  # all failed, and it was tried again
    assert "RuntimeError at the site; its own log says more" in log
    assert "a secret row" not in log
    assert "a secret row" in (federation.site("beta") / "logs" / "worker.log").read_text("utf-8")


LINK = Network(
    name="link", down_bits_per_second=4e6, up_bits_per_second=4e6, round_trip_seconds=0.02
)
POLLING_BYTES_A_SECOND = 4000
"""Of a site that has nothing to do: it asks for work every 3 s, 3 to 6 kB with TLS each time."""
FIXED_BYTES = 120_000
"""Of a round and site beside the tensors: letters, keys of objects, handshakes."""


def wider(model: str, folder: Path) -> str:
    """A model of the same tokens that takes 1.6 MB."""
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(1)
    shutil.copytree(model, folder)
    config = AutoConfig.from_pretrained(model, hidden_size=128, intermediate_size=256)
    AutoModel.from_config(config).save_pretrained(folder)
    return str(folder)


def test_bytes_and_seconds_on_a_slow_link_are_those_counted(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    folder = tmp_path / "federation"
    with shaped_network(dict.fromkeys(SITES, LINK)) as rig:
        federation = tiny_federation(
            folder,
            wider(tiny_model("bert"), tmp_path / "model"),
            rig.addresses["server"],
            rig.run_in,
            method="full",
            federation={"num_rounds": 4, "min_uploads": 3},
            evaluation={"every": 4},
            engine={"name": "flower", "mode": "deployment", "device": "cpu", "threads": 1},
        )
        with ExitStack() as running:
            running.enter_context(federation.running("server", federation.server))
            for name in SITES:
                running.enter_context(federation.running("site", federation.site(name)))
            federation.wait_until_ready()
            federation.submit()
            federation.wait_for_round(1, pause_seconds=0.02)
            began, before = time.monotonic(), rig.wire_bytes("server")
            with Sampler(rig, SITES[0]) as sampler:
                federation.wait_for_round(3, pause_seconds=0.02)
            seconds, after = time.monotonic() - began, rig.wire_bytes("server")
            federation.wait_for_end()
    gone(folder)
    up, down = (new - old for old, new in zip(before, after, strict=True))
    between = federation.records()[1:3]
    idle = 3 * POLLING_BYTES_A_SECOND * seconds + 2 * 3 * FIXED_BYTES
    for wire, counted in (
        (down, sum(record.down.serialised_bytes for record in between)),
        (up, sum(record.up.serialised_bytes for record in between)),
    ):
        assert counted < wire < 1.1 * counted + idle
    (client,) = [one for one in between[0].clients if one.client == 0]
    assert client.up is not None
    for way, modelled in (
        (RECEIVED, download_seconds(LINK, client.down.serialised_bytes)),
        (SENT, upload_seconds(LINK, client.up.serialised_bytes)),
    ):  # of two rounds; the link is what takes the time, not the machine
        measured = sampler.busy_seconds(way, LINK.down_bits_per_second) / 2
        assert 0.75 * modelled < measured < 1.4 * modelled, (measured, modelled)
