"""How clients are trained: one file an engine. A new one is a file, an entry here, its test."""

from federa.engines.interface import Engine, Session
from federa.engines.sequential import Sequential

ENGINES = (Sequential,)

__all__ = ["ENGINES", "Engine", "Sequential", "Session"]
