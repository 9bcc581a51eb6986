"""The shaped network: rates, bytes and delay as asked for, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.network import SERVER, Rig, RigError, shaped_network, unavailable
from federa.profiles import Network, download_seconds, upload_seconds

DOWN_BYTES, UP_BYTES = 2_500_000, 1_250_000
FRAME_BYTES, SEGMENT_BYTES = 1514, 1448  # of Ethernet, and of TCP with time stamps within it
TCP_OVERHEAD = FRAME_BYTES / SEGMENT_BYTES - 1
LINK = Network(
    name="rig",
    down_bits_per_second=10e6,
    up_bits_per_second=5e6,
    round_trip_seconds=0.06,
    overhead=TCP_OVERHEAD,
)
NEAR = LINK.model_copy(update={"round_trip_seconds": 0.0})

SERVE = """
import socket, sys
listener = socket.create_server((sys.argv[1], 5000))
print("listening", flush=True)
connection, _ = listener.accept()
stream = connection.makefile("rb")
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for line in stream:
    kind, size = line.split()
    if kind == b"up":
        stream.read(int(size))
        size = 1
    connection.sendall(bytes(int(size)))
"""
ASK = """
import json, socket, statistics, sys, time
connection = socket.create_connection((sys.argv[1], 5000))
stream = connection.makefile("rb")
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def seconds(kind, size, body=b""):
    began = time.perf_counter()
    connection.sendall(b"%s %d\\n" % (kind, size) + body)
    assert len(stream.read(1 if body else size)) == (1 if body else size)
    return time.perf_counter() - began
down, up = int(sys.argv[2]), int(sys.argv[3])
print(json.dumps({
    "ping": statistics.median(seconds(b"down", 1) for _ in range(9)),
    "down": seconds(b"down", down) if down else None,
    "up": seconds(b"up", up, bytes(up)) if up else None,
}))
"""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """A site far away and one nearby."""
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    with shaped_network({"far": LINK, "near": NEAR}) as built:
        yield built


def talk(rig: Rig, site: str, down_bytes: int = 0, up_bytes: int = 0) -> dict[str, Any]:
    """Seconds of a ping-pong, a download and an upload between a site and the server."""
    address = rig.addresses[SERVER]
    python = [sys.executable, "-I", "-c"]
    server = rig.run_in(SERVER, [*python, SERVE, address], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "listening\n"
    sizes = [str(down_bytes), str(up_bytes)]
    client = rig.run_in(site, [*python, ASK, address, *sizes], stdout=subprocess.PIPE, text=True)
    answer, _ = client.communicate(timeout=60)
    assert client.returncode == 0
    assert server.wait(10) == 0
    measured: dict[str, Any] = json.loads(answer)
    return measured


def link(rig: Rig) -> Network:
    """The far site's link as this machine can build it."""
    return NEAR if rig.delay.startswith("none") else LINK


def namespaces() -> str:
    return subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=True
    ).stdout


def test_transfers_last_as_long_as_the_model_says(rig: Rig) -> None:
    measured = talk(rig, "far", DOWN_BYTES, UP_BYTES)
    # 25 %: TCP's slow start and this machine's load are not in the model
    assert measured["down"] == pytest.approx(download_seconds(link(rig), DOWN_BYTES), rel=0.25)
    assert measured["up"] == pytest.approx(upload_seconds(link(rig), UP_BYTES), rel=0.25)


