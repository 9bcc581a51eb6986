"""The release's own text files, line by line."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from federa.datasets import SemEval2010Task8
from federa.errors import DataError

TRAIN = """\
1\t"The <e1>cause</e1> of the "big" <e2>effect</e2>."
Cause-Effect(e1,e2)
Comment:

2\t"A "<e1>box</e1>" with a\ttab in a <e2>hall</e2>."
Other
Comment: "quoted", and long

3\t"No comment line <e1>here</e1> or <e2>there</e2>."
Cause-Effect(e2,e1)

"""
TEST = '8001\t"The <e1>lid</e1> of a <e2>pot</e2>"\nComponent-Whole(e1,e2)\nComment: '
EXPECTED = {
    "id": ["1", "2", "3"],
    "text": [
        'The <e1>cause</e1> of the "big" <e2>effect</e2>.',
        'A "<e1>box</e1>" with a\ttab in a <e2>hall</e2>.',
        "No comment line <e1>here</e1> or <e2>there</e2>.",
    ],
    "label": ["Cause-Effect(e1,e2)", "Other", "Cause-Effect(e2,e1)"],
}


def release(folder: Path, train: str = TRAIN, test: str = TEST, newline: str = "\r\n") -> Path:
    """Write the two files of the release."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("TRAIN_FILE.TXT", train), ("TEST_FILE_FULL.TXT", test)):
        (folder / name).write_text(content, encoding="utf-8", newline=newline)
    return folder


def refusal(folder: Path | None) -> str:
    """The error that the folder is refused with, which is one line."""
    with pytest.raises(DataError) as caught:
        SemEval2010Task8(folder=None if folder is None else str(folder)).load("text_classification")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_sentences_labels_and_comments(tmp_path: Path, newline: str) -> None:
    corpus = SemEval2010Task8(folder=str(release(tmp_path, newline=newline))).load(
        "text_classification"
    )
    assert corpus.train == EXPECTED
    assert corpus.test == {
        "id": ["8001"],
        "text": ["The <e1>lid</e1> of a <e2>pot</e2>"],
        "label": ["Component-Whole(e1,e2)"],
    }
    assert corpus.validation is None
    assert corpus.labels == (
        "Cause-Effect(e1,e2)",
        "Cause-Effect(e2,e1)",
        "Component-Whole(e1,e2)",
        "Other",
    )


def test_only_line_ends_separate_lines(tmp_path: Path) -> None:
    odd = '1\t"A <e1>line\u2028separator</e1> and\x85another <e2>one</e2>"\nOther\nComment:\n'
    corpus = SemEval2010Task8(folder=str(release(tmp_path, train=odd))).load("text_classification")
    assert corpus.train["text"] == ["A <e1>line\u2028separator</e1> and\x85another <e2>one</e2>"]


def test_the_folder_is_found_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path / "semeval2010task8")
    monkeypatch.setenv("FEDERA_DATA", str(tmp_path))
    assert SemEval2010Task8().load("text_classification").train == EXPECTED
    monkeypatch.setenv("FEDERA_DATA", str(tmp_path / "elsewhere"))
    error = refusal(None)
    assert f"FEDERA_DATA is {tmp_path / 'elsewhere'}" in error
    assert "set data.folder" in error
    monkeypatch.delenv("FEDERA_DATA")
    assert "(FEDERA_DATA is not set)" in refusal(None)


@pytest.mark.parametrize(
    ("damaged", "line"),
    [
        (TRAIN.replace('2\t"', "2\t"), 5),  # no opening quote
        (TRAIN.replace('there</e2>."', "there</e2>."), 9),  # no closing quote
        (TRAIN.replace('1\t"', '1 "'), 1),  # no tab
        (TRAIN.replace('3\t"', 'three\t"'), 9),  # no number
        (TRAIN + '4\t"<e1>cut</e1> <e2>off</e2>"', 12),  # the file ends before the label
        (TRAIN + '4\t"<e1>cut</e1> <e2>off</e2>"\n\n', 12),  # an empty line instead of it
        (TRAIN.replace("Other\n", ""), 5),  # a comment instead of it
        (TRAIN.replace("Other\n", "Other\nOther\n"), 7),  # two labels
    ],
)
def test_a_malformed_example_is_refused_with_its_line(
    tmp_path: Path, damaged: str, line: int
) -> None:
    folder = release(tmp_path, train=damaged)
    expected = 'expected number TAB "sentence" and a label below it'
    assert refusal(folder) == f"{folder / 'TRAIN_FILE.TXT'}:{line}: {expected}"


@pytest.mark.parametrize("folder", ["absent", "absent/inner", "~nobody-here/x", "long" * 1000])
def test_a_missing_folder_is_refused(folder: str) -> None:
    assert refusal(Path(folder)) == f"data.folder: no folder {folder}"


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    (release(tmp_path) / "TEST_FILE_FULL.TXT").unlink()
    assert refusal(tmp_path).startswith(f"{tmp_path / 'TEST_FILE_FULL.TXT'}: cannot read (No such")
    (release(tmp_path) / "TRAIN_FILE.TXT").write_bytes(b"")
    assert refusal(tmp_path) == f"{tmp_path / 'TRAIN_FILE.TXT'}: the file is empty"
    (release(tmp_path) / "TRAIN_FILE.TXT").write_bytes(b'1\t"caf\xe9"\nOther\n')
    assert "not UTF-8 (byte 0xe9 at position 6)" in refusal(tmp_path)


@pytest.mark.skipif(
    not (Path(os.environ.get("FEDERA_DATA", "/nowhere")) / "semeval2010task8").is_dir(),
    reason="needs semeval2010task8 below $FEDERA_DATA",
)
def test_the_release_has_its_published_counts() -> None:
    corpus = SemEval2010Task8().load("text_classification")
    assert corpus.test is not None
    assert {len(column) for column in corpus.train.values()} == {8000}
    # a copy may hold a part of the 2,717 test sentences
    assert {len(column) for column in corpus.test.values()} in ({2717}, {2017})
    assert corpus.train["id"] == [str(number) for number in range(1, 8001)]
    assert len(corpus.labels) == 19
    assert Counter(corpus.train["label"])["Other"] == 1410
    assert Counter(corpus.train["label"])["Entity-Destination(e2,e1)"] == 1
    assert set(corpus.test["label"]) <= set(corpus.labels)
    texts = corpus.train["text"] + corpus.test["text"]
    assert all(text.count("<e1>") == text.count("</e2>") == 1 for text in texts)


def test_markers_and_the_official_score_are_told_to_the_task() -> None:
    assert SemEval2010Task8().task_settings() == {"scores": ["relation_macro_f1"]}
    assert SemEval2010Task8(markers="special").task_settings() == {
        "scores": ["relation_macro_f1"],
        "special_tokens": ["<e1>", "</e1>", "<e2>", "</e2>"],
    }


def test_markers_do_not_change_the_text(tmp_path: Path) -> None:
    folder = str(release(tmp_path))
    plain, special = (
        SemEval2010Task8(folder=folder, markers=markers).load("text_classification")
        for markers in ("plain", "special")
    )
    assert plain == special


def test_the_test_numbers_have_gaps(tmp_path: Path) -> None:
    test = TEST + "\r\n\r\n" + TEST.replace("8001", "8005")
    corpus = SemEval2010Task8(folder=str(release(tmp_path, test=test))).load("text_classification")
    assert corpus.test is not None
    assert corpus.test["id"] == ["8001", "8005"]
