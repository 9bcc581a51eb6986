"""Plain text split into words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federa.tasks.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ask Ann (room 3), please!", "Ask|Ann|(|room|3|)|,|please|!"),
        ("It costs $1,250.50 at 12:30.", "It|costs|$|1,250.50|at|12:30|."),
        ("Don't re-start it; o\u2019clock", "Don't|re-start|it|;|o\u2019clock"),
        ("Ann's and the O'Neills' car", "Ann|'s|and|the|O'Neills|'|car"),
        ("Ann\u2019s \u201cold\u201d car", "Ann|\u2019s|\u201c|old|\u201d|car"),
        ("@ann_b: see #late, now", "@ann_b|:|see|#late|,|now"),
        ("See https://a.example/b?c=1. Bye", "See|https://a.example/b?c=1|.|Bye"),
        ("Mail ann.b@a.example, or www.a.example.", "Mail|ann.b@a.example|,|or|www.a.example|."),
        ("The U.S. and the U.N. met at 9 a.m.", "The|U.S.|and|the|U.N.|met|at|9|a.m."),
        ("Amazon.com met AT&T. Then", "Amazon.com|met|AT&T|.|Then"),
        ("No blank.Next one", "No|blank|.|Next|one"),
        ("wait...", "wait|.|.|."),
        ("cafe\u0301 and \u0928\u093f", "cafe\u0301|and|\u0928\u093f"),  # combining marks
        ("\U0001f600\U0001f44d\ufe0f ok", "\U0001f600|\U0001f44d\ufe0f|ok"),
        ("a\u00a0b\u2003c\td\ne", "a|b|c|d|e"),
        (" \n", ""),
        ("", ""),
    ],
)
def test_words_of_a_text(text: str, words: str) -> None:
    found = [text[begin:end] for begin, end in split_words(text)]
    assert found == (words.split("|") if words else [])


@given(st.text(max_size=40))
def test_only_white_space_is_left_out(text: str) -> None:
    end = 0
    for begin, following in split_words(text):
        assert end <= begin < following
        assert not text[end:begin].strip()
        assert not any(letter.isspace() for letter in text[begin:following])
        end = following
    assert not text[end:].strip()
