"""Who holds which examples: one file a partitioner. A new one is a file, an entry, its test."""

from federa.partition.dirichlet import Dirichlet
from federa.partition.evaluation import assign_alike, assign_by_name
from federa.partition.iid import Iid
from federa.partition.interface import Partitioner
from federa.partition.natural import Natural

PARTITIONERS = (Iid, Dirichlet, Natural)

__all__ = [
    "PARTITIONERS",
    "Dirichlet",
    "Iid",
    "Natural",
    "Partitioner",
    "assign_alike",
    "assign_by_name",
]