@pytest.mark.parametrize("site", ["far", "near"])
def test_counters_show_what_was_sent_and_its_frames(rig: Rig, site: str) -> None:
    received_before, sent_before = rig.wire_bytes(site)
    talk(rig, site, DOWN_BYTES // 2, UP_BYTES // 2)
    received, sent = rig.wire_bytes(site)
    framed = 1 + TCP_OVERHEAD
    # the acknowledgements of the other direction come on top, at most one a segment
    most_acknowledgements = 66 / SEGMENT_BYTES
    for counted, useful, acknowledged in (
        (received - received_before, DOWN_BYTES // 2, UP_BYTES // 2),
        (sent - sent_before, UP_BYTES // 2, DOWN_BYTES // 2),
    ):
        assert counted > 0.99 * useful * framed
        assert counted < 1.04 * useful * framed + most_acknowledgements * acknowledged


def test_both_ends_of_a_link_count_the_same_bytes(rig: Rig) -> None:
    before = rig.wire_bytes(SERVER), rig.wire_bytes("near")
    talk(rig, "near", DOWN_BYTES // 4, UP_BYTES // 4)
    after = rig.wire_bytes(SERVER), rig.wire_bytes("near")
    server, site = (
        [now - then for now, then in zip(new, old, strict=True)]
        for new, old in zip(after, before, strict=True)
    )
    assert server == pytest.approx(site[::-1], rel=0.02)


def test_a_ping_pong_shows_the_delay_of_its_own_site(rig: Rig) -> None:
    near = talk(rig, "near")["ping"]
    assert near < LINK.round_trip_seconds / 2
    if rig.delay.startswith("none"):
        pytest.skip(rig.delay)
    far = talk(rig, "far")["ping"]
    assert LINK.round_trip_seconds * 0.95 < far < LINK.round_trip_seconds * 2


def test_a_process_gets_its_environment_and_its_own_id(rig: Rig) -> None:
    code = "import os; print(os.environ['COLOUR'], os.getpid())"
    argv = [sys.executable, "-I", "-c", code]
    env = {"COLOUR": "blue", "PATH": os.environ["PATH"]}
    process = rig.run_in("near", argv, env, stdout=subprocess.PIPE, text=True)
    answer, _ = process.communicate(timeout=20)
    assert answer.split() == ["blue", str(process.pid)]


def runs(process: int) -> bool:
    """Whether a process exists and is not one that merely nobody has waited for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def start_and_fail(own: Rig) -> None:
    """Two processes that would run on, one of them with no parent that waits for it."""
    own.run_in("one", ["sleep", "600"])
    shell = own.run_in(SERVER, ["sh", "-c", "sleep 600 & echo $!"], stdout=subprocess.PIPE)
    assert shell.stdout is not None
    orphan = int(shell.stdout.readline())
    assert runs(orphan)
    assert all(name in namespaces() for name in own.namespaces.values())
    raise ConnectionError(str(orphan))


def test_nothing_is_left_after_an_exception(rig: Rig) -> None:
    interfaces = set(os.listdir("/sys/class/net"))
    with pytest.raises(ConnectionError) as caught, shaped_network({"one": LINK}) as own:
        start_and_fail(own)
    assert all(process.returncode is not None for process in own.started)
    assert not runs(int(str(caught.value)))
    assert not any(name in namespaces() for name in own.namespaces.values())
    assert all(name in namespaces() for name in rig.namespaces.values())
    assert set(os.listdir("/sys/class/net")) == interfaces


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_process_that_is_ended(rig: Rig, end: signal.Signals) -> None:
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from deploy.network import shaped_network
from federa.profiles import Wifi50
with shaped_network({{"one": Wifi50()}}) as rig:
    sleeper = rig.run_in("one", ["sleep", "600"])
    print(rig.namespaces["one"], sleeper.pid, flush=True)
    time.sleep(600)
"""
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    namespace, sleeper = owner.stdout.readline().split()
    assert namespace in namespaces()
    owner.send_signal(end)
    owner.wait(20)
    owner.stdout.close()
    until = time.monotonic() + 20
    while namespace.removesuffix("one") in namespaces() or runs(int(sleeper)):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="says another reason")
def test_a_machine_that_cannot_build_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        without.setattr(os, "geteuid", lambda: 0)
        assert unavailable() == "no command 'ip' (ip and tc come with iproute2)"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unavailable() == "network namespaces need root"


def test_a_refused_command_is_named(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.network.BRIDGE", "a name that is too long")
    before = namespaces()
    command = r"^ip -n \S+ link add a name that is too long type bridge: "
    with pytest.raises(RigError, match=command), shaped_network({"one": NEAR}):
        pytest.fail("it was built")
    assert namespaces() == before
