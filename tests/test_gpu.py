"""What only a GPU shows: rounds whose tensors live on the device."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import tiny_config
from federa import load, run
from federa.methods import METHODS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
RULES: list[tuple[Any, dict[str, Any]]] = [
    ({"name": "fedprox", "mu": 0.1}, {"learning_rate": 0.01}),
    ("scaffold", {"learning_rate": 0.1, "optimizer": "sgd"}),
]


@pytest.mark.parametrize(("rule", "train"), RULES, ids=["fedprox", "scaffold"])
@pytest.mark.parametrize("method", [record().name for record in METHODS])
def test_a_run_on_the_device_is_close_to_one_on_the_cpu(
    tiny_model: Callable[[str], str],
    tiny_table: Path,
    tmp_path: Path,
    method: str,
    rule: Any,
    train: dict[str, Any],
) -> None:
    """With decay, so that the start is on the device too."""
    steps = {"max_steps": 2, "batch_size": 4, "max_length": 24, "weight_decay": 0.1}
    losses = []
    for device in ("cpu", "cuda"):
        config = tiny_config(
            tiny_model("bert"),
            tiny_table,
            name=device,
            method=method,
            rule=rule,
            train=steps | train,
            engine={"device": device, "threads": 1},
        )
        result = run(config, folder=tmp_path)
        losses.append(result.records[-1].scores["validation"]["loss"])
        assert result.summary["num_failures"] == 0
        assert result.records[-1].peak_memory_bytes
        assert load(result.folder).predict(["the printer"])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
