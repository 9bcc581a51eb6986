"""Embedding clusters: of the encoder itself, cached, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from federa.clusters import GRID, cluster_numbers, embeddings
from federa.errors import ConfigError
from federa.files import cache_folder
from federa.models import hash_encoder, load_encoder, load_tokenizer

TEXTS = [
    *(f"please reset my password again {number}" for number in range(8)),
    *(f"the printer is out of paper {number}" for number in range(8)),
]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "embeddings"


def test_an_embedding_is_the_mean_of_the_last_states_at_length_one(
    tiny_model: Callable[[str], str], own_cache: Path
) -> None:
    source = tiny_model("bert")
    points = embeddings(source, TEXTS[:3], 16)
    model, tokenizer = load_encoder(source), load_tokenizer(source)
    for text, point in zip(TEXTS[:3], points, strict=True):
        with torch.inference_mode():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = states.mean(dim=0).double().numpy()
        assert numpy.abs(point - mean / numpy.linalg.norm(mean)).max() <= 0.5 / GRID + 1e-5


def test_texts_alike_share_a_cluster_and_numbers_follow_first_appearance(
    tiny_model: Callable[[str], str], own_cache: Path
) -> None:
    found = cluster_numbers(tiny_model("bert"), TEXTS, 2, 16, seed=3)
    assert found == [0] * 8 + [1] * 8
    mixed = [TEXTS[8], TEXTS[0], TEXTS[9], TEXTS[1]]
    assert cluster_numbers(tiny_model("bert"), mixed, 2, 16, seed=3) == [0, 1, 0, 1]


def test_embeddings_are_kept_and_a_damaged_file_is_made_anew(
    tiny_model: Callable[[str], str], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_model("bert")
    first = embeddings(source, TEXTS, 16)
    (kept,) = own_cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert numpy.array_equal(embeddings(source, TEXTS, 16), first)
    numpy.save(kept, first[::-1])
    assert numpy.array_equal(embeddings(source, TEXTS, 16), first[::-1])  # read, not made
    assert len(list(own_cache.iterdir())) == 1
    embeddings(source, TEXTS[:-1], 16)
    embeddings(tiny_model("roberta"), TEXTS, 16)
    assert len(list(own_cache.iterdir())) == 3  # other texts, another encoder


def test_a_cache_that_cannot_be_written_stops_nothing(
    tiny_model: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("FEDERA_CACHE", str(tmp_path / "file"))
    assert cache_folder() == tmp_path / "file"
    assert len(embeddings(tiny_model("bert"), TEXTS[:4], 16)) == 4


def test_more_clusters_than_texts_are_refused(tiny_model: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError, match=r"partition.num_clusters: 5 clusters of 4 training"):
        cluster_numbers(tiny_model("bert"), TEXTS[:4], 5, 16, seed=1)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta-v2", "modernbert"])
def test_an_encoder_alone_hashes_as_it_does_below_a_head(
    tiny_model: Callable[[str], str], architecture: str
) -> None:
    from builders import load_classifier

    folder = tiny_model(architecture)
    assert hash_encoder(load_encoder(folder)) == hash_encoder(load_classifier(folder, "ab", 1))
