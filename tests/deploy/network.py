"""A private, shaped network on one Linux machine, for tests and benchmarks of a deployment.

The server and every site have a network namespace of their own, joined by a bridge in a further
one, so that the machine's own network is not touched. A site's link has the rates of a
``federa.profiles.Network``, kept by ``tc tbf`` at either end, and half of its round trip each way:
by ``netem`` where the kernel has it (behind ``veth``), else by a process that holds the frames of
two TAP devices back, which carries some 200 Mbit/s, else not at all. The server's own link is not
shaped. Bytes are counted as frames at the site's interface, without preamble and checksum.

A small shell process outlives whatever ends this one, and then removes everything.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import select
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from federa.profiles import Network

SERVER = "server"
HUB, BRIDGE, INTERFACE = "hub", "bridge", "eth0"
SUBNET = "10.77.0"
LONGEST_QUEUE, MOST_PACKETS = "400ms", 100_000
LEAST_BURST_BYTES, BURST_SECONDS = 4096, 0.001
GRACE_SECONDS = 10.0
_numbers = itertools.count()

JANITOR = """
trap '' HUP INT TERM
read -r line
for again in 1 2; do
  for place in "$@"; do
    pids=$(ip netns pids "$place" 2>/dev/null)
    [ -z "$pids" ] || kill -KILL $pids 2>/dev/null
  done
