"""The bytes of the files that official scorers read."""

import json
from pathlib import Path

import pytest

from federa.errors import RunError
from federa.metrics.entities import entity_scores
from federa.metrics.prediction_files import write_answers, write_labels, write_tags
from metrics import scorers


def test_labels_and_key(tmp_path: Path) -> None:
    guesses, truth = ["Other", "Cause-Effect(e1,e2)"], ["Other", "Cause-Effect(e2,e1)"]
    written = write_labels(tmp_path, ["8001", "8003"], guesses, truth)
    assert [path.name for path in written] == ["predictions.txt", "key.txt"]
    assert written[0].read_bytes() == b"8001\tOther\n8003\tCause-Effect(e1,e2)\n"
    assert written[1].read_bytes() == b"8001\tOther\n8003\tCause-Effect(e2,e1)\n"
    assert scorers.semeval2010task8(*written) == 0


def test_labels_of_other_sets_keep_their_ids(tmp_path: Path) -> None:
    written = write_labels(tmp_path, ["sci.space/1", "a\tb"], ["sci.space", "two words\n"], None)
    assert [path.name for path in written] == ["predictions.txt"]
    assert written[0].read_bytes() == b"sci.space/1\tsci.space\na b\ttwo words \n"
    write_labels(tmp_path, None, ["x", "caf\u00e9"], None)
    assert (tmp_path / "predictions.txt").read_bytes() == b"1\tx\n2\tcaf\xc3\xa9\n"


def test_tags_in_both_separations(tmp_path: Path) -> None:
    words = [["Ada", "is"], [], ["Zürich"]]
    gold, guess = [["B-per", "O"], [], ["B-loc"]], [["I-per", "O"], [], ["O"]]
    written = write_tags(tmp_path, words, gold, guess)
    assert [path.name for path in written] == ["predictions.conll", "predictions.tsv"]
    text = "Ada B-per I-per\nis O O\n\n\nZürich B-loc O\n"
    assert written[0].read_bytes() == text.encode()
    assert written[1].read_bytes() == text.replace(" ", "\t").encode()


def test_no_word_is_lost_to_a_scorer(tmp_path: Path) -> None:
    odd = ["New York", "a\tb", "\n", "", "-X-", "\u00a0", "\u2028", "x\r\ny", "\ud83d"]
    words = [[word, "and"] for word in odd]
    gold = [["B-location", "O"] for _ in odd]
    conll, tsv = write_tags(tmp_path, words, gold, gold)
    lines = conll.read_text("utf-8").split("\n")
    assert [line.split(" ")[0] for line in lines[::3]] == [
        "New␣York",
        "a␣b",
        "␣",
        "␣",
        "-X-␣",
        "␣",
        "␣",
        "x␣␣y",
        "?",
    ]
    found = scorers.conlleval(conll)
    assert found["per_type"] == {
        "location": {"precision": 1, "recall": 1, "f1": 1, "num_entities": len(odd)}
    }
    assert scorers.conlleval(tsv, "\t") == found
    assert scorers.wnuteval(tsv)[0] == scorers.ratios(len(odd), len(odd), len(odd))
    assert entity_scores(gold, gold, words)["f1"] == 1


def test_answers_alternatives_and_probabilities(tmp_path: Path) -> None:
    answers = {"q2": "caf\u00e9 \ud83d", "q1": ""}
    span = {"text": "caf\u00e9", "start": 3, "end": 7, "probability": 0.5}
    written = write_answers(tmp_path, answers, {"q2": [span], "q1": []}, {"q2": 0.25, "q1": 0.75})
    names = ["predictions.json", "nbest.json", "na_prob.json"]
    assert [path.name for path in written] == names
    assert written[0].read_bytes() == b'{\n "q2": "caf\\u00e9 \\ud83d",\n "q1": ""\n}\n'
    assert json.loads(written[0].read_text("ascii")) == answers
    assert json.loads(written[1].read_text("ascii")) == {"q2": [span], "q1": []}
    assert json.loads(written[2].read_text("ascii")) == {"q2": 0.25, "q1": 0.75}
    references = {"q2": ["the caf\u00e9 \ud83d"], "q1": []}
    scores = scorers.squad2(written[0], references, written[2])
    assert scores["exact"] == 100
    assert scorers.squad2(written[0], references, written[2], threshold=0.2)["exact"] == 50


def test_without_unanswerable_questions_there_are_two_files(tmp_path: Path) -> None:
    written = write_answers(tmp_path, {"q": "x"}, {"q": []})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nbest.json", "predictions.json"]
    assert scorers.squad1(written[0], {"q": ["the X"]}) == {"exact_match": 100, "f1": 100}


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        write_labels(folder, None, ["x"], ["y"])
        write_tags(folder, [["w"]], [["O"]], [["B-a"]])
        write_answers(folder, {"q": "x"}, {"q": []}, {"q": 0.1})
    names = sorted(path.name for path in folders[0].iterdir())
    assert len(names) == 7
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"predictions\.txt: cannot write"):
        write_labels(tmp_path / "none", None, ["x"], None)


def test_lengths_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        write_tags(tmp_path, [["one", "two"]], [["O", "O"]], [["O"]])
    assert not list(tmp_path.iterdir())
