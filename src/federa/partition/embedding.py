"""Skew of meaning: clusters of sentence embeddings are spread over the clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.partition.client_dirichlet import fill_clients
from federa.partition.dirichlet import spread_classes
from federa.partition.shares import refuse_minimum
from federa.registry import RECORD, Integer, Real

if TYPE_CHECKING:
    import numpy


class Embedding(BaseModel):
    """The Dirichlet split over clusters of embeddings, for tasks whose examples have no one label.

    num_clusters: of k-means, over embeddings of at most max_length tokens; draws: ``per_cluster``
    spreads each cluster over the clients as ``dirichlet`` does, ``per_client`` draws each client's
    mixture of clusters as ``client_dirichlet`` does (FedNLP's form, with equal sizes).
    Source: FedNLP, arXiv 2104.08815, section 3.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("embedding_clusters", "cluster_dirichlet")
    summary: ClassVar[str] = "skew of meaning, shares of each embedding cluster ~ Dirichlet(alpha)"
    reads: ClassVar[str] = "cluster"

    name: Literal["embedding"] = "embedding"
    num_clusters: Integer = Field(10, ge=2)
    alpha: Real = Field(0.5, gt=0, le=1e6)
    draws: Literal["per_cluster", "per_client"] = "per_cluster"
    min_examples: Integer = Field(8, gt=0)
    max_length: Integer = Field(128, ge=4, description="tokens")

    def split(
        self, keys: Sequence[Any], num_clients: int, rng: numpy.random.Generator
    ) -> list[numpy.ndarray]:
        """Sorted row numbers of each client; keys are the numbers of the rows' clusters."""
        if self.draws == "per_cluster":
            return spread_classes(keys, num_clients, self.alpha, self.min_examples, rng)
        refuse_minimum(num_clients, self.min_examples, len(keys))
        return fill_clients(keys, num_clients, self.alpha, rng)
