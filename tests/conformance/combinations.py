"""What every method, rule and architecture promise together, and the table of what holds.

python tests/conformance/combinations.py     rewrites docs/combinations.md from these checks
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import load_classifier, tiny_config, write_tiny_table
from federa.checkpoint import RunFolder
from federa.config import RunConfig
from federa.engines.sequential import SequentialSession
from federa.errors import ConfigError
from federa.local import LocalSetup, batches
from federa.methods import METHODS, PeftMethod
from federa.models import quiet_transformers
from federa.preparation import prepare
from federa.progress import Silent
from federa.rounds import run_round
from federa.rules import RULES, AggregationRule, FedAdam, FedAvgM, FedProx, FedYogi
from federa.types import ClientFailure, Download, Layout, ServerState, Tensors, Upload

TABLE = Path(__file__).parents[2] / "docs" / "combinations.md"
NUM_CLIENTS, PER_ROUND = 4, 2

SGD = {"optimizer": "sgd", "learning_rate": 0.2}
ADAMW = {"optimizer": "adamw", "learning_rate": 0.01}
TAU = 1e3
NEUTRAL: dict[str, AggregationRule] = {
    "fedprox": FedProx(mu=1.0),  # strong enough to be missed
    "fedavgm": FedAvgM(momentum=0),
    # beside tau^2 a move's square is nothing: in the second round v is 0.99^2 tau^2, so that the
    # step is the move times 1.99 tau / (0.99 tau + tau)
    "fedadam": FedAdam(learning_rate=TAU * 1.99, beta_1=0, beta_2=0.99, tau=TAU),
    "fedyogi": FedYogi(learning_rate=TAU * 2, beta_1=0, beta_2=0.99, tau=TAU),
}
"""Settings with which a server optimiser takes over, in round 2, what one client returns."""


def small(record: type[Any]) -> PeftMethod:
    """A method at a size that fits the tiny models."""
    sizes = {"rank": 4, "width": 4}
    return record(**{key: size for key, size in sizes.items() if key in record.model_fields})


def configure(model: str, table: Path, method: PeftMethod, rule: AggregationRule) -> RunConfig:
    """A run that lasts moments: four clients, two a round, two steps each."""
    train = SGD if "plain_sgd" in rule.traits else ADAMW
    return tiny_config(
        model,
        table,
        method=method,
        rule=rule,
        partition={"name": "dirichlet", "alpha": 1.0, "min_examples": 8},
        federation={"num_clients": NUM_CLIENTS, "clients_per_round": PER_ROUND, "num_rounds": 6},
        evaluation={"every": 100},
        train={"max_steps": 2, "batch_size": 2, "max_length": 12, "max_grad_norm": 0.5, **train},
    )


@dataclass
class Bench:
    """A method attached to an architecture, ready for any rule; built once for all of them."""

    setup: LocalSetup
    session: SequentialSession
    layout: Layout

    @classmethod
    def build(cls, model: str, table: Path, method: PeftMethod) -> Bench:
        """Raises: ConfigError where the method cannot train the model."""
        setup, state, *_ = prepare(configure(model, table, method, RULES[0]()))
        return cls(setup, SequentialSession(setup), state.layout)

    def under(self, rule: AggregationRule, config: RunConfig) -> Trial:
        """The same federation under ``rule``."""
        setup = replace(self.setup, rule=rule, train=config.train)
        self.session.setup = setup
        sizes = {client: len(rows) for client, rows in enumerate(setup.clients)}
        return Trial(config, setup, self.session, rule.start(setup.start, self.layout, sizes))


@dataclass
class Trial:
    """One combination: its configuration and its state before the first round."""

    config: RunConfig
    setup: LocalSetup
    session: Any
    start: ServerState

    def rounds(self, state: ServerState, number: int, session: Any = None) -> ServerState:
        """``number`` rounds from ``state``."""
        for _ in range(number):
            state, _ = run_round(self.config, self.setup, session or self.session, state, Silent())
        return state


@dataclass
class Changed:
    """A session whose answers pass through ``change``."""

    session: SequentialSession
    change: Callable[[list[Upload | ClientFailure]], list[Upload | ClientFailure]]

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        yield from self.change(list(self.session.train(round, work)))

    def evaluate(self, *arguments: Any, **named: Any) -> Any:
        return self.session.evaluate(*arguments, **named)

    def present(self, at_least: int) -> Any:
        return self.session.present(at_least)

    def size(self, client: int) -> Any:
        return self.session.size(client)

    def other_peak_bytes(self) -> int:
        return self.session.other_peak_bytes()

    def evaluation_bytes(self) -> tuple[int, int]:
        return self.session.evaluation_bytes()


def same(first: ServerState, second: ServerState) -> bool:
    """Whether two states are equal to the last bit."""
    groups = [(first.params, second.params), (first.memory, second.memory)]
    return first.round == second.round and all(
        list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a) for a, b in groups
    )


def start_is_a_no_op(trial: Trial) -> None:
    """The federation begins with the function of the pre-trained model under its fresh head."""
    plain = load_classifier(trial.setup.source, trial.setup.labels, trial.setup.seed)
    trial.session.evaluate(trial.start, ["validation"], whole=True, per_client=False)
    task, encoded = trial.config.task, trial.setup.examples
    batch = task.collate(encoded, range(8))
    with torch.inference_mode():
        wanted, found = task.predict(plain, batch), task.predict(trial.session.model, batch)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def difference(found: Tensors, wanted: Tensors, start: Tensors) -> float:
    """||found - wanted|| / ||wanted - start||, over all tensors."""
    apart = sum(float((found[name] - value).square().sum()) for name, value in wanted.items())
    move = sum(float((value - start[name]).square().sum()) for name, value in wanted.items())
    return (apart / move) ** 0.5


def plain_training(trial: Trial, state: ServerState, client: int) -> Tensors:
    """What ``client`` should return: a loop of its own, the rule's term as its paper writes it."""
    setup, rule, train = trial.setup, trial.config.rule, trial.config.train
    model = load_classifier(setup.source, setup.labels, setup.seed)
    layout = trial.config.method.attach(model, setup.start)
    for name in layout.shared:
        model.get_parameter(name).data.copy_(state.params[name])
    parameters = {name: model.get_parameter(name) for name in layout.shared}
    values = list(parameters.values())
    optimizer = torch.optim.SGD(values, lr=train.learning_rate)
    for rows in batches(setup, state.round, client):
        sums, counts = trial.config.task.loss(
            model, trial.config.task.collate(setup.examples, rows)
        )
        optimizer.zero_grad()
        (sums.sum() / counts.sum()).backward()
        torch.nn.utils.clip_grad_norm_(values, train.max_grad_norm)
        for name, parameter in parameters.items():
            if parameter.grad is None:
                continue
            if rule.name == "fedprox":
                parameter.grad += rule.mu * (parameter.detach() - state.params[name])
            if rule.name == "scaffold":
                own = state.memory.get(f"control {client}/{name}", torch.zeros(()))
                parameter.grad += state.memory[f"control/{name}"] - own
        optimizer.step()
    return {name: parameter.detach() for name, parameter in parameters.items()}


