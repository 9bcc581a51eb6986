"""Where examples come from: one file a data set. A new one is a file, an entry, its test."""

from federa.datasets.builtin import ServiceDesk
from federa.datasets.files import Files
from federa.datasets.interface import DataSet
from federa.datasets.semeval2010task8 import SemEval2010Task8

DATASETS = (ServiceDesk, SemEval2010Task8, Files)

__all__ = ["DATASETS", "DataSet", "Files", "SemEval2010Task8", "ServiceDesk"]
