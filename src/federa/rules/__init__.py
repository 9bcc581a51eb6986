"""How the server merges updates: one file a rule. A new one is a file, an entry, its test."""

from federa.rules.fedadam import FedAdam
from federa.rules.fedavg import FedAvg
from federa.rules.fedavgm import FedAvgM
from federa.rules.fedprox import FedProx
from federa.rules.fedyogi import FedYogi
from federa.rules.interface import AggregationRule
from federa.rules.scaffold import Scaffold

RULES = (FedAvg, FedProx, FedAvgM, FedAdam, FedYogi, Scaffold)

__all__ = [
    "RULES",
    "AggregationRule",
    "FedAdam",
    "FedAvg",
    "FedAvgM",
    "FedProx",
    "FedYogi",
    "Scaffold",
]
