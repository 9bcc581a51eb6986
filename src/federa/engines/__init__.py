"""How clients are trained: one file an engine. A new one is a file, an entry here, its test."""

from federa.engines.auto import Auto
from federa.engines.cohort import Cohort
from federa.engines.flower import Flower
from federa.engines.interface import Engine, Session
from federa.engines.sequential import Sequential

ENGINES = (Auto, Sequential, Cohort, Flower)

__all__ = ["ENGINES", "Auto", "Cohort", "Engine", "Flower", "Sequential", "Session"]
