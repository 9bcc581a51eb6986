"""The built-in corpus: messages to a service desk, their entities, and questions on its notes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from federa.errors import DataError
from federa.registry import RECORD
from federa.types import Corpus, Table

Split = Literal["train", "test"]


class ServiceDesk(BaseModel):
    """The service desk of a fictional organisation: messages to it, and the notes that it keeps.

    text_classification: messages, by what is asked for; token_classification: the names in these
    messages, which are drawn from longer lists; question_answering: questions on short notes.
    Written for this project; train and test share no phrasing and no names. It needs no files and
    no network.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("builtin", "demo")
    summary: ClassVar[str] = (
        "built-in corpus: messages to a service desk, 14 labels; names; questions"
    )
    tasks: ClassVar[tuple[str, ...]] = (
        "text_classification",
        "token_classification",
        "question_answering",
    )

    name: Literal["servicedesk"] = "servicedesk"

    def task_settings(self) -> dict[str, Any]:
        """Nothing: the tasks' own defaults fit."""
        return {}

    def load(self, task: str) -> Corpus:
        """Train and test for one of ``tasks``; no development split.

        Raises: DataError if there is no such task.
        """
        if task == "text_classification":
            from federa.datasets.servicedesk_corpus import LABELS

            return Corpus(_messages("train"), LABELS, test=_messages("test"))
        if task == "token_classification":
            train = _words("train")
            return Corpus(train, _tag_names(train), test=_words("test"))
        if task == "question_answering":
            return Corpus(_questions("train"), (), test=_questions("test"))
        raise DataError(f"data: servicedesk is for {', '.join(self.tasks)}, not {task!r}")


def _messages(split: Split) -> Table:
    from federa.datasets.servicedesk_corpus import compose

    messages = compose(split)
    return {
        "id": [message.id for message in messages],
        "text": [message.text for message in messages],
        "label": [message.label for message in messages],
    }


def _words(split: Split) -> Table:
    """One row a message, as in text classification: both tasks split over clients alike."""
    from federa.datasets.servicedesk_corpus import compose, tagged

    messages = compose(split, more_names=True)
    rows = [tagged(message) for message in messages]
    return {
        "id": [message.id for message in messages],
        "words": [words for words, _ in rows],
        "tags": [tags for _, tags in rows],
        "label": [message.label for message in messages],
    }


def _tag_names(table: Table) -> tuple[str, ...]:
    found = {tag for tags in table["tags"] for tag in tags}
    return ("O", *sorted(found - {"O"}))


def _questions(split: Split) -> Table:
    from federa.datasets.servicedesk_questions import compose

    questions = compose(split)
    contexts: dict[str, str] = {}  # one object a passage, however many questions it has
    return {
        "id": [question.id for question in questions],
        "kind": [question.kind for question in questions],
        "title": [question.title for question in questions],
        "question": [question.text for question in questions],
        "context": [contexts.setdefault(item.context, item.context) for item in questions],
        "answers": [[{"text": item.answer, "start": item.start}] for item in questions],
        "references": [[item.answer] for item in questions],
    }
