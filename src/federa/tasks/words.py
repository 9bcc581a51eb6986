"""Plain text as words."""

from __future__ import annotations

import re
import unicodedata

_MARK = "\ue000"  # stands for letters that join the one before them, which \w does not match
_WORD = re.compile(
    r"""
    (?:https?://|www\.)\S*[\w/]             # addresses, without the full stop that follows
    | [\w.+-]{1,64}@\w[\w-]*(?:\.\w[\w-]*)+  # of mail
    | [@\#]L+                               # names and tags of social media
    | \d+(?:[.,:]\d+)+                      # numbers with separators, times
    | (?:[^\W\d_]\.){2,}                    # U.S., a.m.
    | (?<=[\wM])['\u2019]s\b                # the genitive
    | L+(?:(?!['\u2019]s\b)(?:[-'\u2019&]|\.(?=(?-i:[a-z])))L+)*
    | [^\w\s]M*                             # any other mark alone
    """.replace("L", r"(?:\wM*)").replace("M", _MARK),
    re.VERBOSE | re.IGNORECASE,
)


def split_words(text: str) -> list[tuple[int, int]]:
    """Where each word and each punctuation mark of a plain text begins and ends.

    Much as data in CoNLL's format are split: marks and the genitive 's stand alone; addresses,
    @names, #tags, numbers such as 1,250.50, abbreviations such as U.S., names such as Amazon.com,
    and words with inner hyphens, ampersands or apostrophes (don't) stay whole. Combining marks and
    invisible joiners belong to the letter before them. Only white space is left out.
    """
    if not text.isascii():
        text = "".join(_MARK if _joins(letter) else letter for letter in text)
    return [matched.span() for matched in _WORD.finditer(text)]


def _joins(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return kind[0] == "M" or kind == "Cf"
