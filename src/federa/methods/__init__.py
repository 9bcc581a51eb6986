"""What is trained: one file a method. A new one is a file, an entry here, and its test."""

from federa.methods.bitfit import BitFit
from federa.methods.federa import Federa
from federa.methods.full import Full
from federa.methods.houlsby import Houlsby
from federa.methods.interface import PeftMethod
from federa.methods.lora import Lora
from federa.methods.pfeiffer import Pfeiffer

METHODS = (Federa, Lora, BitFit, Houlsby, Pfeiffer, Full)

__all__ = ["METHODS", "BitFit", "Federa", "Full", "Houlsby", "Lora", "PeftMethod", "Pfeiffer"]
