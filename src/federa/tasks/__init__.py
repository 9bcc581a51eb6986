"""What is learned: one file a task. A new one is a file, an entry here, and its test."""

from federa.tasks.interface import Encoded, Task
from federa.tasks.text_classification import TextClassification

TASKS = (TextClassification,)

__all__ = ["TASKS", "Encoded", "Task", "TextClassification"]
