"""Answers to questions as spans of a passage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.errors import ConfigError, DataError
from federa.metrics.answers import answer_scores, answer_scores_of, answer_sums, fault_of_answers
from federa.metrics.prediction_files import write_answers
from federa.metrics.tallies import common_sums, mean_loss
from federa.registry import RECORD, Flag, Integer, Real
from federa.tasks.answer_spans import Span, best_spans
from federa.tasks.interface import Predictions
from federa.tasks.questions import EncodedQuestions, encode_questions

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

    from federa.types import Table

_QUESTION_WORD = re.compile(r"\b(how (many|much)|how|what|who(m|se)?|when|where|why|which)\b")
_SPELLINGS = {"whom": "who", "whose": "who"}


@dataclass(frozen=True)
class Answer:
    """``context[start:end]``, the likeliest answer, or nothing if the passage seems to hold none.

    score: its probability among the alternatives, the best spans found; no_answer: the probability
    that there is none, where the task allows for that.
    """

    id: str
    question: str
    answer: str
    start: int
    end: int
    score: float
    alternatives: tuple[Span, ...]
    no_answer: float | None


class QuestionAnswering(BaseModel):
    """Cross-entropy of the first and the last token of the answer, over windows of the passage.

    stride: tokens that neighbouring windows share, best no fewer than an answer has;
    max_question_tokens: a longer question is cut; max_answer_tokens: the longest answer that is
    considered; num_best: alternatives kept; unanswerable: a question may have no answer (SQuAD
    2.0), which is given when its score exceeds the best span's by more than null_threshold.
    Source: the treatment of SQuAD in BERT, arXiv 1810.04805, sections 4.2 and 4.3.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ("qa", "extractive_qa")
    summary: ClassVar[str] = "the span of a passage that answers a question (F1, exact match)"
    main_score: ClassVar[str] = "f1"
    shown_scores: ClassVar[tuple[str, ...]] = ("f1", "exact_match")
    inputs: ClassVar[tuple[str, ...]] = ("question", "context")
    raw_inputs: ClassVar[tuple[str, ...]] = ("question", "context")
    peft_type: ClassVar[str] = "QUESTION_ANS"
    pipeline: ClassVar[str] = "question-answering"
    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    one_label: ClassVar[bool] = False
    baseline_name: ClassVar[str] = "no answer"
    special_tokens: ClassVar[tuple[str, ...]] = ()

    name: Literal["question_answering"] = "question_answering"
    stride: Integer = Field(32, ge=0, description="tokens that windows of a passage share")
    max_question_tokens: Integer = Field(64, gt=0)
    max_answer_tokens: Integer = Field(30, gt=0)
    num_best: Integer = Field(20, gt=0, le=1000)
    unanswerable: Flag = False
    null_threshold: Real = 0.0

    def build_model(self, source: str, labels: Sequence[str], seed: int) -> nn.Module:
        """The encoder with a head that gives each token two numbers."""
        from federa.models import load_model

        return load_model(source, self.auto_class, (), seed)

    def encode(
        self, table: Table, labels: Sequence[str], tokenizer: Any, max_length: int
    ) -> EncodedQuestions:
        """Tokenise each question with its passage, in as many windows as that takes.

        Raises: ConfigError if ``max_length`` leaves no room for the passage beside the longest
        question allowed, whether or not there is one, so that a trained model answers any.
        """
        special = int(tokenizer.num_special_tokens_to_add(pair=True))
        room = max_length - self.max_question_tokens - special
        if room <= self.stride:
            raise ConfigError(
                f"train.max_length: {max_length} leaves {max(0, room)} tokens of the passage "
                f"beside a question of task.max_question_tokens, {self.max_question_tokens}, and "
                f"{special} special ones; it must leave more than task.stride, {self.stride}"
            )
        return encode_questions(table, tokenizer, max_length, self.stride, self.max_question_tokens)

    def collate(self, encoded: EncodedQuestions, windows: Sequence[int]) -> dict[str, Tensor]:
        """input_ids, attention_mask, token_type_ids where there are segments [B, L]; targets."""
        import torch

        targets = torch.from_numpy(encoded.targets[list(windows)])
        return {**encoded.windows.batch(windows), "targets": targets}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean cross-entropy of first and last token of each window [B], and ones [B]."""
        from torch.nn.functional import cross_entropy

        logits, targets = self._logits(model, batch), batch["targets"]
        each = cross_entropy(logits, targets, reduction="none")
        sums = each.mean(dim=1)
        return sums, sums.new_ones(sums.shape)

    def predict(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Logits of being first and last token [B, L, 2], float32."""
        return self._logits(model, batch).float()

    def _logits(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """[B, L, 2]; padding cannot be an answer."""
        import torch

        inputs = {name: value for name, value in batch.items() if name != "targets"}
        output = model(**inputs)
        logits = torch.stack([output.start_logits, output.end_logits], dim=2)
        padding = batch["attention_mask"][:, :, None] == 0
        return logits.masked_fill(padding, torch.finfo(logits.dtype).min)

    def score(
        self, predictions: Predictions, encoded: EncodedQuestions, rows: numpy.ndarray
    ) -> dict[str, Any]:
        """F1 and exact match against the best reference; apart for questions without an answer."""
        return self.scores_of(self.tally(predictions, encoded, rows), ())

    def tally(
        self, predictions: Predictions, encoded: EncodedQuestions, rows: numpy.ndarray
    ) -> dict[str, float]:
        """Questions with and without an answer, what is right of each, sum of losses of windows."""
        assert encoded.references is not None, "what is scored has references"
        texts = []
        for row, windows in zip(rows, predictions, strict=True):
            found, null = self._found(windows, encoded, int(row), 1)
            empty = self._is_empty(found, null)
            texts.append("" if empty else encoded.contexts[row][found[0][0] : found[0][1]])
        references = [encoded.references[row] for row in rows]
        common = common_sums(len(rows), _losses(predictions, encoded, rows))
        return common | answer_sums(texts, references, self.unanswerable)

    def scores_of(self, sums: Mapping[str, float], labels: Sequence[str]) -> dict[str, Any]:
        """The scores that ``score`` gives."""
        return {**answer_scores_of(sums, self.unanswerable), "loss": mean_loss(sums)}

    def sound_sums(self, sums: object, labels: Sequence[str]) -> str | None:
        """What is wrong with a tally that came from elsewhere, in one line, or None."""
        return fault_of_answers(sums)

    def decode(
        self, predictions: Predictions, encoded: EncodedQuestions, rows: numpy.ndarray
    ) -> list[Answer]:
        """The best span of each question over all windows of its passage.

        A span lies inside the passage and has at most ``max_answer_tokens`` tokens; its score is
        the sum of its two logits, the best of the windows that hold it. BERT's rule that a token
        counts only in its window of most context is not used: an answer at a window's edge is seen
        whole by the neighbour, and the better of the two counts.
        """
        return [
            self._answer(windows, encoded, int(row))
            for row, windows in zip(rows, predictions, strict=True)
        ]

    def _found(
        self, windows: Sequence[numpy.ndarray], encoded: EncodedQuestions, row: int, number: int
    ) -> tuple[list[tuple[int, int, float]], float]:
        """The best spans, and the score of there being no answer: the least over the windows.

        Source: run_squad.py of BERT, which takes the minimum of the null scores.
        """
        owned = range(
            int(encoded.windows.window_offsets[row]), int(encoded.windows.window_offsets[row + 1])
        )
        places = [encoded.places_of(window) for window in owned]
        null = min(
            float(logits[encoded.nulls[window]].sum())
            for window, logits in zip(owned, windows, strict=True)
        )
        return best_spans(windows, places, self.max_answer_tokens, number), null

    def _is_empty(self, found: Sequence[tuple[int, int, float]], null: float) -> bool:
        """Whether the answer is that there is none."""
        return not found or (self.unanswerable and null - found[0][2] > self.null_threshold)

    def _answer(
        self, windows: Sequence[numpy.ndarray], encoded: EncodedQuestions, row: int
    ) -> Answer:
        import numpy

        found, null = self._found(windows, encoded, row, self.num_best)
        scores = numpy.array([score for _, _, score in found] + [null] * self.unanswerable)
        shares = numpy.exp(scores - scores.max(initial=-numpy.inf))
        shares /= shares.sum()
        context, none = encoded.contexts[row], float(shares[-1]) if self.unanswerable else None
        alternatives = tuple(
            Span(context[start:end], start, end, share)
            for (start, end, _), share in zip(found, shares.tolist(), strict=False)
        )
        empty = self._is_empty(found, null)
        best = Span("", 0, 0, none or 0.0) if empty else alternatives[0]
        return Answer(
            id=encoded.names[row],
            question=encoded.questions[row],
            answer=best.text,
            start=best.start,
            end=best.end,
            score=best.score,
            alternatives=alternatives,
            no_answer=none,
        )

    def write(self, folder: Path, table: Table, answers: Sequence[Answer]) -> list[Path]:
        """predictions.json, nbest.json and, where some have no answer, na_prob.json."""
        none = {answer.id: answer.no_answer or 0.0 for answer in answers}
        return write_answers(
            folder,
            {answer.id: answer.answer for answer in answers},
            {answer.id: _alternatives(answer) for answer in answers},
            none if self.unanswerable else None,
        )

    def baseline(self, train: EncodedQuestions, encoded: EncodedQuestions) -> float:
        """F1 of answering nothing."""
        assert encoded.references is not None, "what is scored has references"
        return answer_scores([""] * len(encoded), encoded.references, self.unanswerable)["f1"]

    def check(self, table: Table) -> None:
        """Raises: DataError for a question without an answer, unless ``unanswerable``."""
        for name, references in zip(table["id"], table["references"], strict=True):
            if not references and not self.unanswerable:
                raise DataError(
                    f"data: question {name} has no answer; set task.unanswerable to true"
                )

    def partition_key(self, table: Table) -> list[Any] | None:
        """A question has no label."""
        return None

    def text_for_clusters(self, table: Table) -> list[str]:
        """The question and its answer, as in FedNLP (arXiv 2104.08815)."""
        answers = table.get("answers") or [[]] * len(table["question"])
        return [
            question.strip() + (f" {found[0]['text']}" if found else "")
            for question, found in zip(table["question"], answers, strict=True)
        ]

    def passage(self, table: Table) -> list[Any] | None:
        """The passage: questions on one are held out together."""
        return table["context"]

    def label_profile(self, table: Table) -> tuple[str, list[list[str]]]:
        """The question word."""
        return "question word", [[_question_word(question)] for question in table["question"]]


def _alternatives(answer: Answer) -> list[dict[str, Any]]:
    """The alternatives in the words of nbest.json, "" for no answer, the likeliest first."""
    spans = list(answer.alternatives)
    if answer.no_answer is not None:
        spans.append(Span("", 0, 0, answer.no_answer))
    return [
        {"text": span.text, "start": span.start, "end": span.end, "probability": span.score}
        for span in sorted(spans, key=lambda span: -span.score)
    ]


def _losses(given: Predictions, encoded: EncodedQuestions, rows: numpy.ndarray) -> list[float]:
    """The training loss of each window."""
    import numpy
    from scipy.special import log_softmax

    losses = []
    for row, windows in zip(rows, given, strict=True):
        for window, values in enumerate(windows, start=int(encoded.windows.window_offsets[row])):
            likelihood = log_softmax(values.astype(numpy.float64), axis=0)
            first, last = encoded.targets[window]
            losses.append(-float(likelihood[first, 0] + likelihood[last, 1]) / 2)
    return losses


def _question_word(question: str) -> str:
    """The first question word, wherever it stands (in which year)."""
    found = _QUESTION_WORD.search(" ".join(question.lower().split()))
    return _SPELLINGS.get(found[0], found[0]) if found else "other"
