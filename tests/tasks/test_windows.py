"""Flat arrays of windows against hand-made lists."""

from types import SimpleNamespace

import numpy
import torch

from federa.tasks.windows import Windows, windows_of

TOKENIZER = SimpleNamespace(pad_token_id=9)
PIECES = [[1, 2], [3, 4, 5], [6], [7, 8]]
OWNERS = [0, 0, 2, 2]  # the second example has no window


def _windows(**changes: object) -> Windows:
    arguments = {"pieces": PIECES, "owners": OWNERS, "num_examples": 3, "tokenizer": TOKENIZER}
    return Windows.of(**(arguments | changes))  # type: ignore[arg-type]


def test_pieces_become_flat_arrays() -> None:
    windows = _windows()
    assert windows.ids.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert windows.ids.dtype == numpy.int32
    assert windows.token_offsets.tolist() == [0, 2, 5, 6, 8]
    assert windows.window_offsets.tolist() == [0, 2, 2, 4]
    assert windows.lengths().tolist() == [2, 3, 1, 2]
    assert windows.type_ids is None
    arrays = _windows(pieces=[numpy.array(piece, dtype=numpy.int32) for piece in PIECES])
    assert arrays.digest() == windows.digest()


def test_no_examples_are_no_windows() -> None:
    windows = _windows(pieces=[], owners=[], num_examples=0)
    assert (len(windows.ids), windows.window_offsets.tolist()) == (0, [0])
    assert windows.lengths().tolist() == []


def test_windows_of_some_examples_in_their_order() -> None:
    offsets = numpy.array([0, 2, 2, 5])
    assert windows_of(offsets, numpy.array([2, 1, 0])).tolist() == [2, 3, 4, 0, 1]
    assert windows_of(offsets, numpy.array([1])).tolist() == []
    assert windows_of(offsets, numpy.array([], dtype=int)).tolist() == []
    assert windows_of(offsets, numpy.array([0, 0])).tolist() == [0, 1, 0, 1]


def test_a_batch_is_padded_to_its_longest_window() -> None:
    batch = _windows().batch([1, 3, 2])
    assert batch["input_ids"].tolist() == [[3, 4, 5], [7, 8, 9], [6, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert {value.dtype for value in batch.values()} == {torch.int64}
    assert set(batch) == {"input_ids", "attention_mask"}
    types = _windows(types=[[0, 1], [0, 0, 1], [0], [0, 1]]).batch([0, 1])
    assert types["token_type_ids"].tolist() == [[0, 1, 0], [0, 0, 1]]


def test_values_of_tokens_are_padded_alike() -> None:
    values = numpy.arange(8, dtype=numpy.int32)
    assert _windows().padded(values, [0, 1], -100).tolist() == [[0, 1, -100], [2, 3, 4]]


def test_the_digest_is_of_all_content() -> None:
    plain = _windows()
    digests = {
        plain.digest(),
        plain.digest(numpy.array([1])),
        plain.digest(numpy.array([2])),
        plain.digest(numpy.array([1], dtype=numpy.int8)),
        _windows(owners=[0, 1, 2, 2]).digest(),
        _windows(pieces=[[1], [2, 3, 4, 5], [6], [7, 8]]).digest(),
        _windows(types=[[0, 1], [0, 0, 1], [0], [0, 1]]).digest(),
    }
    assert len(digests) == 7
    assert plain.digest() == _windows().digest()
