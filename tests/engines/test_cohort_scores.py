"""The cohort engine's scores and predictions against the sequential one's."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy
import pytest

from conformance.combinations import small
from engines.sessions import ONE, TWO, moved, trained
from federa.config import RunConfig
from federa.engines.cohort import CohortSession
from federa.engines.evaluation import evaluation_batches, predict_batches
from federa.engines.sequential import SequentialSession
from federa.local import load_params
from federa.methods import METHODS
from federa.preparation import prepare

TASKS = ("text_classification", "token_classification", "question_answering")
EVERY = [
    pytest.param(architecture, record, id=f"{architecture}-{record().name}")
    for architecture, records in (
        ("bert", METHODS),
        ("modernbert", [record for record in METHODS if record().name in ("federa", "lora")]),
        ("deberta-v2", [record for record in METHODS if record().name == "federa"]),
    )
    for record in records
]


def require_same_scores(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            require_same_scores(found[name], value)
    else:
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("architecture", "record"), EVERY)
def test_scores_and_predictions_equal_the_sequential_ones(
    make: Callable[..., RunConfig], architecture: str, record: type[Any], task: str
) -> None:
    """With adapters folded into the weights, after training moved them, twice."""
    config = make(ONE, task=task, model=architecture, method=small(record))
    setup, start, *_ = prepare(config)
    session, plain = CohortSession(setup), SequentialSession(setup)
    part = setup.evaluation["validation"]
    assert part.subset is not None
    encoded, rows = part.encoded, numpy.arange(len(part.encoded))
    batches = evaluation_batches(encoded, rows, "cpu")
    batches = [batch[::2] for batch in batches] + [batch[1::2] for batch in batches if batch[1:]]
    for state in (moved(start), start, moved(moved(start))):
        for whole, per_client in ((True, True), (False, True), (False, False)):
            options = {"whole": whole, "per_client": per_client}
            wanted = plain.evaluate(state, ["validation"], **options)
            require_same_scores(session.evaluate(state, ["validation"], **options), wanted)
        found = session.worker.predict(state.params, "validation", batches)
        load_params(plain.model, state.params)
        told = predict_batches(setup.task, plain.model, encoded, batches, "cpu")
        assert found.keys() == told.keys()
        for window, values in told.items():
            assert found[window].shape == values.shape
            numpy.testing.assert_allclose(found[window], values, rtol=1e-4, atol=1e-5)
        trained(session, {0: setup.rule.download(state, 0)})  # which leaves scoring alone


@pytest.mark.parametrize("task", TASKS)
def test_scores_from_workers(make: Callable[..., RunConfig], task: str) -> None:
    setup, state, *_ = prepare(make(TWO, task=task))
    state = moved(state)
    with closing(CohortSession(setup)) as session:
        assert session.pool is not None
        for whole, per_client in ((True, True), (False, True), (True, False)):
            options = {"whole": whole, "per_client": per_client}
            found = session.evaluate(state, ["validation"], **options)
            wanted = SequentialSession(setup).evaluate(state, ["validation"], **options)
            require_same_scores(found, wanted)
            assert found == session.evaluate(state, ["validation"], **options)
