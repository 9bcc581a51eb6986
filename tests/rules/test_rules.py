"""Every rule against numbers worked out by hand, over two rounds."""

from dataclasses import replace

import pytest
import torch

from federa.rules import FedAdam, FedAvgM, FedProx, FedYogi, Scaffold
from federa.rules.interface import AggregationRule
from federa.types import Download, Layout, ServerState, Upload

LAYOUT = Layout(shared=("w",), head=())
SIZES = {0: 30, 1: 10, 2: 60}
START = {"w": torch.tensor([1.0, -2.0])}


def uploads(state: ServerState, *moves: list[float]) -> list[Upload]:
    """Clients 0 and 1, who moved by ``moves`` from the broadcast; they count 3 to 1."""
    return [
        Upload(client, {"w": state.params["w"] + torch.tensor(move)}, SIZES[client])
        for client, move in enumerate(moves)
    ]


def two_rounds(rule: AggregationRule) -> tuple[ServerState, ServerState]:
    """Mean changes D1 = [0.4, -0.8] and D2 = [-0.2, 0.4]: 3/4 of the first, 1/4 of the second."""
    state = rule.start(START, LAYOUT, SIZES)
    first = rule.merge(state, uploads(state, [0.4, -1.2], [0.4, 0.4]))
    second = rule.merge(first, uploads(first, [-0.4, 0.4], [0.4, 0.4]))
    assert state.params["w"].tolist() == [1.0, -2.0], "the old state is left as it was"
    assert (first.round, second.round) == (1, 2)
    return first, second


def close(found: torch.Tensor, wanted: list[float]) -> None:
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-6, rtol=1e-5)


def test_fedprox_averages_and_pulls_to_the_broadcast() -> None:
    rule = FedProx(mu=0.5)
    first, second = two_rounds(rule)
    close(first.params["w"], [1.4, -2.8])
    close(second.params["w"], [1.2, -2.4])
    download = rule.download(first, 0)
    at = {"w": torch.tensor([2.0, -2.8], requires_grad=True)}
    adjusted = rule.adjust_gradients({"w": torch.tensor([1.0, 1.0])}, at, download)
    close(adjusted["w"], [1.3, 1.0])  # 1 + 0.5 (2 - 1.4), 1 + 0.5 * 0
    assert not adjusted["w"].requires_grad


def test_fedavgm_keeps_a_velocity() -> None:
    first, second = two_rounds(FedAvgM(learning_rate=0.5, momentum=0.9))
    close(first.params["w"], [1.2, -2.4])  # v = D1
    close(first.memory["velocity/w"], [0.4, -0.8])
    close(second.memory["velocity/w"], [0.16, -0.32])  # 0.9 * D1 + D2
    close(second.params["w"], [1.28, -2.56])


def test_fedadam() -> None:
    first, second = two_rounds(FedAdam(learning_rate=0.1, beta_1=0.9, beta_2=0.99, tau=0.1))
    # m1 = 0.1 D1; v1 = 0.99 * 0.01 + 0.01 * D1^2
    close(first.memory["first/w"], [0.04, -0.08])
    close(first.memory["second/w"], [0.0115, 0.0163])
    # w1 = w0 + 0.1 m1 / (sqrt(v1) + 0.1): sqrt 0.1072381, 0.1276715
    close(first.params["w"], [1.0 + 0.004 / 0.2072381, -2.0 - 0.008 / 0.2276715])
    # m2 = 0.9 m1 + 0.1 D2 = [0.016, -0.032]; v2 = 0.99 v1 + 0.01 D2^2 = [0.011785, 0.017737]
    close(second.memory["first/w"], [0.016, -0.032])
    close(second.memory["second/w"], [0.011785, 0.017737])
    step = [0.0016 / (0.1085587 + 0.1), -0.0032 / (0.1331803 + 0.1)]
    close(second.params["w"] - first.params["w"], step)


