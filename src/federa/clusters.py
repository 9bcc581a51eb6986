"""Clusters of texts by the encoder's own sentence embeddings, for splits without labels.

Source: arXiv 2104.08815 (FedNLP), section 3.2: k-means on sentence embeddings.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from federa.devices import default_device
from federa.errors import ConfigError
from federa.files import cache_folder, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import numpy

LOGGER = logging.getLogger("federa")
BATCH_TOKENS = 2048
MOST_TOKENS = 1 << 20
"""Of a text, where the model has no limit of its own; tokenizers take no number of any size."""
GRID = 1024
"""Embeddings are rounded to 1/GRID before k-means, so that the last bits, in which machines
differ, rarely matter. A text on the border of two clusters may still fall to either: a split that
must be the same elsewhere is saved and loaded."""


def cluster_numbers(
    source: str, texts: Sequence[str], num_clusters: int, max_length: int, seed: int
) -> list[int]:
    """The cluster of each text, numbered by first appearance; k-means from ``seed``, on one thread.

    source: folder or hub id of the encoder; max_length: tokens read of each text, of those that
    the encoder has positions for.
    Raises: ConfigError if there are fewer texts than clusters; ModelError.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    if num_clusters > len(texts):
        raise ConfigError(
            f"partition.num_clusters: {num_clusters} clusters of {len(texts)} training examples; "
            "at most one an example"
        )
    points = embeddings(source, texts, max_length)
    with threadpool_limits(limits=1):
        found = KMeans(num_clusters, n_init=4, random_state=seed % 2**32).fit_predict(points)
    order = {int(cluster): number for number, cluster in enumerate(dict.fromkeys(found.tolist()))}
    return [order[int(cluster)] for cluster in found]


def nearest_clusters(
    source: str,
    train_texts: Sequence[str],
    numbers: Sequence[int],
    texts: Sequence[str],
    max_length: int,
) -> list[int]:
    """Of each of ``texts``, the cluster whose mean embedding in training is nearest.

    numbers: the cluster of each training text, from ``cluster_numbers``.
    Raises: ModelError.
    """
    import numpy

    points, owned = embeddings(source, train_texts, max_length), numpy.asarray(numbers)
    centres = numpy.stack([points[owned == one].mean(axis=0) for one in range(owned.max() + 1)])
    others = embeddings(source, texts, max_length)
    # |x - c|^2 = |x|^2 - 2 x c + |c|^2, of which the first term plays no part
    found = ((centres**2).sum(axis=1) - 2 * others @ centres.T).argmin(axis=1)
    return [int(cluster) for cluster in found]


def embeddings(source: str, texts: Sequence[str], max_length: int) -> numpy.ndarray:
    """Mean of the last hidden states of each text, of length one, rounded to 1/GRID [N, D].

    Kept in the cache folder under a hash of the encoder and the texts.
    Raises: ModelError.
    """
    import numpy

    from federa.models import hash_encoder, load_encoder, load_tokenizer, max_positions

    model, tokenizer = load_encoder(source), load_tokenizer(source)
    most = max_positions(model) or MOST_TOKENS
    encoded = tokenizer(
        list(texts), truncation=True, max_length=min(max_length, most), return_attention_mask=False
    )["input_ids"]
    digest = hashlib.sha256(hash_encoder(model).encode())
    for row in encoded:
        digest.update(numpy.array([len(row), *row], dtype="<i8").tobytes())
    path = cache_folder() / "embeddings" / f"{digest.hexdigest()}.npy"
    kept = _read(path, len(texts))
    if kept is not None:
        return kept
    points = numpy.round(_embed(model, encoded, int(tokenizer.pad_token_id)) * GRID) / GRID
    with suppress(Exception):  # a cache that cannot be written is no reason to stop
        _write(path, points)
    return points


def _embed(model: Any, encoded: list[list[int]], pad_id: int) -> numpy.ndarray:
    import numpy
    import torch

    device = default_device()
    model.to(device)
    order = sorted(range(len(encoded)), key=lambda row: -len(encoded[row]))
    found: numpy.ndarray | None = None
    done = told = 0
    with torch.inference_mode():
        while done < len(order):
            size = max(1, BATCH_TOKENS // max(1, len(encoded[order[done]])))
            rows = order[done : done + size]
            longest = max(1, len(encoded[rows[0]]))
            ids = torch.full((len(rows), longest), pad_id)
            mask = torch.zeros(len(rows), longest, dtype=torch.long)
            for index, row in enumerate(rows):
                ids[index, : len(encoded[row])] = torch.tensor(encoded[row], dtype=torch.long)
                mask[index, : len(encoded[row])] = 1
            mask = mask.to(device)
            hidden = model(input_ids=ids.to(device), attention_mask=mask).last_hidden_state
            summed = (hidden * mask[:, :, None]).sum(dim=1).cpu()
            points = torch.nn.functional.normalize(summed, dim=1).double().numpy()
            if found is None:
                found = numpy.zeros((len(encoded), points.shape[1]))
            found[rows] = points
            done += len(rows)
            if done * 10 // len(order) > told:
                told = done * 10 // len(order)
                LOGGER.info("embedding texts for the split: %d of %d", done, len(order))
    assert found is not None, "there is at least one text"
    return found


def _read(path: Path, num_texts: int) -> numpy.ndarray | None:
    import numpy

    try:
        kept: numpy.ndarray = numpy.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # absent, or damaged: made anew
        return None
    sound = kept.ndim == 2 and len(kept) == num_texts and bool(numpy.isfinite(kept).all())
    return kept if sound else None


def _write(path: Path, points: numpy.ndarray) -> None:
    import io

    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, points)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