def one_client_equals_local_training(trial: Trial) -> None:
    """A round of one client ends where that client's own training ends, also in a later round.

    With SGD, since AdamW turns the rounding of gradients that are zero (those of a key's bias) into
    steps of full size.
    """
    rule = NEUTRAL.get(trial.config.rule.name, trial.config.rule)
    train = trial.config.train.model_copy(update=SGD)
    config = trial.config.model_copy(update={"rule": rule, "train": train})
    trial = replace(trial, config=config, setup=replace(trial.setup, rule=rule, train=train))
    trial.session.setup, before = trial.setup, trial.session.setup
    sizes = {client: len(rows) for client, rows in enumerate(trial.setup.clients)}
    state = rule.start(trial.setup.start, trial.start.layout, sizes)
    state = trial.rounds(state, 1)
    for client in (0, 3):
        (upload,) = trial.session.train(state.round, {client: rule.download(state, client)})
        assert isinstance(upload, Upload), upload
        wanted = plain_training(trial, state, client)
        assert difference(upload.params, wanted, state.params) < 1e-4
        merged = rule.merge(state, [upload])
        assert difference(merged.params, upload.params, state.params) < 1e-4
    trial.session.setup = before


class Backwards(Changed):
    """A session that trains the clients in the opposite order, and so returns them."""

    def train(self, round: int, work: Mapping[int, Download]) -> Iterator[Upload | ClientFailure]:
        for client in sorted(work, reverse=True):
            yield from self.session.train(round, {client: work[client]})


def order_does_not_matter(trial: Trial) -> None:
    """Clients that train and answer in another order give the same bits."""
    backwards = Backwards(trial.session, list)
    assert same(trial.rounds(trial.start, 2), trial.rounds(trial.start, 2, backwards))


def three_and_three_rounds_equal_six(trial: Trial, folder: Path) -> None:
    """A state that went through its file goes on to the same bits."""
    whole = trial.rounds(trial.start, 6)
    home = RunFolder(folder)
    home.path.mkdir(parents=True, exist_ok=True)
    home.save_start(trial.start)
    home.save_state(trial.rounds(trial.start, 3))
    assert same(trial.rounds(home.load_state(), 3), whole)
    moved = [not torch.equal(whole.params[n], v) for n, v in trial.start.params.items()]
    assert any(moved), "six rounds changed something"


