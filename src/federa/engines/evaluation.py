"""Scoring a model on encoded examples, whole, on a subset, and client by client."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from federa.local import EvaluationSet, on_device

if TYPE_CHECKING:
    import numpy
    from torch import nn

    from federa.tasks import Encoded, Task

BATCH_TOKENS = {"cpu": 1024, "cuda": 32768}
"""Tokens, padding included, of one evaluation batch; on a CPU activations should stay in cache."""


def predict_rows(
    task: Task, model: nn.Module, encoded: Encoded, rows: numpy.ndarray, device: str
) -> numpy.ndarray:
    """Predictions [N, ...] for ``rows``, in their order; batches are formed by length."""
    import numpy
    import torch

    lengths = encoded.lengths()[rows]
    budget = BATCH_TOKENS[device.partition(":")[0]]
    order = numpy.argsort(-lengths, kind="stable")
    pieces = []
    with torch.inference_mode():
        begin = 0
        while begin < len(order):
            size = max(1, budget // max(1, int(lengths[order[begin]])))
            chosen = rows[order[begin : begin + size]].tolist()
            batch = on_device(task.collate(encoded, chosen), device)
            pieces.append(task.predict(model, batch).cpu().numpy())
            begin += size
    joined = numpy.concatenate(pieces)
    predictions = numpy.empty_like(joined)
    predictions[order] = joined
    return predictions


def score_split(
    task: Task,
    model: nn.Module,
    split: EvaluationSet,
    device: str,
    *,
    whole: bool,
    per_client: bool,
) -> dict[str, Any]:
    """Scores of one split; a subset brings its ``standard_error``.

    per_client: also the main score of every client that has rows here, their mean, and the mean
    of the worst tenth.
    """
    import numpy

    everything = numpy.arange(len(split.encoded))
    rows = everything if whole or split.subset is None else split.subset
    predictions = predict_rows(task, model, split.encoded, rows, device)
    scores: dict[str, Any] = {**task.score(predictions, split.encoded, rows)}
    scores["num_examples"] = len(rows)
    if len(rows) < len(everything):
        scores["standard_error"] = subset_error(scores[task.main_score], len(rows), len(everything))
    if per_client and split.clients is not None:
        scores["per_client"] = _client_scores(task, split, rows, predictions)
    return scores


def subset_error(share: float, sampled: int, whole: int) -> float:
    """Standard error of a proportion from ``sampled`` of ``whole`` examples, without replacement.

    Exact in expectation for accuracy; for other scores in [0, 1] an approximation.
    """
    correction = (whole - sampled) / max(1, whole - 1)
    return math.sqrt(share * (1 - share) / sampled * correction)


def _client_scores(
    task: Task, split: EvaluationSet, rows: numpy.ndarray, predictions: numpy.ndarray
) -> dict[str, Any]:
    import numpy

    assert split.clients is not None
    position = {int(row): index for index, row in enumerate(rows)}
    scores: dict[str, float] = {}
    for client, owned in enumerate(split.clients):
        here = [position[int(row)] for row in owned if int(row) in position]
        if here:
            found = task.score(predictions[here], split.encoded, rows[here])
            scores[str(client)] = found[task.main_score]
    ordered = sorted(scores.values())
    worst: Sequence[float] = ordered[: math.ceil(len(ordered) / 10)]
    return {
        "mean": float(numpy.mean(ordered)),
        "worst_tenth": float(numpy.mean(worst)),
        "num_clients": len(ordered),
        "scores": scores,
    }
