"""Malformed configurations end in one clear line, exit code 2, and nothing on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from bad_input.command import assert_refused, federa, listing, spawn
from bad_input.configs import BYTES, KEYS, NEWER, SYNTAX, whole

TEXTS = [
    *(pytest.param(content, [part], id=id) for id, content, part in BYTES),
    *(pytest.param(text.encode(), parts, id=id) for id, text, *parts in SYNTAX),
    *(pytest.param(whole(text).encode(), parts, id=id) for id, text, *parts in KEYS + NEWER),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("content", "parts"), TEXTS)
def test_a_malformed_configuration_is_refused(
    place: Path, content: bytes, parts: list[str], request: pytest.FixtureRequest
) -> None:
    (place / "bad.yaml").write_bytes(content)
    before = listing(place)
    outcome = federa("run", "bad.yaml")
    assert_refused(outcome, *parts)
    if not request.node.callspec.id.startswith("model_"):  # which only a run looks for
        checked = federa("check", "bad.yaml", "--data")
        assert checked.err == outcome.err
        assert checked.code == 2
    assert listing(place) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "seed: 0x1F\nfederation: {num_rounds: 1_000}",
        "train: {learning_rate: 2e-3, weight_decay: 1.5e3}",
        "train: {learning_rate: 1.0e-3, max_grad_norm: null, dropout: yes}",
        'train: &t {epochs: 2}\nname: "5"',
        "evaluation: {splits: [validation, test], validation_fraction: .25}",
    ],
)
def test_what_the_cases_begin_from_is_accepted(place: Path, text: str) -> None:
    (place / "good.yaml").write_bytes(whole(text).encode())
    code, out, err = federa("check", "good.yaml", "--data")
    assert (code, err) == (0, "")
    assert out.startswith("good.yaml: ok; ")


PROCESSES = [
    ("bad.yaml:3: not valid YAML", b"data: servicedesk\ntrain:\n\tepochs: 1\n"),
    ("bad.yaml: not valid YAML (", b"[" * 100_000),
    ("bad.yaml: not UTF-8 at byte 0", "data: servicedesk\n".encode("utf-16")),
    ("bad.yaml: empty", b""),
    ("mehtod: unknown key; did you mean 'method'?", b"data: servicedesk\nmehtod: lora\n"),
    ("seed: must be a valid integer, not True", b"data: servicedesk\nseed: true\n"),
    ("no.csv: no such file", b"model: roberta-large\ndata: {name: files, train: no.csv}\n"),
    ("model: 'minilmm' is not an alias", b"data: servicedesk\nmodel: minilmm\n"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("part", "content"), PROCESSES)
def test_a_process_refuses_it_too(place: Path, part: str, content: bytes) -> None:
    (place / "bad.yaml").write_bytes(content)
    before = listing(place)
    assert_refused(spawn("run", "bad.yaml"), part)
    assert listing(place) == before
