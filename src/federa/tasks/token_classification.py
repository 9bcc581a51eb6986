"""One tag for each word of a sentence: named entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.errors import ConfigError
from federa.metrics.entities import (
    entity_scores,
    entity_scores_of,
    entity_sums,
    fault_of_entities,
    spans,
    types_of,
)
from federa.metrics.prediction_files import write_tags
from federa.metrics.tallies import common_sums, mean_loss
from federa.registry import RECORD, Integer
from federa.tasks.interface import Predictions
from federa.tasks.sentences import IGNORED, EncodedSentences, encode_sentences

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

    from federa.types import Table

OUTSIDE = 0
"""The number of the tag O, which is always the first."""


@dataclass(frozen=True)
class Entity:
    """An entity: ``text[start:end]`` of the sentence, and the mean probability of its tags."""

    type: str
    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class TaggedText:
    """A sentence with the tag of each word, and the entities that the tags make."""

    text: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    entities: tuple[Entity, ...]


class TokenClassification(BaseModel):
    """Cross-entropy over the tags of words, each at its first token.

    A sentence is tokenised as plain text, its words joined by blanks. One that is longer than
    ``train.max_length`` is read in windows that share ``stride`` tokens, and each word counts in
    the window where the context on its poorer side is largest: no word is ever left out.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("ner", "named_entity_recognition")
    summary: ClassVar[str] = "a tag for each word: named entities (entity F1, surface-form F1)"
    main_score: ClassVar[str] = "f1"
    shown_scores: ClassVar[tuple[str, ...]] = ("f1", "surface_f1")
    inputs: ClassVar[tuple[str, ...]] = ("words",)
    raw_inputs: ClassVar[tuple[str, ...]] = ("text",)
    peft_type: ClassVar[str] = "TOKEN_CLS"
    pipeline: ClassVar[str] = "token-classification"
    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    one_label: ClassVar[bool] = False
    baseline_name: ClassVar[str] = "all O"
    special_tokens: ClassVar[tuple[str, ...]] = ()

    name: Literal["token_classification"] = "token_classification"
    stride: Integer = Field(16, ge=0, description="tokens that windows of a long sentence share")

    def build_model(self, source: str, labels: Sequence[str], seed: int) -> nn.Module:
        """The encoder with a token-classification head."""
        from federa.models import load_model

        return load_model(source, self.auto_class, labels, seed)

    def encode(
        self, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> EncodedSentences:
        """Tokenise ``words`` (with ``tags`` where they are known), or split ``text`` into words.

        Raises: ConfigError if ``max_length`` leaves no room beside ``stride``.
        """
        room = max_length - int(tokenizer.num_special_tokens_to_add())
        if room <= self.stride:
            raise ConfigError(
                f"train.max_length: {max_length} leaves {room} tokens of a window, which must be "
                f"more than task.stride, {self.stride}"
            )
        return encode_sentences(table, labels, tokenizer, room, self.stride)

    def collate(self, encoded: EncodedSentences, windows: Sequence[int]) -> dict[str, Tensor]:
        """input_ids, attention_mask and labels [B, L]."""
        batch = encoded.windows.batch(windows)
        return {**batch, "labels": encoded.windows.padded(encoded.labels, windows, IGNORED)}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Cross-entropy summed over the words that count in each window [B], and their number."""
        from torch.nn.functional import cross_entropy

        logits, labels = self._logits(model, batch), batch["labels"]
        each = cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=IGNORED)
        return each.sum(dim=1), (labels != IGNORED).sum(dim=1).to(each.dtype)

    def predict(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Logits [B, L, number of tags], float32."""
        return self._logits(model, batch).float()

    def _logits(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        logits: Tensor = model(**inputs).logits
        return logits

    def score(
        self, predictions: Predictions, encoded: EncodedSentences, rows: numpy.ndarray
    ) -> dict[str, Any]:
        """Entity scores, accuracy of tags, mean loss of the words that have a token."""
        gold, guess, losses = _tagged(predictions, encoded, rows)
        scores = entity_scores(gold, guess, [encoded.words(row) for row in rows])
        return {**scores, "loss": mean_loss(losses)}

    def tally(
        self, predictions: Predictions, encoded: EncodedSentences, rows: numpy.ndarray
    ) -> dict[str, float]:
        """Hits, guesses and examples of each type of entity, tags, sum of losses of words."""
        gold, guess, losses = _tagged(predictions, encoded, rows)
        return {**losses, **entity_sums(gold, guess, types_of(encoded.label_names))}

    def scores_of(self, sums: Mapping[str, float], labels: Sequence[str]) -> dict[str, Any]:
        """The scores that ``score`` gives, but those of surface forms.

        To count the different forms of a corpus that lies at several sites, they would have to send
        the words of their texts.
        """
        return {**entity_scores_of(sums, types_of(labels)), "loss": mean_loss(sums)}

    def sound_sums(self, sums: object, labels: Sequence[str]) -> str | None:
        """What is wrong with a tally that came from elsewhere, in one line, or None."""
        return fault_of_entities(sums, types_of(labels))

    def decode(
        self, predictions: Predictions, encoded: EncodedSentences, rows: numpy.ndarray
    ) -> list[TaggedText]:
        """The likeliest tag of each word (O for one without a token) and the entities they make.

        Entities are read from the tags as conlleval reads them.
        """
        from scipy.special import softmax

        answers = []
        for row, windows in zip(rows, predictions, strict=True):
            logits, known = _word_logits(windows, encoded, row)
            tags = tuple(encoded.label_names[number] for number in _likeliest(logits, known))
            shares = softmax(logits, axis=1).max(axis=1)
            text, places = encoded.texts[row], encoded.places[encoded.words_of(row)]
            entities = []
            for kind, first, last in spans(tags):
                start, end = int(places[first, 0]), int(places[last, 1])
                score = float(shares[first : last + 1].mean())
                entities.append(Entity(kind, text[start:end], start, end, score))
            answers.append(TaggedText(text, encoded.words(row), tags, tuple(entities)))
        return answers

    def write(self, folder: Path, table: Table, answers: Sequence[TaggedText]) -> list[Path]:
        """predictions.conll and predictions.tsv, for conlleval and WNUT-2017's scorer."""
        return write_tags(folder, table["words"], table["tags"], [list(a.tags) for a in answers])

    def baseline(self, train: EncodedSentences, encoded: EncodedSentences) -> float:
        """Entity F1 of finding nothing."""
        return 0.0

    def check(self, table: Table) -> None:
        """Nothing: the data sets see to the labels."""

    def partition_key(self, table: Table) -> list[Any] | None:
        """A sentence has no one label."""
        return None

    def text_for_clusters(self, table: Table) -> list[str]:
        """The words, joined."""
        return [" ".join(words) for words in table["words"]]

    def passage(self, table: Table) -> list[Any] | None:
        """Each sentence stands for itself."""
        return None

    def label_profile(self, table: Table) -> tuple[str, list[list[str]]]:
        """The types of entity that occur in a sentence."""
        found = [list(dict.fromkeys(kind for kind, _, _ in spans(tags))) for tags in table["tags"]]
        return "entity type", [kinds or ["none"] for kinds in found]


def _tagged(
    predictions: Predictions, encoded: EncodedSentences, rows: numpy.ndarray
) -> tuple[list[list[str]], list[list[str]], dict[str, float]]:
    """The true and the likeliest tags of each sentence, and the sums of losses."""
    import numpy
    from scipy.special import log_softmax

    gold, guess, losses = [], [], [numpy.zeros(0)]
    names = numpy.array(encoded.label_names, dtype=object)
    for row, windows in zip(rows, predictions, strict=True):
        logits, known = _word_logits(windows, encoded, row)
        tags = encoded.tags[encoded.words_of(row)]
        guess.append(names[_likeliest(logits, known)].tolist())
        gold.append(names[tags].tolist())
        likelihood = log_softmax(logits[known], axis=1)
        losses.append(-likelihood[numpy.arange(len(likelihood)), tags[known]])
    return gold, guess, common_sums(len(rows), numpy.concatenate(losses))


def _word_logits(
    windows: Sequence[numpy.ndarray], encoded: EncodedSentences, row: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Logits [words, tags] of a sentence, and whether a word has a token [words]."""
    import numpy

    own = encoded.words_of(row)
    number, size = own.stop - own.start, len(encoded.label_names)
    logits, known = numpy.zeros((number, size)), numpy.zeros(number, dtype=bool)
    offsets = encoded.windows.token_offsets
    for window, values in enumerate(windows, start=int(encoded.windows.window_offsets[row])):
        words = encoded.word_numbers[offsets[window] : offsets[window + 1]]
        here = words >= 0
        logits[words[here]] = values[here]
        known[words[here]] = True
    return logits, known


def _likeliest(logits: numpy.ndarray, known: numpy.ndarray) -> numpy.ndarray:
    """The number of the likeliest tag of each word; O without a token."""
    numbers: numpy.ndarray = logits.argmax(axis=1)
    numbers[~known] = OUTSIDE
    return numbers
