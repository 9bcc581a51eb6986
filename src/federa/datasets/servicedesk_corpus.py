"""The built-in service-desk corpus: staff requests, composed from phrase banks.

The banks are the text files in ``servicedesk/``: one file per class with its core phrases, and
files of openers, closings, distractors and slot values. Each file has a ``[train]`` and a
``[test]`` section and a message draws on one of them only, so that no phrase is in both splits.

``{app}`` is a slot; ``{TEAM:payroll}`` is a name that stands in the phrase itself, with its type.
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
_NAME = re.compile(r"\{([A-Z]+):([^}]+)\}")
_FIRST_LETTER = re.compile(r"^(?:\{[A-Z]+:)?[a-z]")
_WORD = re.compile(r"\w+(?:['.-]\w+)*|[^\w\s]")

# What fills the other slots is no name: devices, documents, roles, numbers, telephone extensions.
# A date is a weekday or a day of a month, with its part of the day; "yesterday", "last week" and
# a month alone are none.
ENTITY_OF_SLOT: Mapping[str, str] = {
    "app": "PRODUCT",
    "asset": "ASSET",
    "client": "ORGANISATION",
    "day": "DATE",
    "man": "PERSON",
    "office": "PLACE",
    "person": "PERSON",
    "project": "PROJECT",
    "room": "PLACE",
    "sender": "PERSON",
    "team": "TEAM",
    "woman": "PERSON",
}


@dataclass(frozen=True, slots=True)
class Entity:
    """A name in a message: characters ``start`` to ``stop`` of its text, without "the"."""

    start: int
    stop: int
    type: str


@dataclass(frozen=True, slots=True)
class Message:
    """One request to the service desk, with the label that tells what is requested."""

    id: str
    text: str
    label: str
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class _Phrase:
    template: str
    barred: frozenset[str]  # the labels whose messages must not contain the phrase


def bank_section(name: str, split: Split) -> list[str]:
    """Return the lines of one section of the bank file ``name``."""
    text = files("federa.datasets").joinpath("servicedesk", f"{name}.txt").read_text("utf-8")
    return text.partition(f"[{split}]\n")[2].partition("\n[")[0].splitlines()


@cache
def _phrases(name: str, split: Split) -> tuple[_Phrase, ...]:
    phrases = []
    for line in bank_section(name, split):
        tags, _, template = line.rpartition(" | ")
        phrases.append(_Phrase(template, frozenset(tags.split(", "))))
    return tuple(phrases)


@cache
def _allowed(name: str, split: Split, label: str) -> tuple[_Phrase, ...]:
    return tuple(phrase for phrase in _phrases(name, split) if label not in phrase.barred)


@cache
def slot_values(name: str, split: Split) -> dict[str, list[str]]:
    """Return the slots that one section of the bank file ``name`` defines, with their values."""
    pairs = (line.split(" = ") for line in bank_section(name, split) if " = " in line)
    return {slot: values.split("; ") for slot, values in pairs}


def numbered(*key: object) -> int:
    """Return a large number that depends on ``key`` alone, on every machine and version."""
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _pick(phrases: tuple[_Phrase, ...], *key: object) -> _Phrase:
    return phrases[numbered(*key) % len(phrases)]


@cache
def _fillings(split: Split, more_names: bool) -> dict[str, list[str]]:
    few = slot_values("slots", split)
    more = slot_values("names", split) if more_names else {}
    return {slot: [*values, *more.get(slot, ())] for slot, values in few.items()}


def _fill(template: str, fillings: Mapping[str, list[str]], place: int, *key: object) -> str:
    """Fill the slots of one phrase, names marked; ``place`` is its position in the message."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        values = fillings[name]
        # Phrases of one message differ in every slot, lest a distractor contradict the request;
        # the sender alone, and the computer on the desk, are the same throughout.
        step = 0 if name in ("sender", "device") else place
        chosen = values[(numbered(*key, name) + step) % len(values)]
        if name not in ENTITY_OF_SLOT:
            return chosen
        article = "the " if chosen.startswith("the ") else ""
        return f"{article}{{{ENTITY_OF_SLOT[name]}:{chosen.removeprefix(article)}}}"

    marked = _SLOT.sub(value, template)
    return _FIRST_LETTER.sub(lambda match: match[0][:-1] + match[0][-1].upper(), marked)


