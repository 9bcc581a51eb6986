"""Configurations for the cohort engine; torch's threads as they were."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from builders import tiny_config, tiny_task_config
from federa.config import RunConfig

SGD = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05}


@pytest.fixture(autouse=True)
def _one_thread_after() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


@pytest.fixture
def make(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path
) -> Callable[..., RunConfig]:
    """The configuration of six unequal clients of a text task, or three of another."""

    def configure(
        engine: dict[str, Any],
        task: str = "text_classification",
        model: str = "bert",
        **changes: Any,
    ) -> RunConfig:
        train = {"batch_size": 4, "epochs": 1, "max_length": 40, "max_grad_norm": 0.5, **SGD}
        evaluation = {"per_client": True, "subset": 5}
        common = {"train": train, "evaluation": evaluation, **changes}
        common["engine"] = {"name": "cohort", "device": "cpu", **engine}
        if task == "text_classification":
            common = {"federation": {"num_clients": 6, "num_rounds": 3}, **common}
            return tiny_config(tiny_model(model), tiny_table, **common)
        return tiny_task_config(task, tiny_model(model), tmp_path, **common)

    return configure
