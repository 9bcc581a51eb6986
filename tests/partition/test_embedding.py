"""Clusters are spread as classes are."""

from __future__ import annotations

import pytest

from federa.partition import ClientDirichlet, Dirichlet, Embedding
from partition.splitting import split


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_spread_by_the_code_that_spreads_classes(seed: int) -> None:
    clusters = [row % 7 for row in range(210)]
    assert split(Embedding(alpha=0.3, min_examples=5), clusters, 6, seed) == split(
        Dirichlet(alpha=0.3, min_examples=5), clusters, 6, seed
    )
    assert split(Embedding(alpha=0.3, draws="per_client"), clusters, 6, seed) == split(
        ClientDirichlet(alpha=0.3), clusters, 6, seed
    )
