"""The built-in corpus: sizes, balance, exact spans, and that no machine composes another one."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from federa.datasets import ServiceDesk
from federa.datasets.servicedesk_corpus import Entity, Message, compose, tagged
from federa.errors import DataError
from federa.types import Corpus, Table

SHA256 = {
    "text_classification": "46bd357e4222dd071789ab3da720feaf04a4608a8b63628d738b1084b6576ca8",
    "token_classification": "f9c958b08eac9c62f25e04064ccb0aeeb211463130ed89fe5213b50d0cb5a47f",
    "question_answering": "fb47a31e60702d45f888d3c36184abe2fb88b120f4ea028c1b3ae9c2125ec1b5",
}
TYPES = ("ASSET", "DATE", "ORGANISATION", "PERSON", "PLACE", "PRODUCT", "PROJECT", "TEAM")
BANKS = files("federa.datasets").joinpath("servicedesk")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return ServiceDesk().load("text_classification")


@pytest.fixture(scope="module")
def names() -> Corpus:
    return ServiceDesk().load("token_classification")


@pytest.fixture(scope="module")
def questions() -> Corpus:
    return ServiceDesk().load("question_answering")


def both(corpus: Corpus) -> list[Table]:
    assert corpus.test is not None
    return [corpus.train, corpus.test]


def rows(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def sections(name: str) -> dict[str, list[str]]:
    """The lines of both sections of a bank."""
    text = BANKS.joinpath(f"{name}.txt").read_text("utf-8")
    train, test = text.split("[train]\n")[1].split("[test]\n")
    return {"train": train.splitlines(), "test": test.splitlines()}


def bank_names() -> list[str]:
    listed = [f.name for f in BANKS.iterdir() if f.name.endswith(".txt")]
    notes = [f"notes/{f.name}" for f in BANKS.joinpath("notes").iterdir()]
    return sorted(name.removesuffix(".txt") for name in (*listed, *notes))


def test_sizes_and_columns(corpus: Corpus) -> None:
    train, test = both(corpus)
    assert corpus.validation is None
    for table, fewest in ((train, 2000), (test, 500)):
        assert list(table) == ["id", "text", "label"]
        assert len(table["id"]) == len(table["text"]) == len(table["label"]) >= fewest


def test_every_label_is_in_both_splits_and_about_equally_common(corpus: Corpus) -> None:
    assert len(corpus.labels) >= 12
    assert list(corpus.labels) == sorted(set(corpus.labels))
    for table in both(corpus):
        counts = Counter(table["label"])
        assert set(counts) == set(corpus.labels)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_no_text_and_no_id_occurs_twice(corpus: Corpus) -> None:
    for column in ("id", "text"):
        values = [value for table in both(corpus) for value in table[column]]
        assert len(set(values)) == len(values)


def test_texts_are_clean_and_complete(corpus: Corpus) -> None:
    for table in both(corpus):
        for text in table["text"]:
            assert text == text.strip()
            assert text.isprintable()
            assert not set(text) & set("{}[]|_")
            assert len(text.split()) >= 3


def test_labels_are_shuffled(corpus: Corpus) -> None:
    for table in both(corpus):
        assert len(set(table["label"][:100])) == len(corpus.labels)


@pytest.mark.parametrize("task", ServiceDesk.tasks)
def test_the_corpus_is_the_same_everywhere(task: str) -> None:
    loaded = ServiceDesk().load(task)
    assert ServiceDesk().load(task) == loaded
    digest = hashlib.sha256()
    for table in both(loaded):
        for row in zip(*table.values(), strict=True):
            cells = [cell if isinstance(cell, str) else json.dumps(cell) for cell in row]
            digest.update("\t".join(cells).encode() + b"\n")
    assert digest.hexdigest() == SHA256[task]


def test_another_task_is_refused() -> None:
    with pytest.raises(DataError, match=r"servicedesk is for text_class.*, not 'translation'"):
        ServiceDesk().load("translation")
    assert ServiceDesk().task_settings() == {}


@pytest.mark.parametrize("name", bank_names())
def test_no_line_of_a_bank_is_in_both_sections(name: str) -> None:
    found = sections(name)
    assert all(found.values())
    phrases = {
        split: {line.rpartition(" | ")[2] for line in lines if not line.startswith(("*", "+"))}
        for split, lines in found.items()
    }
    assert not phrases["train"] & phrases["test"]


@pytest.mark.parametrize("name", ["slots", "names"])
def test_no_name_is_in_both_sections(name: str) -> None:
    values = {
        split: {value for line in lines for value in line.split(" = ")[1].split("; ")}
        for split, lines in sections(name).items()
    }
    assert not values["train"] & values["test"]


def test_entities_have_the_messages_and_labels_of_the_text_task(
    corpus: Corpus, names: Corpus
) -> None:
    for texts, table in zip(both(corpus), both(names), strict=True):
        assert list(table) == ["id", "words", "tags", "label"]
        assert (table["id"], table["label"]) == (texts["id"], texts["label"])
    for split in ("train", "test"):
        few, more = compose(split), compose(split, more_names=True)
        kinds = [[entity.type for entity in message.entities] for message in few]
        assert kinds == [[entity.type for entity in message.entities] for message in more]
        assert [message.text for message in few] != [message.text for message in more]


def test_tags_are_bio_and_their_names_start_with_o(names: Corpus) -> None:
    assert names.labels[0] == "O"
    assert list(names.labels[1:]) == sorted(names.labels[1:])
    assert {tag[2:] for tag in names.labels[1:]} == set(TYPES)
    for table in both(names):
        for words, tags in zip(table["words"], table["tags"], strict=True):
            assert len(words) == len(tags) > 0
            for before, tag in pairwise(["O", *tags]):
                assert not tag.startswith("I-") or before[2:] == tag[2:]
        found = {tag for tags in table["tags"] for tag in tags}
        assert {f"B-{type_}" for type_ in TYPES} <= found <= set(names.labels)


def test_words_are_the_text_of_the_message_in_order(names: Corpus) -> None:
    for split, table in zip(("train", "test"), both(names), strict=True):
        for message, words in zip(compose(split, more_names=True), table["words"], strict=True):
            assert "".join(words) == message.text.replace(" ", "")
            assert all(re.fullmatch(r"[\w'.-]*\w|[^\w\s]", word) for word in words)


def test_every_entity_starts_and_stops_with_a_word(names: Corpus) -> None:
    for split, table in zip(("train", "test"), both(names), strict=True):
        for message, row in zip(compose(split, more_names=True), rows(table), strict=True):
            spans = [message.text[entity.start : entity.stop] for entity in message.entities]
            tagged_words: list[str] = []
            for word, tag in zip(row["words"], row["tags"], strict=True):
                if tag.startswith("B-"):
                    tagged_words.append(word)
                elif tag.startswith("I-"):
                    tagged_words[-1] += word
            assert tagged_words == [span.replace(" ", "") for span in spans]
            assert not any(span.lower().startswith("the ") for span in spans)


def test_weekdays_are_dates_wherever_they_stand(names: Corpus) -> None:
    days = {f"{day}day" for day in ("Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun")}
    found = [
        tag
        for table in both(names)
        for words, tags in zip(table["words"], table["tags"], strict=True)
        for word, tag in zip(words, tags, strict=True)
        if word in days
    ]
    assert len(found) > 200
    assert set(found) == {"B-DATE"}


def test_tagged_words() -> None:
    message = Message(
        "1", "Don't ask: KX-4471 is Mei Tan's.", "x", (Entity(11, 18, "ASSET"), Entity(22, 31, "P"))
    )
    words, tags = tagged(message)
    assert words == ["Don't", "ask", ":", "KX-4471", "is", "Mei", "Tan's", "."]
    assert tags == ["O", "O", "O", "B-ASSET", "O", "B-P", "I-P", "O"]


def test_questions_have_exact_answers_that_occur_once(questions: Corpus) -> None:
    train, test = both(questions)
    assert questions.labels == ()
    assert 1500 <= len(train["id"]) <= 2400
    assert 400 <= len(test["id"]) <= 600
    for table in (train, test):
        assert list(table) == [
            *("id", "kind", "title", "question", "context", "answers", "references")
        ]
        for row in rows(table):
            ((text, start),) = [(answer["text"], answer["start"]) for answer in row["answers"]]
            assert row["context"][start : start + len(text)] == text
            assert row["references"] == [text]
            assert len(re.findall(rf"(?<![\w-]){re.escape(text)}(?![\w-])", row["context"])) == 1
            assert text.lower() not in row["question"].lower()


def test_questions_and_notes_are_clean(questions: Corpus) -> None:
    for table in both(questions):
        for text in table["question"]:
            assert re.fullmatch(r"[A-Z][\w' ,;-]+\?", text)
        for text in table["context"]:
            assert re.fullmatch(r"[A-Z].*[.?]", text)
            assert not re.search(r"[{}|_*+]|  |\b(the the|a an?|an the)\b", text)
            assert 55 <= len(text.split()) <= 140


def test_a_note_has_several_different_questions_and_one_text_object(questions: Corpus) -> None:
    for table, fewest in zip(both(questions), (500, 125), strict=True):
        notes: dict[str, list[dict[str, Any]]] = {}
        for row in rows(table):
            notes.setdefault(row["id"].rpartition("-")[0], []).append(row)
        assert len(notes) >= fewest
        for note in notes.values():
            assert 3 <= len(note) <= 5
            assert len({id(row["context"]) for row in note}) == 1
            assert len({row["answers"][0]["start"] for row in note}) == len(note)
        assert len({note[0]["context"] for note in notes.values()}) == len(notes)
        assert len(set(table["id"])) == len(table["id"])
        assert set(Counter(note[0]["kind"] for note in notes.values()).values()) == {
            len(notes) // 10
        }


def test_no_question_and_no_note_is_in_both_splits(questions: Corpus) -> None:
    train, test = both(questions)
    for column in ("question", "context"):
        assert not set(train[column]) & set(test[column])


def test_most_answers_have_rivals_of_the_same_type(questions: Corpus) -> None:
    """Dates are easy to find: of the notes asked for one, most name another."""
    date = re.compile(r"\b\d{1,2} (?:Jan|Febr|March|April|May|June|July|Aug|Sep|Oct|Nov|Dec)")
    train, _ = both(questions)
    rivals = [
        len(date.findall(row["context"]))
        for row in rows(train)
        if date.match(row["answers"][0]["text"])
    ]
    assert len(rivals) > 200
    assert sum(count > 1 for count in rivals) / len(rivals) > 0.7
