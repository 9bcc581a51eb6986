"""The best spans against every span there is."""

import time

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from federa.tasks.answer_spans import best_spans

OUTSIDE = (-1, -1)


def _window(places: list[tuple[int, int]], pairs: list[list[float]]) -> tuple[numpy.ndarray, ...]:
    return numpy.array(pairs, dtype=numpy.float32), numpy.array(places, dtype=numpy.int32)


def test_by_hand() -> None:
    places = [OUTSIDE, (0, 3), (4, 6), (7, 9)]
    logits, letters = _window(places, [[9, 9], [1, 0], [3, 5], [2, 4]])
    # the classifier token is no answer; one token: 1, 8, 6; two: 6, 7; three: 5
    wanted = [(4, 6, 8.0), (4, 9, 7.0), (0, 6, 6.0), (7, 9, 6.0), (0, 9, 5.0), (0, 3, 1.0)]
    assert best_spans([logits], [letters], 30, 20) == wanted
    assert best_spans([logits], [letters], 30, 3) == wanted[:3]
    assert best_spans([logits], [letters], 1, 3) == [(4, 6, 8.0), (7, 9, 6.0), (0, 3, 1.0)]


def test_a_span_of_two_windows_counts_once_with_its_best_score() -> None:
    first = _window([OUTSIDE, (0, 3), (4, 6)], [[0, 0], [0, 0], [1, 1]])
    second = _window([OUTSIDE, (4, 6), (7, 9)], [[0, 0], [5, 2], [0, 3]])
    found = best_spans([first[0], second[0]], [first[1], second[1]], 2, 3)
    assert found == [(4, 9, 8.0), (4, 6, 7.0), (7, 9, 3.0)]


def test_pieces_of_one_letter_are_one_place() -> None:
    places = [OUTSIDE, (0, 1), (0, 1), (0, 1), (1, 2)]  # three bytes of a letter
    logits, letters = _window(places, [[0, 0], [1, 0], [9, 9], [9, 2], [0, 0]])
    assert best_spans([logits], [letters], 4, 9) == [(0, 1, 3.0), (0, 2, 1.0), (1, 2, 0.0)]
    assert best_spans([logits], [letters], 3, 9) == [(0, 1, 3.0), (1, 2, 0.0)]


def test_nothing_where_there_is_no_passage() -> None:
    window = _window([OUTSIDE, OUTSIDE], [[1, 1], [1, 1]])
    assert best_spans([window[0]], [window[1]], 3, 5) == []
    assert best_spans([], [], 3, 5) == []


@settings(deadline=None)
@given(data=st.data(), max_tokens=st.integers(1, 6), number=st.integers(1, 12))
def test_as_every_span_says(data: st.DataObject, max_tokens: int, number: int) -> None:
    windows, places = [], []
    for begin in (0, 4):  # windows that share some of their tokens
        steps = data.draw(st.lists(st.sampled_from(["token", "piece", "blank"]), max_size=9))
        letters, at = [OUTSIDE, OUTSIDE], 2 * begin
        for step in steps:
            if step == "blank":
                letters.append(OUTSIDE)
            elif step == "piece" and letters[-1] != OUTSIDE:
                letters.append(letters[-1])
            else:
                letters.append((at, at + 1))
            at += 2
        length = len(letters) + 1
        values = st.lists(st.integers(-3, 3), min_size=2 * length, max_size=2 * length)
        pairs = numpy.array(data.draw(values)).reshape(-1, 2).tolist()
        logits, found = _window([*letters, OUTSIDE], pairs)
        windows.append(logits)
        places.append(found)
    wanted = _by_hand(windows, places, max_tokens)[:number]
    assert best_spans(windows, places, max_tokens, number) == wanted


def _by_hand(
    windows: list[numpy.ndarray], places: list[numpy.ndarray], max_tokens: int
) -> list[tuple[int, int, float]]:
    best: dict[tuple[int, int], float] = {}
    for logits, letters in zip(windows, places, strict=True):
        tokens = [at for at in range(len(letters)) if letters[at, 0] >= 0]
        for order, first in enumerate(tokens):
            for number, last in enumerate(tokens[order:], order):
                before = letters[tokens[order - 1]] if order else None
                after = letters[tokens[number + 1]] if number + 1 < len(tokens) else None
                inside_letter = (before is not None and (before == letters[first]).all()) or (
                    after is not None and (after == letters[last]).all()
                )
                if last - first < max_tokens and not inside_letter:
                    span = int(letters[first, 0]), int(letters[last, 1])
                    score = float(logits[first, 0] + logits[last, 1])
                    best[span] = max(best.get(span, score), score)
    return sorted(
        ((start, end, score) for (start, end), score in best.items()),
        key=lambda found: (-found[2], found[:2]),
    )


def test_many_windows_take_little_time() -> None:
    random = numpy.random.default_rng(0)
    places = numpy.array([(4 * at, 4 * at + 3) for at in range(384)], dtype=numpy.int32)
    logits = random.standard_normal((500, 384, 2)).astype(numpy.float32)
    begin = time.process_time()
    found = [best_spans([window], [places], 30, 20) for window in logits]
    assert time.process_time() - begin < 2.0  # some 0.2 ms each, ten times as fast
    assert {len(spans) for spans in found} == {20}
