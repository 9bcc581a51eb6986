"""The built-in corpus: messages to a service desk."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel

from federa.registry import RECORD
from federa.types import Corpus, Table


class ServiceDesk(BaseModel):
    """Messages that staff of a fictional organisation send to its service desk.

    Written for this project; train and test share no phrasing. It needs no files and no network.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("builtin", "demo")
    summary: ClassVar[str] = "built-in corpus: messages to a service desk, 14 labels"
    task: ClassVar[str] = "text_classification"

    name: Literal["servicedesk"] = "servicedesk"

    def load(self) -> Corpus:
        """Train and test; no development split."""
        from federa.datasets.servicedesk_corpus import LABELS, compose

        def table(split: Literal["train", "test"]) -> Table:
            messages = compose(split)
            return {
                "id": [message.id for message in messages],
                "text": [message.text for message in messages],
                "label": [message.label for message in messages],
            }

        return Corpus(train=table("train"), test=table("test"), labels=LABELS)
