"""Scores of answers to questions: exact match and word F1, as SQuAD and MRQA count them."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence

from federa.metrics.tallies import Limit, fault_of_sums, ratio

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(answer: str) -> str:
    """Lower case, without ASCII punctuation and English articles, single blanks between words.

    Punctuation goes first and leaves no blank ("a-b" is "ab"); other punctuation, such as curly
    quotes, stays.
    Source: evaluate-v1.1.py and evaluate-v2.0.py of SQuAD (arXiv 1606.05250, 1806.03822) and
    mrqa_official_eval.py of MRQA, which agree.
    """
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, reference: str) -> float:
    """1 if both are the same when normalised, else 0."""
    return float(normalised(answer) == normalised(reference))


def word_f1(answer: str, reference: str) -> float:
    """F1 of the normalised words that both share, each as often as it occurs in both.

    Where one has no words left it is 0, even if neither has, as in SQuAD 1.1 and MRQA.
    """
    found, wanted = normalised(answer).split(), normalised(reference).split()
    shared = sum((Counter(found) & Counter(wanted)).values())
    return 2 * shared / (len(found) + len(wanted)) if shared else 0.0


def answer_scores(
    answers: Sequence[str], references: Sequence[Sequence[str]], unanswerable: bool = False
) -> dict[str, float]:
    """Mean ``exact_match`` and ``f1`` over the questions, each against its best reference.

    A question without a reference wants the empty answer. unanswerable: count as SQuAD 2.0 does:
    references that are empty when normalised do not count. With it, or where a question has no
    reference, there are also ``has_answer_f1``, ``has_answer_exact_match`` and
    ``no_answer_accuracy`` (NoAns_exact, and NoAns_f1, which is the same), where there are such
    questions. No questions at all score 0.
    The official scripts give per cent.
    Source: evaluate-v1.1.py and mrqa_official_eval.py (which count alike); evaluate-v2.0.py at its
    default threshold, which leaves every answer as it is.
    """
    return answer_scores_of(answer_sums(answers, references, unanswerable), unanswerable)


def answer_sums(
    answers: Sequence[str], references: Sequence[Sequence[str]], unanswerable: bool = False
) -> dict[str, float]:
    """Questions with and without a reference, and what ``answer_scores`` counts of each kind."""
    has, none = [], []
    for answer, texts in zip(answers, references, strict=True):
        if texts:
            has.append((_best_or_none if unanswerable else _best)(answer, texts))
        else:
            none.append(exact_match(answer, ""))
    return {
        "has_answer/examples": float(len(has)),
        "has_answer/f1_sum": float(sum(f1 for f1, _ in has)),
        "has_answer/exact_match_sum": float(sum(exact for _, exact in has)),
        "no_answer/examples": float(len(none)),
        "no_answer/correct": float(sum(none)),
    }


def answer_scores_of(sums: Mapping[str, float], unanswerable: bool = False) -> dict[str, float]:
    """The scores of ``answer_scores`` from added-up ``answer_sums``."""
    has, none = sums["has_answer/examples"], sums["no_answer/examples"]
    right = sums["no_answer/correct"]
    found = {name: sums[f"has_answer/{name}_sum"] for name in ("f1", "exact_match")}
    scores = {name: ratio(value + right, has + none) for name, value in found.items()}
    if has and (unanswerable or none):
        scores |= {f"has_answer_{name}": ratio(value, has) for name, value in found.items()}
    if none:
        scores["no_answer_accuracy"] = ratio(right, none)
    return scores


def fault_of_answers(sums: object) -> str | None:
    """What is wrong with sums that came from elsewhere, in one line, or None."""
    has, none = "has_answer/examples", "no_answer/examples"
    exact, f1, right = "has_answer/exact_match_sum", "has_answer/f1_sum", "no_answer/correct"
    limits = [
        Limit((has, none), "num_examples", exactly=True),
        Limit(("num_examples",), "loss_count"),  # a question has a window or more
        Limit((exact,), has),
        Limit((f1,), has),
        Limit((right,), none),
    ]
    return fault_of_sums(sums, (has, none, exact, right), (f1,), limits)


def macro_average(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean of each score over data sets, each of which counts alike, whatever its size.

    scores: of each data set, the same names in each.
    Source: the ranking of MRQA 2019, by mean F1 (arXiv 1910.09753).
    """
    names = next(iter(scores.values()), {})
    return {name: sum(part[name] for part in scores.values()) / len(scores) for name in names}


def _best(answer: str, references: Sequence[str]) -> tuple[float, float]:
    """F1 and exact match, each against the reference that is best for it."""
    return (
        max(word_f1(answer, reference) for reference in references),
        max(exact_match(answer, reference) for reference in references),
    )


def _best_or_none(answer: str, references: Sequence[str]) -> tuple[float, float]:
    """The same where no answer, the empty text, may be right (SQuAD 2.0)."""
    real = [reference for reference in references if normalised(reference)]
    if real:
        return _best(answer, real)
    right = exact_match(answer, "")
    return right, right