def test_fedyogi() -> None:
    first, second = two_rounds(FedYogi(learning_rate=0.1, beta_1=0.9, beta_2=0.99, tau=0.5))
    # v0 = 0.25; D1^2 = [0.16, 0.64]: v1 = 0.25 - 0.0016 (v > D^2), 0.25 + 0.0064 (v < D^2)
    close(first.memory["second/w"], [0.2484, 0.2564])
    close(first.params["w"], [1.0 + 0.004 / (0.4983974 + 0.5), -2.0 - 0.008 / (0.5063596 + 0.5)])
    # D2^2 = [0.04, 0.16], both below v1
    close(second.memory["second/w"], [0.248, 0.2548])
    close(second.memory["first/w"], [0.016, -0.032])


@pytest.mark.parametrize("rule", [FedAdam(tau=0.25), FedYogi(tau=0.25)], ids=lambda rule: rule.name)
def test_second_moments_start_at_tau_squared(rule: FedAdam | FedYogi) -> None:
    memory = rule.start(START, LAYOUT, SIZES).memory
    assert memory["second/w"].tolist() == [0.0625, 0.0625]
    assert memory["first/w"].tolist() == [0.0, 0.0]


def test_scaffold_over_two_rounds() -> None:
    rule = Scaffold(learning_rate=1.0)
    state = rule.start(START, LAYOUT, SIZES)
    assert rule.download(state, 0).extra["w"].tolist() == [0.0, 0.0]
    # both take K = 4 steps of 0.05: K eta = 0.2
    lengths = [rule.finish({}, rule.download(state, c), 4, 0.05) for c in (0, 1)]
    assert float(lengths[0]["path_length"]) == pytest.approx(0.2)
    sent = uploads(state, [0.4, -1.2], [0.4, 0.4])
    first = rule.merge(state, [replace(u, extra=e) for u, e in zip(sent, lengths, strict=True)])
    close(first.params["w"], [1.4, -2.8])
    # c_k = (w - y_k) / 0.2; c = 0.3 c_0 + 0.1 c_1: client 2 holds 60 of the 100 examples
    close(first.memory["control 0/w"], [-2.0, 6.0])
    close(first.memory["control 1/w"], [-2.0, -2.0])
    close(first.memory["control/w"], [-0.8, 1.6])
    close(rule.download(first, 0).extra["w"], [1.2, -4.4])
    close(rule.download(first, 2).extra["w"], [-0.8, 1.6])
    adjusted = rule.adjust_gradients({"w": torch.tensor([1.0, 1.0])}, {}, rule.download(first, 0))
    close(adjusted["w"], [2.2, -3.4])
    # client 1 alone moves by [0.1, -0.3] with K eta = 0.1: c_1+ = c_1 - c + [-1, 3]
    moved = {"w": first.params["w"] + torch.tensor([0.1, -0.3])}
    upload = Upload(1, moved, 10, extra={"path_length": torch.tensor(0.1)})
    second = rule.merge(first, [upload])
    close(second.params["w"], [1.5, -3.1])
    close(second.memory["control 1/w"], [-2.0 + 0.8 - 1.0, -2.0 - 1.6 + 3.0])
    close(second.memory["control/w"], [-0.8 + 0.1 * (0.8 - 1.0), 1.6 + 0.1 * (-1.6 + 3.0)])
    close(second.memory["control 0/w"], [-2.0, 6.0])


