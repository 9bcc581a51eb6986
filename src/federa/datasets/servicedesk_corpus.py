"""The built-in service-desk corpus: staff requests, composed from phrase banks.

The banks are the text files in ``servicedesk/``: one file per class with its core phrases, and
files of openers, closings, distractors and slot values. Each file has a ``[train]`` and a
``[test]`` section and a message draws on one of them only, so that no phrase is in both splits.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Split = Literal["train", "test"]

LABELS: tuple[str, ...] = (
    "access_request",
    "data_recovery",
    "email_delivery",
    "hardware_fault",
    "hardware_request",
    "joiner_leaver",
    "meeting_room",
    "network_trouble",
    "password_reset",
    "printing",
    "second_factor",
    "security_report",
    "software_fault",
    "software_install",
)
SIZES: Mapping[Split, int] = {"train": 2400, "test": 600}

_OPENER_PERCENT = 45
_CLOSING_PERCENT = 45
# The number of distractors in a message is drawn from this row, each entry equally likely.
_DISTRACTOR_COUNTS = (0, 0, 0, 0, 1, 1, 1, 2)
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Message:
    """One request to the service desk, with the label that tells what is requested."""

    id: str
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class _Phrase:
    template: str
    barred: frozenset[str]  # the labels whose messages must not contain the phrase


def _section(name: str, split: Split) -> list[str]:
    """Return the lines of one section of the bank file ``name``."""
    text = files("federa.datasets").joinpath("servicedesk", f"{name}.txt").read_text("utf-8")
    return text.partition(f"[{split}]\n")[2].partition("\n[")[0].splitlines()


@cache
def _phrases(name: str, split: Split) -> tuple[_Phrase, ...]:
    phrases = []
    for line in _section(name, split):
        tags, _, template = line.rpartition(" | ")
        phrases.append(_Phrase(template, frozenset(tags.split(", "))))
    return tuple(phrases)


@cache
def _allowed(name: str, split: Split, label: str) -> tuple[_Phrase, ...]:
    return tuple(phrase for phrase in _phrases(name, split) if label not in phrase.barred)


@cache
def _slots(split: Split) -> dict[str, list[str]]:
    pairs = (line.split(" = ") for line in _section("slots", split))
    return {name: values.split("; ") for name, values in pairs}


def _number(*key: object) -> int:
    """Return a large number that depends on ``key`` alone, on every machine and version."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _pick(phrases: tuple[_Phrase, ...], *key: object) -> _Phrase:
    return phrases[_number(*key) % len(phrases)]


def _fill(template: str, split: Split, place: int, *key: object) -> str:
    """Fill the slots of one phrase; ``place`` is its position in the message."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        values = _slots(split)[name]
        # Phrases of one message differ in every slot, lest a distractor contradict the request;
        # the sender alone, and the computer on the desk, are the same throughout.
        step = 0 if name in ("sender", "device") else place
        return values[(_number(*key, name) + step) % len(values)]

    text = _SLOT.sub(value, template)
    return text[0].upper() + text[1:]


def _text(split: Split, label: str, index: int, attempt: int) -> str:
    """Compose one message: an opener, the core phrase among distractors, a closing."""
    key = (split, label, index, attempt)
    cores = _phrases(label, split)
    before: list[_Phrase] = []
    after: list[_Phrase] = []
    count = _DISTRACTOR_COUNTS[_number(*key, "count") % len(_DISTRACTOR_COUNTS)]
    remarks = list(_allowed("distractors", split, label))
    for nth in range(count):
        remark = remarks[_number(*key, "distractor", nth) % len(remarks)]
        # A second remark on the same subject would sound like a request after all.
        remarks = [other for other in remarks if not other.barred & remark.barred]
        (before if _number(*key, "place", nth) % 2 else after).append(remark)
    if _number(*key, "opens") % 100 < _OPENER_PERCENT:
        before.insert(0, _pick(_allowed("openers", split, label), *key, "opener"))
    if _number(*key, "closes") % 100 < _CLOSING_PERCENT:
        after.append(_pick(_allowed("closings", split, label), *key, "closing"))
    parts = [*before, cores[index % len(cores)], *after]
    return " ".join(_fill(part.template, split, place, *key) for place, part in enumerate(parts))


def compose(split: Split) -> list[Message]:
    """Compose one split of the corpus, the same on any machine: distinct messages, shuffled.

    Returns 2,400 messages for "train" and 600 for "test", evenly spread over the labels.
    Raises ValueError if ``split`` is neither.
    """
    if split not in SIZES:
        raise ValueError(f"unknown split {split!r}, expected 'train' or 'test'")
    drafts: dict[str, tuple[int, str]] = {}
    for number in range(SIZES[split]):
        index, label = number // len(LABELS), LABELS[number % len(LABELS)]
        attempt = 0
        while (text := _text(split, label, index, attempt)) in drafts:
            attempt += 1
        drafts[text] = (_number(split, label, index, "order"), label)
    ordered = sorted(drafts.items(), key=lambda item: item[1][0])
    return [
        Message(f"{split}-{position:04d}", text, label)
        for position, (text, (_, label)) in enumerate(ordered)
    ]
