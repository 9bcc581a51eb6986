"""Column files: separators, ends of sentences, words of odd characters, tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from federa.datasets.conll import read_sentences, tag_names
from federa.errors import DataError

Sentences = list[tuple[list[str], list[str]]]
TWO: Sentences = [(["Ada", "spoke"], ["B-PER", "O"]), (["Rome"], ["B-LOC"])]


def read(folder: Path, content: str, columns: int | None = None) -> Sentences:
    path = folder / "a.txt"
    path.write_bytes(content.encode())
    return list(read_sentences(path, columns, ("PER", "LOC")))


@pytest.mark.parametrize(
    "content",
    [
        "Ada\tB-PER\nspoke\tO\n\nRome\tB-LOC\n",
        "Ada\tB-PER\nspoke\tO\n\t\nRome\tB-LOC\n\t\n",  # a lone tab between sentences
        "Ada\tB-PER\r\nspoke\tO\r\n\r\nRome\tB-LOC",
        "Ada B-PER\nspoke O\n  \nRome B-LOC\n",
        "Ada B-PER \nspoke O \n\nRome B-LOC \n\n",  # a blank at the end of the line
        "Ada   B-PER\nspoke O\n\n\n \t \nRome     B-LOC\n",
        "\n\nAda\tB-PER\nspoke\tO\n\n\n\nRome\tB-LOC\n\n\n",
        "\ufeffAda\tB-PER \nspoke\tO\t\n\nRome\tB-LOC\n",
        "-DOCSTART- O\n\nAda B-PER\nspoke O\n-DOCSTART- O\nRome B-LOC\n",
    ],
)
def test_two_sentences(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == read(tmp_path, content, 2) == TWO


def test_conll_2003(tmp_path: Path) -> None:
    content = (
        "-DOCSTART- -X- -X- O\n\nAda NNP B-NP B-PER\nspoke VBD B-VP O\n\n"
        "-DOCSTART- -X- -X- O\n\nRome NNP B-NP B-LOC\n"
    )
    assert read(tmp_path, content) == TWO


@pytest.mark.parametrize(
    "word",
    [
        "a\xa0b",
        "\u200b",
        "\xa0",
        "\ufeffx",
        "a\u2028b",
        "a\x85b",
        "a\x0bb",
        "\x1c",
        "\U0001f602",
        "#",
        '"',
        "a b",
    ],
)
def test_a_word_holds_any_character_but_the_separator(tmp_path: Path, word: str) -> None:
    content = f"of\tO\n{word}\tB-PER\n\t\nRome\tB-LOC\n"
    expected = [(["of", word], ["O", "B-PER"]), (["Rome"], ["B-LOC"])]
    assert read(tmp_path, content) == expected
    if " " not in word:
        assert read(tmp_path, content.replace("\t\n", "\n").replace("\t", " ")) == expected


def test_orphans_are_taken_as_they_are(tmp_path: Path) -> None:
    assert read(tmp_path, "Ada I-PER\nspoke O\nRome I-LOC\n") == [
        (["Ada", "spoke", "Rome"], ["I-PER", "O", "I-LOC"])
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("spoke", "['spoke'] where 2 columns (word, ..., tag) apart by a tab are expected"),
        ("spoke\t", "['spoke'] where 2 columns"),
        ("\tO", "['', 'O'] where 2 columns"),
        ("spoke VBD O", "['spoke VBD O'] where 2 columns"),
        ("spoke\tVBD\tO", "['spoke', 'VBD', 'O'] where 2 columns"),
        ("spoke\to", "no tag 'o'; expected O, B-type or I-type"),
        ("spoke\tB-", "no tag 'B-'; expected"),
        ("spoke\tS-PER", "no tag 'S-PER'; expected"),
        ("spoke\tPER", "no tag 'PER'; expected"),
        ("spoke\tB_PER", "no tag 'B_PER'; expected"),
        ("spoke\tb-PER", "no tag 'b-PER'; expected"),
        ("spoke\tB-PERS", "no type 'PERS'; did you mean 'PER'?"),
        ("spoke\tI-per", "no type 'per'; "),
    ],
)
def test_a_wrong_line_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, f"Ada\tB-PER\n\n{line}\nRome\tB-LOC\n")
    assert str(caught.value).startswith(f"{tmp_path}/a.txt:3: {message}")


def test_a_wrong_line_among_blanks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt:2: .* 3 columns .* apart by blanks are expected"):
        read(tmp_path, "Ada NNP B-PER\nspoke O\n")
    with pytest.raises(DataError, match=r"a\.txt:1: \['Ada'\] where 2 columns"):
        read(tmp_path, "Ada\nspoke\n")


def test_a_file_without_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: holds no words$"):
        read(tmp_path, "-DOCSTART- O\n\n")


def test_names_of_tags() -> None:
    table = {"tags": [["B-b", "I-a"], ["O"]]}
    assert tag_names([table, None, {"tags": [["B-a"]]}]) == ("O", "B-a", "B-b", "I-a")
    assert tag_names([{"tags": [["B-a"]]}]) == ("O", "B-a")