def _unmark(marked: str) -> tuple[str, tuple[Entity, ...]]:
    """Return the text of a marked message and where its names are."""
    text, entities, position = "", [], 0
    for match in _NAME.finditer(marked):
        text += marked[position : match.start()]
        entities.append(Entity(len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        position = match.end()
    return text + marked[position:], tuple(entities)


def _phrased(split: Split, label: str, index: int, attempt: int) -> list[str]:
    """Draw the phrases of one message: opener, core phrase among distractors, closing."""
    key = (split, label, index, attempt)
    cores = _phrases(label, split)
    before: list[_Phrase] = []
    after: list[_Phrase] = []
    count = _DISTRACTOR_COUNTS[numbered(*key, "count") % len(_DISTRACTOR_COUNTS)]
    remarks = list(_allowed("distractors", split, label))
    for nth in range(count):
        remark = remarks[numbered(*key, "distractor", nth) % len(remarks)]
        # A second remark on the same subject would sound like a request after all.
        remarks = [other for other in remarks if not other.barred & remark.barred]
        (before if numbered(*key, "place", nth) % 2 else after).append(remark)
    if numbered(*key, "opens") % 100 < _OPENER_PERCENT:
        before.insert(0, _pick(_allowed("openers", split, label), *key, "opener"))
    if numbered(*key, "closes") % 100 < _CLOSING_PERCENT:
        after.append(_pick(_allowed("closings", split, label), *key, "closing"))
    return [part.template for part in (*before, cores[index % len(cores)], *after)]


def _marked(split: Split, label: str, index: int, attempt: int, more_names: bool) -> str:
    """Compose one message, names marked."""
    fillings = _fillings(split, more_names)
    return " ".join(
        _fill(phrase, fillings, place, split, label, index, attempt)
        for place, phrase in enumerate(_phrased(split, label, index, attempt))
    )


def compose(split: Split, more_names: bool = False) -> list[Message]:
    """Compose one split of the corpus, the same on any machine: distinct messages, shuffled.

    more_names: draw names from ``names.txt``, too; the messages differ in nothing else.
    Returns 2,400 messages for "train" and 600 for "test", evenly spread over the labels.
    Raises ValueError if ``split`` is neither.
    """
    if split not in SIZES:
        raise ValueError(f"unknown split {split!r}, expected 'train' or 'test'")
    drafts: dict[str, tuple[str, int, int]] = {}
    for number in range(SIZES[split]):
        index, label = number // len(LABELS), LABELS[number % len(LABELS)]
        attempt = 0
        while (marked := _marked(split, label, index, attempt, False)) in drafts:
            attempt += 1
        drafts[marked] = (label, index, attempt)
    ordered = sorted(drafts.values(), key=lambda draft: numbered(split, *draft[:2], "order"))
    messages = []
    for position, (label, index, attempt) in enumerate(ordered):
        text, entities = _unmark(_marked(split, label, index, attempt, more_names))
        messages.append(Message(f"{split}-{position:04d}", text, label, entities))
    return messages


def tagged(message: Message) -> tuple[list[str], list[str]]:
    """Return the words of a message, a punctuation mark being one, and their BIO tags."""
    words, tags = [], []
    for match in _WORD.finditer(message.text):
        words.append(match[0])
        tags.append("O")
        for entity in message.entities:
            if entity.start <= match.start() < entity.stop:
                tags[-1] = ("B-" if match.start() == entity.start else "I-") + entity.type
    return words, tags
