"""Questions on the notes of the built-in service desk, composed from phrase banks.

The banks are the text files in ``servicedesk/notes/``, one a kind of note. A ``[train]`` or
``[test]`` section holds the values of slots, then units: sentences (``- ``) that say the same, and
questions (``slot ? text``) that they answer. A note is one sentence of the unit marked ``*`` and
one of each of some that are marked ``+``; it names several people, days and places, so that the
type of what is asked for does not tell the answer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from federa.datasets.servicedesk_corpus import Split, bank_section, numbered, slot_values

KINDS: tuple[str, ...] = (
    "figures",
    "guide",
    "handover",
    "incident",
    "maintenance",
    "meeting",
    "rollout",
    "security",
    "staff",
    "training",
)
NOTES_OF_A_KIND: Mapping[Split, int] = {"train": 52, "test": 13}

_FURTHER_UNITS = (4, 5, 5, 6)  # each entry equally likely; so for the number of questions
_QUESTION_COUNTS = (3, 4, 4, 5)
_FEWEST_WORDS = 55
# The values of one note rise with the slot's index, as days and hours do in what really happened.
_RISING = frozenset({"cost", "date", "seats", "time"})
_SPREAD = 3
_SLOT = re.compile(r"\{((\w+?)(?:\.(\d))?)\}")


@dataclass(frozen=True, slots=True)
class Question:
    """A question on a note; the answer is at ``start`` in the context."""

    id: str
    kind: str
    title: str
    text: str
    context: str
    answer: str
    start: int


@dataclass(frozen=True, slots=True)
class _Unit:
    always: bool
    sentences: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]  # the slot that answers it, its text


@dataclass(frozen=True, slots=True)
class _Note:
    title: str
    text: str
    spans: Mapping[str, tuple[int, int]]  # of each slot
    units: tuple[_Unit, ...]


@cache
def _units(kind: str, split: Split) -> tuple[_Unit, ...]:
    blocks = re.split(r"^(?=[*+] )", "\n".join(bank_section(f"notes/{kind}", split)), flags=re.M)
    units = []
    for block in blocks[1:]:
        head, *lines = block.splitlines()
        sentences = tuple(line[2:] for line in lines if line.startswith("- "))
        pairs = (line.split(" ? ", 1) for line in lines if not line.startswith("- "))
        units.append(_Unit(head[0] == "*", sentences, tuple((slot, text) for slot, text in pairs)))
    return tuple(units)


@cache
def _values(kind: str, split: Split) -> dict[str, list[str]]:
    """The values of every slot that a note may use; those of people are the messages' three."""
    messages = slot_values("slots", split)
    people = [name for slot in ("person", "woman", "man") for name in messages[slot]]
    own = slot_values("notes/slots", split) | slot_values(f"notes/{kind}", split)
    return {**messages, "person": people, **own}


def _choices(kind: str, split: Split, templates: list[str], *key: object) -> dict[str, str]:
    """A value for every slot of the templates, no value twice under one name."""
    used: dict[str, set[str]] = {}
    for match in _SLOT.finditer(" ".join(templates)):
        used.setdefault(match[2], set()).add(match[1])
    chosen: dict[str, str] = {}
    for name, slots in used.items():
        values = _values(kind, split)[name]
        if name in _RISING:  # near each other, too
            width = len(slots) + _SPREAD
            first = numbered(*key, name) % (len(values) - width + 1)
            values = values[first : first + width]
        order = sorted(range(len(values)), key=lambda place: numbered(*key, name, place))
        places = sorted(order[: len(slots)]) if name in _RISING else order[: len(slots)]
        chosen |= {slot: values[place] for slot, place in zip(sorted(slots), places, strict=True)}
    return chosen


def _note(kind: str, split: Split, *key: object) -> _Note:
    units = _units(kind, split)
    count = _FURTHER_UNITS[numbered(*key, "units") % len(_FURTHER_UNITS)]
    order = sorted(range(len(units)), key=lambda place: numbered(*key, "unit", place))
    drawn = [place for place in order if not units[place].always][:count]
    kept = tuple(unit for place, unit in enumerate(units) if unit.always or place in drawn)
    sentences = [
        unit.sentences[numbered(*key, "sentence", place) % len(unit.sentences)]
        for place, unit in enumerate(kept)
    ]
    titles = _values(kind, split)["title"]
    title = titles[numbered(*key, "title") % len(titles)]
    chosen = _choices(kind, split, [title, *sentences], *key)
    text, spans = "", {}
    for sentence in sentences:
        text += " " if text else ""
        first, position = len(text), 0
        for match in _SLOT.finditer(sentence):
            text += sentence[position : match.start()]
            spans[match[1]] = (len(text), len(text) + len(chosen[match[1]]))
            text += chosen[match[1]]
            position = match.end()
        text += sentence[position:]
        text = text[:first] + text[first].upper() + text[first + 1 :]
    return _Note(_SLOT.sub(lambda match: chosen[match[1]], title), text, spans, kept)


def _asked(note: _Note, *key: object) -> list[tuple[str, str, int]]:
    """Questions on one note, each on another slot: the text, the answer and where it is."""
    offered: dict[str, list[str]] = {}
    for unit in note.units:
        for slot, text in unit.questions:
            offered.setdefault(slot, []).append(text)
    order = sorted(offered, key=lambda slot: numbered(*key, "asked", slot))
    count = _QUESTION_COUNTS[numbered(*key, "questions") % len(_QUESTION_COUNTS)]
    asked = []
    for slot in order[:count]:
        text = offered[slot][numbered(*key, "question", slot) % len(offered[slot])]
        start, stop = note.spans[slot]
        asked.append((text, note.text[start:stop], start))
    return asked


def _clear(note: _Note, asked: list[tuple[str, str, int]]) -> bool:
    """Whether the note is long enough and no answer is in it twice."""
    found = (
        re.findall(rf"(?<![\w-]){re.escape(answer)}(?![\w-])", note.text, re.I)
        for _, answer, _ in asked
    )
    return len(note.text.split()) >= _FEWEST_WORDS and all(len(places) == 1 for places in found)


def compose(split: Split) -> list[Question]:
    """Compose the questions of one split, the same on any machine: those on a note together.

    Returns 3 to 5 questions on each of 520 notes for "train" and of 130 for "test".
    """
    drafts: dict[str, tuple[int, str, _Note, list[tuple[str, str, int]]]] = {}
    for kind in KINDS:
        for index in range(NOTES_OF_A_KIND[split]):
            attempt = 0
            while True:
                key = (split, kind, index, attempt)
                note = _note(kind, split, *key)
                asked = _asked(note, *key)
                if note.text not in drafts and _clear(note, asked):
                    break
                attempt += 1
            drafts[note.text] = (numbered(split, kind, index, "order"), kind, note, asked)
    ordered = sorted(drafts.values(), key=lambda draft: draft[0])
    return [
        Question(f"{split}-{place:03d}-{nth}", kind, note.title, text, note.text, answer, start)
        for place, (_, kind, note, asked) in enumerate(ordered)
        for nth, (text, answer, start) in enumerate(asked)
    ]