def a_failing_client_is_survived(trial: Trial) -> None:
    """The round ends as if the client had not been asked, and the next one is sound."""
    state = trial.rounds(trial.start, 1)
    asked: list[Upload] = []

    def fail_first(answers: list[Upload | ClientFailure]) -> list[Upload | ClientFailure]:
        asked.extend(answer for answer in answers if isinstance(answer, Upload))
        return [ClientFailure(answers[0].client, "power cut"), *answers[1:]]

    session = Changed(trial.session, fail_first)
    after, record = run_round(trial.config, trial.setup, session, state, Silent())
    assert [failure.reason for failure in record.failures] == ["power cut"]
    assert len(asked) == PER_ROUND
    assert same(after, replace(trial.config.rule.merge(state, asked[1:]), contacted=frozenset()))
    assert all(bool(value.isfinite().all()) for value in trial.rounds(after, 1).params.values())


def check(trial: Trial, folder: Path) -> None:
    """Everything that a combination promises.

    Raises: AssertionError.
    """
    start_is_a_no_op(trial)
    one_client_equals_local_training(trial)
    order_does_not_matter(trial)
    three_and_three_rounds_equal_six(trial, folder)
    a_failing_client_is_survived(trial)


HOLDS = "yes"
Outcomes = dict[tuple[str, str, str], str]
"""By method, rule and architecture: ``HOLDS``, or why the configuration refuses it."""


def outcomes(model: str, architecture: str, method: PeftMethod, table: Path, to: Path) -> Outcomes:
    """Check ``method`` under every rule on one architecture; ``to`` is a folder for checkpoints."""
    found: Outcomes = {}
    bench: Bench | str
    try:
        bench = Bench.build(model, table, method)
    except ConfigError as error:
        bench = str(error)
    for record in RULES:
        rule = record()
        if isinstance(bench, Bench):
            config = configure(model, table, method, rule)
            check(bench.under(rule, config), to / f"{architecture}-{method.name}-{rule.name}")
        found[method.name, rule.name, architecture] = HOLDS if isinstance(bench, Bench) else bench
    return found


def write_table(found: Outcomes) -> str:
    """The page in the docs."""
    from tiny import ARCHITECTURES

    reasons = [reason for reason in dict.fromkeys(found.values()) if reason != HOLDS]
    lines = [
        "# Which combinations hold",
        "",
        "Written by `python tests/conformance/combinations.py`; the test suite makes every check",
        "again and compares. **yes** means, on a tiny model of the architecture: the start changes",
        "nothing; a round of one client equals that client's local training; the order of answers",
        "does not matter; three rounds, a checkpoint and three more equal six, to the last bit; a",
        "failing client is survived. A number is a combination that is refused before anything is",
        "written, with the reason below.",
        "",
        "| method | rule | " + " | ".join(ARCHITECTURES) + " |",
        "|---|---|" + "---|" * len(ARCHITECTURES),
    ]
    for method in map(small, METHODS):
        for record in RULES:
            name = record().name
            cells = [found[method.name, name, architecture] for architecture in ARCHITECTURES]
            shown = [c if c == HOLDS else f"no ({reasons.index(c) + 1})" for c in cells]
            lines.append(f"| {method.name} | {name} | " + " | ".join(shown) + " |")
    lines += ["", *(f"{number}. `{reason}`" for number, reason in enumerate(reasons, start=1))]
    lines += ["", "Refused for every method and architecture:", ""]
    for record in RULES:
        if "plain_sgd" in record().traits:
            try:
                RunConfig.parse({"data": "servicedesk", "rule": record().name})
            except ConfigError as error:
                lines.append(f"* {record().name} with `train.optimizer: adamw`: `{error}`")
    count = sum(value == HOLDS for value in found.values())
    lines += ["", f"{count} of {len(found)} combinations hold, {len(found) - count} are refused."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Check everything and rewrite the page."""
    from tiny import ARCHITECTURES, save_tiny

    torch.set_num_threads(1)
    found: Outcomes = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = write_tiny_table(folder / "train.csv")
        with quiet_transformers():
            models = {kind: str(save_tiny(kind, folder / kind)) for kind in ARCHITECTURES}
        for architecture, method in product(ARCHITECTURES, map(small, METHODS)):
            found |= outcomes(models[architecture], architecture, method, table, folder / "runs")
            print(f"{len(found)} combinations, to {architecture} {method.name}", file=sys.stderr)
    TABLE.write_text(write_table(found), encoding="utf-8")


if __name__ == "__main__":
    main()
