"""What is learned: one file a task. A new one is a file, an entry here, and its test."""

from federa.tasks.interface import Encoded, Predictions, Task
from federa.tasks.question_answering import Answer, QuestionAnswering
from federa.tasks.text_classification import Prediction, TextClassification
from federa.tasks.token_classification import Entity, TaggedText, TokenClassification

TASKS = (TextClassification, TokenClassification, QuestionAnswering)

__all__ = [
    "TASKS",
    "Answer",
    "Encoded",
    "Entity",
    "Prediction",
    "Predictions",
    "QuestionAnswering",
    "TaggedText",
    "Task",
    "TextClassification",
    "TokenClassification",
]