done
for place in "$@"; do ip netns delete "$place" 2>/dev/null; done
exit 0
"""
"""Waits for a line, or for the end of the process that would write it."""


RECEIVED, SENT = 0, 1


class RigError(Exception):
    """The network cannot be built here."""


@dataclass
class Rig:
    """The network as built.

    namespaces: as the machine knows them, by "server" or site; addresses: by the same names;
    delay: "netem", "tap", or "none: " and why; the round trips of all sites are then near zero.
    """

    namespaces: dict[str, str]
    addresses: dict[str, str]
    delay: str
    started: list[subprocess.Popen[Any]] = field(default_factory=list)
    relays: list[subprocess.Popen[str]] = field(default_factory=list)

    def run_in(
        self,
        place: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        """Start a process at the server or a site; ``options`` are those of ``Popen``.

        The process id is that of ``argv`` itself. What still runs at the end is ended.
        """
        prefix = ["ip", "netns", "exec", self.namespaces[place]]
        process = subprocess.Popen([*prefix, *argv], env=env, **options)
        self.started.append(process)
        return process

    def wire_bytes(self, place: str) -> tuple[int, int]:
        """Bytes that the server or a site has received and sent so far, frame headers included."""
        folder = f"/sys/class/net/{INTERFACE}/statistics"
        prefix = ["ip", "netns", "exec", self.namespaces[place]]
        shown = _run(*prefix, "cat", f"{folder}/rx_bytes", f"{folder}/tx_bytes")
        received, sent = shown.split()
        return int(received), int(sent)


class Sampler:
    """The bytes at one site's interface, ten times a second, until it is left."""

    def __init__(self, rig: Rig, site: str) -> None:
        self.rig, self.site = rig, site
        self.samples: list[tuple[float, tuple[int, int]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.samples.append((time.monotonic(), self.rig.wire_bytes(self.site)))

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def busy_seconds(self, way: int, bits_per_second: float) -> float:
        """How long it RECEIVED or SENT at more than a third of the link's rate."""
        total = 0.0
        for (before, old), (after, new) in pairwise(self.samples):
            if (new[way] - old[way]) * 8 > bits_per_second / 3 * (after - before):
                total += after - before
        return total


def unavailable() -> str | None:
    """Why a network cannot be built here, or None; tests are skipped with it."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [command for command in ("ip", "tc", "sh", "cat") if shutil.which(command) is None]
    if missing:
        return f"no command {missing[0]!r} (ip and tc come with iproute2)"
    from federa.profiles import Ethernet100

    try:
        with shaped_network({"probe": Ethernet100(round_trip_seconds=0)}) as rig:
            rig.wire_bytes("probe")
    except RigError as error:
        return str(error)
    return None


@contextmanager
def shaped_network(sites: Mapping[str, Network]) -> Iterator[Rig]:
    """Build the network, and remove it with all that runs in it, whatever happens.

    Raises: RigError if this machine does not allow it.
    """
    prefix = f"federa-{os.getpid()}-{next(_numbers)}"
    places = {name: f"{prefix}-{name}" for name in (SERVER, *sites)}
    hub = f"{prefix}-{HUB}"
    assert len({*places.values(), hub}) == len(sites) + 2, "a site may not be the server or the hub"
    janitor = subprocess.Popen(
        ["sh", "-c", JANITOR, "janitor", *places.values(), hub],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    addresses = {name: f"{SUBNET}.{number}" for number, name in enumerate(places, start=1)}
    rig = Rig(places, addresses, delay="")
    try:
        _build(rig, hub, sites)
        yield rig
    finally:
        _end(rig.started)
        janitor.communicate(b"end\n")
        for process in (*rig.started, *rig.relays):  # killed by now, if they did not end before
            process.wait()


def _end(started: Sequence[subprocess.Popen[Any]]) -> None:
    """Ask all processes to end, the last one first, and wait a while."""
    until = time.monotonic() + GRACE_SECONDS
    for process in reversed(started):
        process.terminate()
    for process in started:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))


def _build(rig: Rig, hub: str, sites: Mapping[str, Network]) -> None:
    for namespace in (hub, *rig.namespaces.values()):
        _run("ip", "netns", "add", namespace)
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
    _run("ip", "-n", hub, "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "-n", hub, "link", "set", BRIDGE, "up")
    delayed = any(network.round_trip_seconds for network in sites.values())
    rig.delay = _means_of_delay(hub) if delayed else "none: no site asks for it"
    for number, (place, address) in enumerate(rig.addresses.items()):
        port, namespace = f"port{number}", rig.namespaces[place]
        network = sites.get(place)
        wait = network.round_trip_seconds / 2 if network else 0.0
        if wait and rig.delay == "tap":
            _join_by_tap(rig, hub, port, namespace, wait)
        else:
            far = ["peer", "name", INTERFACE, "netns", namespace]
            _run("ip", "-n", hub, "link", "add", port, "type", "veth", *far)
        _run("ip", "-n", hub, "link", "set", port, "master", BRIDGE, "up")
        _run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", INTERFACE)
        # one frame at a time: a bundle would be counted, and shaped, without its frames' headers
        _run("ip", "-n", namespace, "link", "set", INTERFACE, "gso_max_segs", "1", "up")
        if network:
            netem = wait if rig.delay == "netem" else 0.0
            _shape(hub, port, network.down_bits_per_second, netem)
            _shape(namespace, INTERFACE, network.up_bits_per_second, netem)


def _means_of_delay(hub: str) -> str:
    try:
        _run("tc", "-n", hub, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
    except RigError as error:
        try:
            os.close(os.open("/dev/net/tun", os.O_RDWR))
        except OSError as fault:
            return f"none: no netem ({error}) and no /dev/net/tun ({fault.strerror})"
        return "tap"
    _run("tc", "-n", hub, "qdisc", "del", "dev", "lo", "root")
    return "netem"


def _shape(namespace: str, device: str, bits_per_second: float, delay_seconds: float) -> None:
    """Bound what a device sends, and hold it back if the kernel is to do so."""
    add = ["tc", "-n", namespace, "qdisc", "add", "dev", device]
    place = ["root"]
    if delay_seconds:
        wait = [f"{delay_seconds * 1e6:.0f}us", "limit", str(MOST_PACKETS)]
        _run(*add, "root", "handle", "1:", "netem", "delay", *wait)
        place = ["parent", "1:", "handle", "10:"]
    burst = max(LEAST_BURST_BYTES, int(bits_per_second / 8 * BURST_SECONDS))
    rate = ["rate", f"{bits_per_second:.0f}bit", "burst", str(burst), "latency", LONGEST_QUEUE]
    _run(*add, *place, "tbf", *rate)


def _join_by_tap(rig: Rig, hub: str, port: str, namespace: str, delay_seconds: float) -> None:
    """Two TAP devices in place of a veth pair, and the process that joins them."""
    far = f"{port}far"
    relay = subprocess.Popen(
        [
            *("ip", "netns", "exec", hub),
            *(sys.executable, "-I", __file__, str(delay_seconds), port, far),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    rig.relays.append(relay)
    assert relay.stdout is not None
    with relay.stdout as output:
        said = output.readline()
        if said != "ready\n":
            *_, fault = (said + output.read()).splitlines() or ["no reason given"]
            raise RigError(f"TAP devices: {fault}")
    for device in (port, far):
        _run("ip", "-n", hub, "link", "set", device, "txqueuelen", str(MOST_PACKETS // 10))
    _run("ip", "-n", hub, "link", "set", far, "netns", namespace)
    _run("ip", "-n", namespace, "link", "set", far, "name", INTERFACE)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        fault = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RigError(f"{' '.join(argv)}: {fault}")
    return done.stdout


def relay_frames(delay_seconds: float, near: str, far: str) -> None:
    """Carry every frame of two new TAP devices to the other one, after ``delay_seconds``."""
    left, right = _open_tap(near), _open_tap(far)
    other = {left: right, right: left}
    waiting: deque[tuple[float, int, bytes]] = deque()
    print("ready", flush=True)
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for source in select.select([left, right], [], [], pause)[0]:
            due = time.monotonic() + delay_seconds
            waiting.extend((due, other[source], frame) for frame in _frames(source))
        while waiting and waiting[0][0] <= time.monotonic():
            _, target, frame = waiting.popleft()
            with suppress(OSError):  # a device that is down loses it, as a cable would
                os.write(target, frame)


def _open_tap(name: str) -> int:
    """A non-blocking file of a TAP device without packet information (linux/if_tun.h)."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    set_interface, tap, no_information = 0x400454CA, 0x0002, 0x1000
    fcntl.ioctl(device, set_interface, struct.pack("16sH22x", name.encode(), tap | no_information))
    return device


def _frames(device: int, most: int = 64) -> Iterator[bytes]:
    for _ in range(most):
        try:
            yield os.read(device, 2048)
        except BlockingIOError:
            return


if __name__ == "__main__":
    relay_frames(float(sys.argv[1]), sys.argv[2], sys.argv[3])
