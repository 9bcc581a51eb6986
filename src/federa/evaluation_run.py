"""Scoring a finished run on a split, with predictions that official scorers read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.checkpoint import LATEST, SPLIT, RunFolder
from federa.devices import default_device
from federa.engines.evaluation import group_scores, predict_rows
from federa.errors import ConfigError, DataError
from federa.export import trained_model
from federa.files import explained
from federa.holding_out import hold_out
from federa.local import EvaluationSet
from federa.partition.saved import read_split
from federa.preparation import group_rows
from federa.registry import shown

if TYPE_CHECKING:
    from federa.types import Table

STATES = ("best", "latest")


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run's state on a whole split, in float32, and the files written.

    main_score and shown_scores name those of ``scores`` that people look at first; baseline: the
    main score of the best guess that ignores the input, where the run is finished.
    """

    split: str
    state: str
    round: int
    num_examples: int
    main_score: str
    shown_scores: tuple[str, ...]
    scores: dict[str, Any]
    baseline_name: str
    baseline: float | None
    files: tuple[Path, ...]


def evaluate_run(
    folder: Path | str,
    split: str = "test",
    *,
    state: str = "best",
    predictions: Path | str | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a state of the run in ``folder`` on every example of ``split``.

    state: ``best`` or ``latest``; predictions: a folder to write the official scorers' files to
    (made if it is not there); watch: called with the windows done and in all. The model is the one
    that ``export`` writes, in float32, so a run with bf16 products may differ in the last digits.
    Raises: FederaError of every kind.
    """
    import numpy

    from federa.models import load_tokenizer

    home = RunFolder.open(Path(folder))
    config, facts = home.config(), home.facts()
    if state not in STATES:
        raise ConfigError(f"--state: {state!r}; allowed: {', '.join(STATES)}")
    target = None if predictions is None else Path(predictions)
    if target is not None:
        with explained(target):
            target.mkdir(parents=True, exist_ok=True)
    server = home.load_best() if state == "best" else home.load_state(LATEST)
    table, group = _table(home, split)
    tokenizer = load_tokenizer(facts.source, config.task.special_tokens)
    device = default_device()
    model = trained_model(config, facts, server).to(device)
    encoded = config.task.encode(table, facts.labels, tokenizer, config.train.max_length)
    rows = numpy.arange(len(encoded))
    found = predict_rows(config.task, model, encoded, rows, device, watch)
    scores = config.task.score(found, encoded, rows)
    groups = group_rows(group, table)
    if groups is not None:
        part = EvaluationSet(encoded, groups=groups)
        scores["groups"] = group_scores(config.task, part, rows, found)
    files: list[Path] = []
    if target is not None:
        answers = config.task.decode(found, encoded, rows)
        files = config.task.write(target, table, answers)
    return Evaluation(
        split=split,
        state=state,
        round=server.round,
        num_examples=len(encoded),
        main_score=config.task.main_score,
        shown_scores=config.task.shown_scores,
        scores=scores,
        baseline_name=config.task.baseline_name,
        baseline=(home.summary() or {}).get("baseline", {}).get(split),
        files=tuple(files),
    )


def _table(home: RunFolder, split: str) -> tuple[Table, str | None]:
    """The examples of ``split``, held out as they were in the run, and the column of groups."""
    config = home.config()
    corpus = config.data.load(config.task.name)
    saved = read_split(home.path / SPLIT)
    saved.require(corpus.train)
    new = [label for label in corpus.labels if label not in home.facts().labels]
    if new:
        raise DataError(
            f"data: {config.data.name} has changed since the run, whose labels lack {shown(new[0])}"
        )
    evaluation, _ = hold_out(config, corpus, saved)
    if split not in evaluation:
        raise ConfigError(
            f"--split: the data set {config.data.name} has no split {split!r}; it has "
            f"{' and '.join(evaluation)}"
        )
    return evaluation[split], corpus.group
