"""The work in Flower's simulation runtime (Ray), written as Flower's own example
quickstart-huggingface is: each call of a client loads the model, trains it, and returns arrays.

python benchmarks/peers/flower_sim.py WORKFOLDER [--cpus 2]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# nothing is sent or fetched; read when the packages are imported, also by Ray's workers
os.environ.update(
    FLWR_TELEMETRY_ENABLED="0",
    FLWR_DISABLE_UPDATE_CHECK="1",
    RAY_USAGE_STATS_ENABLED="0",
    HF_HUB_OFFLINE="1",
    RAY_worker_niceness="0",  # by default they yield to all else that runs here
)

import torch
from bare import build_model, load_params, measure_accuracy, read_params, train_steps
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from work import Meter, Work, read_work, read_work_once


class GivenCohorts(FedAvg):
    """Flower's FedAvg with the clients of each round as the work gives them."""

    def __init__(self, work: Work) -> None:
        super().__init__(fraction_evaluate=0.0)  # the server evaluates
        self.work = work

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message to the node of each client of the cohort, which says which client it is."""
        while len(nodes := sorted(grid.get_node_ids())) < len(self.work.num_examples):
            time.sleep(0.1)  # the nodes register while the server starts
        messages = []
        for client in self.work.cohorts[server_round - 1]:
            own = ConfigRecord({"client": client, "server-round": server_round})
            content = RecordDict({"arrays": arrays, "config": own})
            messages.append(Message(content, nodes[client], "train"))
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The mean, of all clients or none."""
        replies = list(replies)
        failed = [reply.error.reason for reply in replies if reply.has_error()]
        if failed or len(replies) < len(self.work.cohorts[server_round - 1]):
            raise RuntimeError(f"round {server_round}: {len(replies)} replies, failures {failed}")
        return super().aggregate_train(server_round, replies)


def make_client_app(folder: Path) -> ClientApp:
    """What every node runs."""
    app = ClientApp()

    @app.train()
    def train(message: Message, _: Context) -> Message:
        torch.set_num_threads(1)  # two clients side by side on two cores
        work, config = read_work_once(folder), message.content["config"]
        model = build_model(work)
        load_params(model, message.content["arrays"].to_torch_state_dict())
        client = int(config["client"])
        train_steps(work, model, work.steps[int(config["server-round"]) - 1, client])
        metrics = MetricRecord({"num-examples": work.num_examples[client]})
        arrays = ArrayRecord(read_params(model))
        content = RecordDict({"arrays": arrays, "metrics": metrics})
        return Message(content=content, reply_to=message)

    return app


def make_server_app(work: Work, meter: Meter, threads: int, outcome: dict[str, Any]) -> ServerApp:
    """Rounds and central evaluation; ``outcome`` gets the final tensors."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, _: Context) -> None:
        torch.set_num_threads(threads)  # of this thread, which is not the main one
        model = build_model(work)

        def evaluate(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            if server_round == 0:
                meter.begin()
                return None
            began = time.perf_counter()
            outcome["params"] = dict(arrays.to_torch_state_dict())
            load_params(model, outcome["params"])
            accuracy = measure_accuracy(model, work.evaluation)
            meter.finish_round(accuracy, time.perf_counter() - began)
            return MetricRecord({"accuracy": accuracy})

        GivenCohorts(work).start(
            grid=grid,
            initial_arrays=ArrayRecord(work.start()),
            num_rounds=len(work.cohorts),
            evaluate_fn=evaluate,
        )

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=" ".join(__doc__.splitlines()[:2]))
    parser.add_argument("folder")
    parser.add_argument("--cpus", type=int, default=2, help="that Ray may use, one a client")
    options = parser.parse_args()
    meter = Meter()
    work = read_work(options.folder)
    outcome: dict[str, Any] = {}
    run_simulation(
        server_app=make_server_app(work, meter, options.cpus, outcome),
        client_app=make_client_app(work.folder),
        num_supernodes=len(work.num_examples),
        backend_config={
            "init_args": {"num_cpus": options.cpus},
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        },
    )
    print(meter.report(work, outcome["params"]))


if __name__ == "__main__":
    main()
