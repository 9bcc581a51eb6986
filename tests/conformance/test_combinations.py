"""Every method, rule and architecture together, and the page in the docs that says what holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.combinations import (
    HOLDS,
    TABLE,
    Bench,
    Outcomes,
    configure,
    one_client_equals_local_training,
    outcomes,
    small,
    write_table,
)
from federa.methods import METHODS, Lora
from federa.rules import FedProx
from federa.types import Tensors
from tiny import ARCHITECTURES

FOUND: Outcomes = {}


@pytest.mark.parametrize("record", METHODS, ids=lambda record: record().name)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_rule(
    tiny_model: Callable[[str], str],
    tiny_table: Path,
    tmp_path: Path,
    architecture: str,
    record: type[Any],
) -> None:
    found = outcomes(tiny_model(architecture), architecture, small(record), tiny_table, tmp_path)
    page = TABLE.read_text(encoding="utf-8")
    for (method, rule, _), outcome in found.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {method} | {rule} |")]
        shown = row.strip("| ").split(" | ")[2 + ARCHITECTURES.index(architecture)]
        assert (shown == HOLDS) == (outcome == HOLDS), f"{method}, {rule}, {architecture}"
        assert outcome == HOLDS or outcome in page
    FOUND.update(found)


def test_the_page_is_what_was_found() -> None:
    if len({architecture for _, _, architecture in FOUND}) < len(ARCHITECTURES):
        pytest.skip("needs the other tests of this file in the same process")
    assert TABLE.read_text(encoding="utf-8") == write_table(FOUND)


class Forgetful(FedProx):
    """A rule whose client half was forgotten."""

    def adjust_gradients(self, gradients: Tensors, params: Tensors, download: Any) -> Tensors:
        return gradients


def test_the_checks_catch_a_broken_rule(
    tiny_model: Callable[[str], str], tiny_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conformance.combinations.NEUTRAL", {"fedprox": Forgetful(mu=1.0)})
    config = configure(tiny_model("bert"), tiny_table, Lora(rank=4), FedProx())
    trial = Bench.build(tiny_model("bert"), tiny_table, Lora(rank=4)).under(FedProx(), config)
    with pytest.raises(AssertionError):
        one_client_equals_local_training(trial)
