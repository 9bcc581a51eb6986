"""What is trained: one file a method. A new one is a file, an entry here, and its test."""

from federa.methods.federa import Federa
from federa.methods.full import Full
from federa.methods.interface import PeftMethod
from federa.methods.lora import Lora

METHODS = (Federa, Lora, Full)

__all__ = ["METHODS", "Federa", "Full", "Lora", "PeftMethod"]
