"""Scoring a model on encoded examples, whole, on a subset, and client by client."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from federa.local import EvaluationSet, on_device
from federa.metrics.answers import macro_average
from federa.tasks.windows import windows_of

if TYPE_CHECKING:
    import numpy
    from torch import nn

    from federa.tasks import Encoded, Predictions, Task

BATCH_TOKENS = {"cpu": 1024, "cuda": 32768}
"""Tokens, padding included, of one evaluation batch; on a CPU activations should stay in cache."""


def predict_rows(
    task: Task,
    model: nn.Module,
    encoded: Encoded,
    rows: numpy.ndarray,
    device: str,
    watch: Callable[[int, int], None] | None = None,
) -> list[list[numpy.ndarray]]:
    """What the model says of each window of each of ``rows``.

    watch: called with the windows done and in all. A prediction with one entry a token, [L, D], is
    cut to the window's own tokens.
    """
    batches = evaluation_batches(encoded, rows, device)
    return windows_by_row(
        encoded, rows, predict_batches(task, model, encoded, batches, device, watch)
    )


def evaluation_batches(encoded: Encoded, rows: numpy.ndarray, device: str) -> list[list[int]]:
    """The windows of ``rows`` in batches of like length, the longest first."""
    import numpy

    windows, lengths = windows_of(encoded.windows.window_offsets, rows), encoded.windows.lengths()
    budget = BATCH_TOKENS[device.partition(":")[0]]
    order = windows[numpy.argsort(-lengths[windows], kind="stable")]
    batches, begin = [], 0
    while begin < len(order):
        size = max(1, budget // max(1, int(lengths[order[begin]])))
        batches.append(order[begin : begin + size].tolist())
        begin += size
    return batches


def predict_batches(
    task: Task,
    model: nn.Module,
    encoded: Encoded,
    batches: Sequence[Sequence[int]],
    device: str,
    watch: Callable[[int, int], None] | None = None,
    prepare: Callable[[Sequence[int]], None] | None = None,
) -> dict[int, numpy.ndarray]:
    """What the model says of each window of ``batches``, by window; see ``predict_rows``.

    prepare: called with the windows of each batch before it is read.
    """
    import torch

    lengths, total = encoded.windows.lengths(), sum(map(len, batches))
    found: dict[int, numpy.ndarray] = {}
    with torch.inference_mode():
        for chosen in batches:
            if prepare is not None:
                prepare(chosen)
            batch = on_device(task.collate(encoded, chosen), device)
            output = task.predict(model, batch).cpu().numpy()
            for window, values in zip(chosen, output, strict=True):
                found[window] = values[: lengths[window]] if values.ndim == 2 else values
            if watch is not None:
                watch(len(found), total)
    return found


def windows_by_row(
    encoded: Encoded, rows: numpy.ndarray, found: Mapping[int, numpy.ndarray]
) -> list[list[numpy.ndarray]]:
    """The predictions of each row's windows, from those of every window."""
    offsets = encoded.windows.window_offsets
    return [[found[w] for w in range(offsets[row], offsets[row + 1])] for row in rows]


def score_split(
    task: Task,
    predict: Callable[[Encoded, numpy.ndarray], Predictions],
    split: EvaluationSet,
    *,
    whole: bool,
    per_client: bool,
) -> dict[str, Any]:
    """Scores of one split; a subset brings its ``standard_error``, named groups bring ``groups``.

    predict: what a model says of each window of some rows, such as ``predict_rows`` of one;
    per_client: also the main score of every client that has rows here, their mean, and the mean
    of the worst tenth.
    """
    import numpy

    everything = numpy.arange(len(split.encoded))
    rows = everything if whole or split.subset is None else split.subset
    predictions = predict(split.encoded, rows)
    scores: dict[str, Any] = {**task.score(predictions, split.encoded, rows)}
    scores["num_examples"] = len(rows)
    if len(rows) < len(everything):
        scores["standard_error"] = subset_error(scores[task.main_score], len(rows), len(everything))
    if split.groups is not None:
        scores["groups"] = group_scores(task, split, rows, predictions)
    if per_client and split.clients is not None:
        scores["per_client"] = _client_scores(task, split, rows, predictions)
    return scores


def subset_error(share: float, sampled: int, whole: int) -> float:
    """Standard error of a proportion from ``sampled`` of ``whole`` examples, without replacement.

    Exact in expectation for accuracy; for other scores in [0, 1] an approximation.
    """
    correction = (whole - sampled) / max(1, whole - 1)
    return math.sqrt(share * (1 - share) / sampled * correction)


def _scores_of(
    task: Task,
    split: EvaluationSet,
    rows: numpy.ndarray,
    predictions: Predictions,
    wanted: Mapping[str, numpy.ndarray],
) -> dict[str, dict[str, Any]]:
    """Scores of each named part of the rows; a part that has none here is left out."""
    position = {int(row): index for index, row in enumerate(rows)}
    found = {}
    for name, owned in wanted.items():
        here = [position[int(row)] for row in owned if int(row) in position]
        if here:
            chosen = [predictions[index] for index in here]
            scores = task.score(chosen, split.encoded, rows[here])
            found[name] = {**scores, "num_examples": len(here)}
    return found


def group_scores(
    task: Task, split: EvaluationSet, rows: numpy.ndarray, predictions: Predictions
) -> dict[str, Any]:
    """The shown scores of each group, and their mean over the groups, each counting alike."""
    assert split.groups is not None
    found = _scores_of(task, split, rows, predictions, split.groups)
    names = (*task.shown_scores, "num_examples")
    scores = {group: {name: part[name] for name in names} for group, part in found.items()}
    mean = macro_average(scores)
    return {"mean": {name: mean[name] for name in task.shown_scores}, "scores": scores}


def _client_scores(
    task: Task, split: EvaluationSet, rows: numpy.ndarray, predictions: Predictions
) -> dict[str, Any]:
    assert split.clients is not None
    wanted = {str(client): owned for client, owned in enumerate(split.clients)}
    found = _scores_of(task, split, rows, predictions, wanted)
    return spread({client: part[task.main_score] for client, part in found.items()})


def spread(scores: Mapping[str, float]) -> dict[str, Any]:
    """The scores of each client, their mean, and the mean of the worst tenth."""
    import numpy

    ordered = sorted(scores.values())
    worst: Sequence[float] = ordered[: math.ceil(len(ordered) / 10)]
    return {
        "mean": float(numpy.mean(ordered)),
        "worst_tenth": float(numpy.mean(worst)),
        "num_clients": len(ordered),
        "scores": dict(scores),
    }
