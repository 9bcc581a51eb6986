"""Clients in Flower's simulation runtime: Ray's processes, each with a resident model."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from federa.engines.flower_link import GridLink, from_content, to_content
from federa.engines.flower_training import train_over
from federa.engines.sequential import SequentialSession
from federa.engines.workers import one_line
from federa.errors import RunError
from federa.local import LocalSetup, train_client
from federa.types import ClientFailure, ClientSize, Download, ServerState, Upload
from federa.wire import pack_upload, unpack_download

if TYPE_CHECKING:
    from flwr.app import Context, Message
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid
    from torch import nn

    from federa.engines.flower import Flower
    from federa.types import Tensors

START_SECONDS = 300.0
"""How long the runtime may take to begin; Ray alone takes 6 to 16 s."""
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""No message to anybody but the clients."""
RESIDUAL = "residual"
_resident: dict[str, tuple[LocalSetup, nn.Module]] = {}
"""In a client's process: the run that it works for."""


class SimulationSession:
    """A running simulation; the server scores the states itself."""

    def __init__(self, settings: Flower, setup: LocalSetup) -> None:
        self.settings, self.setup = settings, setup
        self.local = SequentialSession(setup)
        self._over = threading.Event()
        self._failures: Queue[BaseException] = Queue()
        grid = self._start()
        self._known = self._wait_for_nodes(grid)
        self.link = GridLink(grid, lambda: self._known)

    def _start(self) -> Grid:
        """Start Ray and Flower's runtime, which ends with the session."""
        import ray

        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        if not ray.is_initialized():
            ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
        grids: Queue[Grid] = Queue()
        client = client_app(ray.put(self._for_clients()))
        self._thread = threading.Thread(target=self._simulate, args=(client, grids), daemon=True)
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while self._thread.is_alive() and time.monotonic() < until:
            with suppress(Empty):
                return grids.get(timeout=0.1)
        raise self._not_started()

    def _wait_for_nodes(self, grid: Grid) -> Mapping[int, int]:
        """The node of each client, once Flower has made them all."""
        until = time.monotonic() + START_SECONDS
        while self._thread.is_alive() and time.monotonic() < until:
            nodes = sorted(grid.get_node_ids())
            if len(nodes) == len(self.setup.clients):
                return dict(enumerate(nodes))
            time.sleep(0.1)
        raise self._not_started()

    def _not_started(self) -> RunError:
        self._over.set()
        reason = one_line(self._failures.get()) if not self._failures.empty() else "no reason given"
        return RunError(f"engine: Flower's simulation did not start ({reason})")

    def _for_clients(self) -> LocalSetup:
        """The set-up as a client's process uses it: its own device and threads."""
        plan = self.setup.plan
        on_gpu = self.settings.client_gpus > 0
        device = plan.device if plan.device == "cpu" else "cuda:0" if on_gpu else "cpu"
        plan = replace(plan, device=device, threads=self.settings.client_cpus)
        return replace(self.setup, plan=plan, evaluation={})

    def _simulate(self, client: ClientApp, grids: Queue[Grid]) -> None:
        from flwr.serverapp import ServerApp
        from flwr.simulation import run_simulation

        logging.getLogger("flwr").setLevel(logging.CRITICAL)  # failures come back as answers
        server = ServerApp()

        @server.main()
        def main(grid: Grid, context: Context) -> None:  # noqa: ARG001 - Flower's interface
            grids.put(grid)
            self._over.wait()

        resources = {"num_cpus": self.settings.client_cpus, "num_gpus": self.settings.client_gpus}
        try:
            run_simulation(
                server_app=server,
                client_app=client,
                num_supernodes=len(self.setup.clients),
                backend_config={"client_resources": resources},
            )
        except BaseException as error:
            self._failures.put(error)

    def present(self, at_least: int) -> Sequence[int]:
        """All clients."""
        return range(len(self.setup.clients))

    def size(self, client: int) -> ClientSize:
        """What its rows come to."""
        return self.setup.size(client)

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        """Train the clients in Ray's processes; each knows the start from its set-up."""
        yield from train_over(
            self.link, self.settings, round, work, lambda _: self.setup.start, self.setup.base_hash
        )

    def evaluate(
        self, state: ServerState, splits: Sequence[str], *, whole: bool, per_client: bool
    ) -> dict[str, dict[str, Any]]:
        """Scores of ``state``, in this process."""
        return self.local.evaluate(state, splits, whole=whole, per_client=per_client)

    def other_peak_bytes(self) -> int:
        """What Ray's processes hold is not counted."""
        return 0

    def evaluation_bytes(self) -> tuple[int, int]:
        """Nothing travels."""
        return 0, 0

    def close(self) -> None:
        """End the simulation and Ray."""
        self._over.set()
        self._thread.join(timeout=60)


def client_app(reference: Any) -> ClientApp:
    """A ClientApp that trains on the set-up that ``reference`` stands for in Ray's store."""
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        from flwr.app import Message as Answer

        from federa.engines.flower_simulation import answer

        return Answer(answer(reference, message, context), reply_to=message)

    return app


def answer(reference: Any, message: Message, context: Context) -> Any:
    """Train as ``message`` asks; whatever goes wrong is the client's failure."""
    header, blob = from_content(message.content)
    try:
        setup, model = _of_run(reference)
        download = unpack_download(blob, setup.start)
        client = int(header["client"])
        upload = train_client(setup, model, int(header["round"]), client, download)
        packed, lost = pack_upload(upload, download.params, header["upload"], _residual(context))
        _keep(context, lost)
        return to_content({}, packed)
    except Exception as error:
        return to_content({"failure": one_line(error)}, b"")


def _of_run(reference: Any) -> tuple[LocalSetup, nn.Module]:
    import ray

    from federa.devices import use_plan

    key = reference.hex()
    if key not in _resident:
        _resident.clear()
        setup: LocalSetup = ray.get(reference)
        use_plan(setup.plan)
        _resident[key] = setup, setup.build()[0]
    return _resident[key]


def _residual(context: Context) -> Tensors | None:
    """What the client's last upload lost, which Flower keeps for it."""
    from safetensors.torch import load

    kept = context.state.array_records.get(RESIDUAL)
    return None if kept is None else dict(load(bytes(kept[RESIDUAL].data)))


def _keep(context: Context, lost: Tensors) -> None:
    from flwr.app import Array, ArrayRecord
    from safetensors.torch import save

    if lost:
        content = save({name: value.contiguous() for name, value in lost.items()})
        array = Array("uint8", (len(content),), "safetensors", content)
        context.state[RESIDUAL] = ArrayRecord({RESIDUAL: array})
