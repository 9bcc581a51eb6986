"""What the official scorers do with their files, said once more and independently, as oracles."""

from __future__ import annotations

import json
import re
import string
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

RELATION = re.compile(
    r"(Cause-Effect|Component-Whole|Content-Container|Entity-Destination|Entity-Origin|"
    r"Instrument-Agency|Member-Collection|Message-Topic|Product-Producer)\((e1,e2|e2,e1)\)"
)


def semeval2010task8(predictions: Path, key: Path) -> float:
    """The official percentage that semeval2010_task8_scorer-v1.2.pl prints, unrounded."""
    guesses, truth = _read_labels(predictions), _read_labels(key)
    assert set(guesses) <= set(truth)
    matrix: dict[tuple[str, str], int] = defaultdict(int)
    proposed: Counter[str] = Counter()
    for number, guess in guesses.items():
        column, row = guess.partition("(")[0], truth[number].partition("(")[0]
        if guess != truth[number] and column == row:
            column = "wrong direction"
        matrix[column, row] += 1
        proposed[column] += 1
    actual = Counter(label.partition("(")[0] for label in truth.values())
    total = 0.0
    for name in actual.keys() - {"Other"}:
        hits, wrong = matrix[name, name], matrix["wrong direction", name]
        precision = 100 * hits / (proposed[name] + wrong) if proposed[name] else 0.0
        recall = 100 * hits / actual[name]
        total += 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return total / len(actual.keys() - {"Other"})


def _read_labels(path: Path) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in path.read_bytes().decode("ascii").splitlines(keepends=True):
        matched = re.fullmatch(r"([0-9]+)\t([^\r]+)\r?\n", line)
        assert matched, line
        assert matched[2] == "Other" or RELATION.fullmatch(matched[2]), line
        assert int(matched[1]) not in found, line
        found[int(matched[1])] = matched[2]
    return found


def _tag(field: str) -> tuple[str, str]:
    prefix, dash, kind = field.partition("-")
    return (prefix, kind) if dash else (field, "")


def _ends(before: tuple[str, str], now: tuple[str, str]) -> bool:
    pair = before[0] + now[0]
    return pair in ("BB", "BO", "IB", "IO") or (before[0] not in "O." and before[1] != now[1])


def _starts(before: tuple[str, str], now: tuple[str, str]) -> bool:
    pair = before[0] + now[0]
    return pair in ("BB", "IB", "OB", "OI") or (now[0] not in "O." and before[1] != now[1])


def conlleval(path: Path, separator: str = " ") -> dict[str, Any]:
    """Counts of conlleval: tokens and right tags, and per type right, found and correct chunks."""
    outside = ("O", "")
    before, inside, width = (outside, outside), False, 0
    tokens, right_tags = 0, 0
    gold: Counter[str] = Counter()
    found: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for line in [*path.read_bytes().decode().split("\n"), ""]:
        fields = line.split(separator) if line else []
        assert width in (0, len(fields)) or not fields, f"unexpected number of features: {line!r}"
        width = width or len(fields)
        word = fields[0] if fields else "-X-"
        now = (outside, outside) if word == "-X-" else (_tag(fields[-2]), _tag(fields[-1]))
        ends = [_ends(*pair) for pair in zip(before, now, strict=True)]
        starts = [_starts(*pair) for pair in zip(before, now, strict=True)]
        if inside and all(ends) and before[0][1] == before[1][1]:
            correct[before[0][1]] += 1
            inside = False
        elif inside and (ends[0] != ends[1] or now[0][1] != now[1][1]):
            inside = False
        if all(starts) and now[0][1] == now[1][1]:
            inside = True
        gold[now[0][1]] += starts[0]
        found[now[1][1]] += starts[1]
        if word != "-X-":
            tokens += 1
            right_tags += now[0] == now[1]
        before = now
    return {
        "accuracy": right_tags / tokens if tokens else 0.0,
        **ratios(sum(gold.values()), sum(found.values()), sum(correct.values())),
        "per_type": {
            kind: {**ratios(gold[kind], found[kind], correct[kind]), "num_entities": gold[kind]}
            for kind in sorted(gold.keys() | found.keys())
            if gold[kind] or found[kind]
        },
    }


def ratios(gold: int, found: int, correct: int) -> dict[str, float]:
    precision = correct / found if found else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if correct else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def wnuteval(path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Entity and surface-form scores of wnuteval.py."""
    sides: tuple[list[Any], list[Any]] = ([], [])
    sentence = 0
    previous = ["O", "O"]
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            if not line.strip():
                sentence, previous = sentence + 1, ["O", "O"]
                continue
            word, *tags = line.strip().split("\t")
            assert len(tags) == 2, line
            for side, tag in enumerate(tags):
                kind = tag.partition("-")[2] or "O"
                if tag[0] == "I" and kind == previous[side]:
                    sides[side][-1][0].append(word)
                elif tag != "O":
                    sides[side].append(([word], sentence, number, kind))
                previous[side] = kind
    gold, found = (
        {(tuple(words), *place, len(words), kind) for words, *place, kind in side} for side in sides
    )
    forms = [{(entity[0], entity[-1]) for entity in part} for part in (gold, found, gold & found)]
    return (
        ratios(len(gold), len(found), len(gold & found)),
        ratios(*map(len, forms)),
    )


def _normal(text: str) -> str:
    kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def _overlap(answer: str, reference: str) -> float:
    ours, theirs = Counter(_normal(answer).split()), Counter(_normal(reference).split())
    same = sum(min(number, theirs[word]) for word, number in ours.items())
    if not same:
        return 0.0
    precision, recall = same / sum(ours.values()), same / sum(theirs.values())
    return 2 * precision * recall / (precision + recall)


def squad1(predictions: Path, references: dict[str, list[str]]) -> dict[str, float]:
    """evaluate-v1.1.py of SQuAD and mrqa_official_eval.py, in per cent."""
    given = json.loads(predictions.read_text("ascii"))
    exact = f1 = 0.0
    for name, texts in references.items():
        exact += max(_normal(given[name]) == _normal(text) for text in texts)
        f1 += max(_overlap(given[name], text) for text in texts)
    return {"exact_match": 100 * exact / len(references), "f1": 100 * f1 / len(references)}


def squad2(
    predictions: Path,
    references: dict[str, list[str]],
    none: Path | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """evaluate-v2.0.py of SQuAD, in per cent."""
    given = json.loads(predictions.read_text("ascii"))
    chances = json.loads(none.read_text("ascii")) if none else dict.fromkeys(given, 0.0)
    exact, f1 = {}, {}
    for name, texts in references.items():
        gold = [text for text in texts if _normal(text)] or [""]
        exact[name] = float(max(_normal(given[name]) == _normal(text) for text in gold))
        f1[name] = max(_overlap_or_none(given[name], text) for text in gold)
        if chances[name] > threshold:
            exact[name] = f1[name] = float(not texts)
    scores = {}
    parts = {
        "": list(references),
        "HasAns_": [name for name, texts in references.items() if texts],
        "NoAns_": [name for name, texts in references.items() if not texts],
    }
    for prefix, names in parts.items():
        if names:
            scores[f"{prefix}exact"] = 100 * sum(exact[name] for name in names) / len(names)
            scores[f"{prefix}f1"] = 100 * sum(f1[name] for name in names) / len(names)
    return scores


def _overlap_or_none(answer: str, reference: str) -> float:
    if not _normal(answer) or not _normal(reference):
        return float(_normal(answer) == _normal(reference))
    return _overlap(answer, reference)
