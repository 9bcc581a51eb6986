"""FedAvg against numbers worked out by hand."""

import torch

from federa.rules import FedAvg
from federa.types import Download, Layout, Upload

LAYOUT = Layout(shared=("w",), head=())
SIZES = {0: 30, 3: 7, 4: 10}


def upload(client: int, value: float, num_examples: int) -> Upload:
    return Upload(client, {"w": torch.tensor([value, -value])}, num_examples)


def test_merge_is_the_mean_weighted_by_examples() -> None:
    rule = FedAvg()
    state = rule.start({"w": torch.tensor([1.0, 1.0])}, LAYOUT, SIZES)
    merged = rule.merge(state, [upload(0, 2.0, 30), upload(4, 6.0, 10)])
    assert merged.params["w"].tolist() == [3.0, -3.0]  # 0.75 * 2 + 0.25 * 6
    assert merged.round == 1
    assert state.params["w"].tolist() == [1.0, 1.0], "the old state is left as it was"
    assert merged.start["w"].tolist() == [1.0, 1.0]


def test_one_client_is_taken_over() -> None:
    rule = FedAvg()
    state = rule.start({"w": torch.tensor([1.0, 1.0])}, LAYOUT, SIZES)
    assert rule.merge(state, [upload(3, 0.5, 7)]).params["w"].tolist() == [0.5, -0.5]


def test_client_half_adds_nothing() -> None:
    rule, gradients = FedAvg(), {"w": torch.ones(2)}
    download = Download(params={"w": torch.zeros(2)})
    assert rule.adjust_gradients(gradients, {}, download) is gradients
    assert rule.finish({}, download, 3, 0.1) == {}
    assert rule.fault({}, 3, 0.1) is None
    assert rule.fault({"x": torch.ones(1)}, 3, 0.1) == "has an unknown x"
    state = rule.start({"w": torch.ones(2)}, LAYOUT, SIZES)
    assert rule.download(state, 5).params is state.params