def test_scaffold_controls_become_the_clients_gradients() -> None:
    """On quadratics f_k = (w - a_k)^2 / 2 the optimum is the weighted mean of the a_k, where plain
    averaging of clients with unequal numbers of steps does not end."""
    rule, rate, goals = Scaffold(), 0.1, {0: 1.0, 1: -4.0, 2: 2.0}
    state = rule.start({"w": torch.zeros(1)}, LAYOUT, SIZES)
    for _ in range(200):
        answers = []
        for client, goal in goals.items():
            download = rule.download(state, client)
            w, steps = download.params["w"].clone(), 2 + 3 * client
            for _ in range(steps):
                gradient = rule.adjust_gradients({"w": w - goal}, {"w": w}, download)["w"]
                w = w - rate * gradient
            extra = rule.finish({"w": w}, download, steps, rate)
            answers.append(Upload(client, {"w": w}, SIZES[client], extra=extra))
        state = rule.merge(state, answers)
    best = sum(SIZES[client] * goal for client, goal in goals.items()) / 100
    assert float(state.params["w"]) == pytest.approx(best, abs=1e-3)
    for client, goal in goals.items():
        own = float(state.memory[f"control {client}/w"])
        assert own == pytest.approx(best - goal, abs=1e-2)
    assert float(state.memory["control/w"]) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ({}, "must return the scalar path_length"),
        ({"path_length": torch.ones(2)}, "must return the scalar"),
        ({"path_length": torch.tensor(1.0), "x": torch.ones(1)}, "nothing else"),
        ({"path_length": torch.tensor(0.0)}, "is 0, expected 0.1 a step for at most 4 steps"),
        ({"path_length": torch.tensor(-0.4)}, "is -0.4, expected"),
        ({"path_length": torch.tensor(1e-40)}, "expected 0.1 a step"),
        ({"path_length": torch.tensor(0.05)}, "is 0.05, expected"),
        ({"path_length": torch.tensor(0.5)}, "is 0.5, expected"),
        ({"path_length": torch.tensor(float("nan"))}, "is nan, expected"),
        ({"path_length": torch.tensor(0.1, dtype=torch.float64)}, "is torch.float64"),
        ({"path_length": torch.tensor(0.1 + 1j)}, "is torch.complex64"),
        ({"path_length": torch.tensor(1)}, "is torch.int64"),
    ],
)
def test_scaffold_refuses_a_path_that_the_client_cannot_have_gone(
    extra: dict[str, torch.Tensor], fault: str
) -> None:
    """Four steps of 0.1 at most: the server divides by what the client says."""
    assert fault in str(Scaffold().fault(extra, 4, 0.1))
    for length in (0.1, 0.2, 0.4):
        assert Scaffold().fault({"path_length": torch.tensor(length)}, 4, 0.1) is None


@pytest.mark.parametrize("rule", [FedProx(), FedAvgM(), FedAdam(), FedYogi()], ids=lambda r: r.name)
def test_rules_without_extras(rule: AggregationRule) -> None:
    download = Download(params=START)
    assert rule.finish({}, download, 3, 0.1) == {}
    assert rule.fault({}, 3, 0.1) is None
    assert rule.fault({"x": torch.ones(1)}, 3, 0.1) == "has an unknown x"
    gradients = {"w": torch.ones(2)}
    assert rule.adjust_gradients(gradients, START, download)["w"].tolist() == [1.0, 1.0]
    state = rule.start(START, LAYOUT, SIZES)
    assert rule.download(state, 1).params is state.params


@pytest.mark.parametrize(
    "rule",
    [FedProx(mu=0.1), FedAvgM(), FedAdam(), FedYogi(), Scaffold()],
    ids=lambda rule: rule.name,
)
def test_the_client_half_is_elementwise(rule: AggregationRule) -> None:
    """With a leading cohort axis the adjusted gradients are those of each client apart."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda: torch.randn(3, 2, 4, generator=generator)  # noqa: E731
    gradients, params, broadcast, extra = (draw() for _ in range(4))
    together = rule.adjust_gradients(
        {"w": gradients}, {"w": params}, Download({"w": broadcast}, extra={"w": extra})
    )["w"]
    for client in range(3):
        alone = rule.adjust_gradients(
            {"w": gradients[client]},
            {"w": params[client]},
            Download({"w": broadcast[client]}, extra={"w": extra[client]}),
        )["w"]
        assert torch.equal(together[client], alone)
