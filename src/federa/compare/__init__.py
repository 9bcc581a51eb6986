"""Many runs that differ in one thing at a time: a grid of methods, settings and seeds."""

from federa.compare.plan import Cell, Comparison
from federa.compare.runner import Outcome, compare

__all__ = ["Cell", "Comparison", "Outcome", "compare"]
