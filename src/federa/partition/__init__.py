"""Who holds which examples: one file a partitioner. A new one is a file, an entry, its test."""

from federa.partition.client_dirichlet import ClientDirichlet
from federa.partition.dirichlet import Dirichlet
from federa.partition.embedding import Embedding
from federa.partition.evaluation import assign_alike, assign_by_name
from federa.partition.iid import Iid
from federa.partition.interface import Partitioner
from federa.partition.natural import Natural
from federa.partition.pathological import Pathological
from federa.partition.quantity import Quantity
from federa.partition.saved import Saved, SavedSplit, read_split, table_digest, write_split

PARTITIONERS = (
    Iid,
    Dirichlet,
    ClientDirichlet,
    Quantity,
    Pathological,
    Natural,
    Embedding,
    Saved,
)

__all__ = [
    "PARTITIONERS",
    "ClientDirichlet",
    "Dirichlet",
    "Embedding",
    "Iid",
    "Natural",
    "Partitioner",
    "Pathological",
    "Quantity",
    "Saved",
    "SavedSplit",
    "assign_alike",
    "assign_by_name",
    "read_split",
    "table_digest",
    "write_split",
]
