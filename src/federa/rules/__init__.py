"""How the server merges updates: one file a rule. A new one is a file, an entry, its test."""

from federa.rules.fedavg import FedAvg
from federa.rules.interface import AggregationRule

RULES = (FedAvg,)

__all__ = ["RULES", "AggregationRule", "FedAvg"]
