"""Where examples come from: one file a data set. A new one is a file, an entry, its test."""

from federa.datasets.builtin import ServiceDesk
from federa.datasets.files import Files
from federa.datasets.interface import DataSet
from federa.datasets.mrqa import Mrqa
from federa.datasets.newsgroups import TwentyNewsgroups
from federa.datasets.ploner import Ploner
from federa.datasets.semeval2010task8 import SemEval2010Task8
from federa.datasets.sites import Sites
from federa.datasets.squad import Squad
from federa.datasets.wnut2017 import Wnut2017

DATASETS = (
    ServiceDesk,
    TwentyNewsgroups,
    SemEval2010Task8,
    Wnut2017,
    Ploner,
    Squad,
    Mrqa,
    Files,
    Sites,
)

__all__ = [
    "DATASETS",
    "DataSet",
    "Files",
    "Mrqa",
    "Ploner",
    "SemEval2010Task8",
    "ServiceDesk",
    "Sites",
    "Squad",
    "TwentyNewsgroups",
    "Wnut2017",
]
