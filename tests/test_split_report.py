"""The report on a split: numbers worked out by hand, a terminal of any kind, the same pictures."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from federa.errors import ConfigError, RunError
from federa.partition import Dirichlet
from federa.split_report import SplitReport, draw, report_split, require_drawable, show


def _report(*clients: str, axis: str = "label") -> SplitReport:
    """A client for each text, a row for each letter."""
    labels = [[letter] for client in clients for letter in client]
    ends = numpy.cumsum([len(client) for client in clients])
    rows = numpy.split(numpy.arange(len(labels)), ends[:-1])
    return SplitReport.of(rows, labels, axis)


def _shown(report: SplitReport, width: int = 80, **given: object) -> list[str]:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    show(Console(file=file, width=width, **given), report)  # type: ignore[arg-type]
    file.flush()
    return file.buffer.getvalue().decode().splitlines()  # type: ignore[attr-defined]


def test_two_clients_without_a_label_in_common() -> None:
    report = _report("aaaa", "bb")
    assert report.labels == ("a", "b")
    assert report.counts.tolist() == [[4, 0], [0, 2]]
    assert report.pool == pytest.approx([2 / 3, 1 / 3])
    # a: middle (5/6, 1/6); divergence (log2(6/5) + 2/3 log2(4/5) + 1/3 log2 2) / 2
    first = math.sqrt((math.log2(6 / 5) + 2 / 3 * math.log2(4 / 5) + 1 / 3) / 2)
    # b: middle (1/3, 2/3); divergence (log2(3/2) + 2/3 log2 2 + 1/3 log2(1/2)) / 2
    second = math.sqrt((math.log2(3 / 2) + 2 / 3 - 1 / 3) / 2)
    assert report.distances == pytest.approx([first, second])
    assert report.mean_distance == pytest.approx((first + second) / 2)
    assert report.clients_per_label == pytest.approx([1, 1])
    assert report.labels_per_client == pytest.approx([1, 1])
    assert report.largest_to_smallest == 2
    assert report.gini == pytest.approx(1 / 6)  # |4-2| x 2 / (2 x 2^2 x 3)
    assert report.size_variation == pytest.approx(1 / 3)


def test_distances_are_those_of_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    keys = ["abcdefg"[row % 7] for row in range(500)]
    clients = Dirichlet(alpha=0.3).split(keys, 9, numpy.random.default_rng(1))
    report = SplitReport.of(clients, [[key] for key in keys])
    expected = [jensenshannon(row, report.pool, base=2) for row in report.counts]
    assert report.distances == pytest.approx(expected)


def test_equal_clients_differ_in_nothing() -> None:
    report = _report("aabc", "aabc", "aabc")
    assert report.distances.tolist() == [0, 0, 0]
    assert report.clients_per_label == pytest.approx([3, 3, 3])
    assert report.labels_per_client == pytest.approx([1 / (1 / 4 + 1 / 16 + 1 / 16)] * 3)
    assert (report.gini, report.size_variation, report.largest_to_smallest) == (0, 0, 1)
    assert 0 < report.random_distance < 1


def test_the_random_reference_is_what_a_random_split_has() -> None:
    keys = ["abcde"[row % 5] for row in range(2000)]
    clients = numpy.array_split(numpy.random.default_rng(3).permutation(2000), 50)
    report = SplitReport.of(clients, [[key] for key in keys])
    assert report.mean_distance == pytest.approx(report.random_distance, rel=0.1)
    again = SplitReport.of(clients, [[key] for key in keys])
    assert again.random_distance == report.random_distance


def test_rows_with_several_labels_or_none() -> None:
    labels = [["PER", "LOC"], ["PER"], [], [], ["LOC", "LOC", "ORG"]]
    clients = [numpy.array([0, 1]), numpy.array([2, 3]), numpy.array([4])]
    report = SplitReport.of(clients, labels, "entity type")
    assert report.labels == ("LOC", "ORG", "PER")
    assert report.counts.tolist() == [[1, 0, 2], [0, 0, 0], [2, 1, 0]]
    assert report.sizes.tolist() == [2, 2, 1]
    assert math.isnan(report.distances[1])
    assert report.mean_distance == pytest.approx(float(numpy.mean(report.distances[[0, 2]])))
    assert report.labels_per_client == pytest.approx([9 / 5, 0, 9 / 5])
    assert "on average (1 without entity types left out)" in report.sentences()[1][1]
    assert report.to_json()["jensen_shannon_distances"][1] is None


def test_numbers_are_put_in_order_of_number() -> None:
    report = SplitReport.of([numpy.arange(3)], [[10], [9], [2]], "cluster")
    assert report.labels == ("2", "9", "10")
    assert SplitReport.of([numpy.arange(2)], [["10"], ["9a"]]).labels == ("10", "9a")


def test_a_split_without_any_label_is_shown_and_drawn(tmp_path: Path) -> None:
    report = SplitReport.of([numpy.array([0]), numpy.array([1])], [[], []])
    assert _shown(report)[0] == "2 clients, 0 labels, 2 examples"
    draw(report, tmp_path / "a.svg")
    assert [what for what, _ in report.sentences()] == ["examples per client"]
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["labels"] == []


@given(st.lists(st.text("abcd", min_size=1, max_size=9), min_size=1, max_size=6))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_numbers_stay_within_their_bounds(clients: list[str]) -> None:
    report = _report(*clients)
    num_clients, num_labels = report.counts.shape
    assert ((report.distances >= 0) & (report.distances <= 1)).all()
    assert 0 <= report.gini <= 1 - 1 / num_clients + 1e-12
    assert (report.clients_per_label >= 1 - 1e-12).all()
    assert (report.clients_per_label <= num_clients + 1e-9).all()
    assert (report.labels_per_client >= 1 - 1e-12).all()
    assert (report.labels_per_client <= num_labels + 1e-9).all()
    json.dumps(report.to_json(), allow_nan=False)


def test_what_a_pipe_gets() -> None:
    report = _report("aaaa", "bb" + "a" * 198, axis="entity type")
    assert _shown(report) == [
        "2 clients, 2 entity types, 204 examples",
        "      1  2",
        "all  99 <1",
        "  0 100  ·  ▌                    4",
        "  1  99  1  ████████████████████ 200",
        "percent of a client's entity types; bars: examples",
        "1 a  2 b",
        "",
        "examples per client                102.0 on average, 4 to 200 (x 50.0), Gini 0.48",
        "distance to the pool               "
        + f"{report.mean_distance:.2f} Jensen-Shannon on average; "
        + f"{report.random_distance:.2f} if dealt at random",
        "effective entity types per client  1.0 of 2 on average, 1.0 to 1.0",
        "effective clients per entity type  1.0 of 2 on average, 1.0 to 1.0",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize(("num_clients", "num_labels"), [(1, 1), (6, 3), (100, 20), (50, 442)])
def test_lines_fit_the_terminal(num_clients: int, num_labels: int, width: int) -> None:
    keys = [f"a label of some length {row % num_labels}" for row in range(1000)]
    clients = numpy.array_split(numpy.random.default_rng(0).permutation(1000), num_clients)
    report = SplitReport.of(clients, [[key] for key in keys])
    lines = _shown(report, width)
    facts = len(report.sentences())
    assert max(map(len, lines[1:-facts])) <= width
    text = " ".join(lines)
    assert ("first 40 of" in text) == (num_clients > 40)
    assert ("of 442 labels, the commonest first" in text) == (num_labels > 60)
    assert lines == _shown(report, width)


def test_many_labels_are_blocks_with_the_rest_at_the_end() -> None:
    keys = [str(number) for number in range(100)] + ["5"] * 100
    report = SplitReport.of([numpy.arange(100), numpy.arange(100, 200)], [[key] for key in keys])
    lines = _shown(report, 60)
    assert lines[3].split()[:2] == ["all", "▓" + "░" * 41]
    first, second = lines[4].split(), lines[5].split()
    assert first[:2] == ["0", "░" * 42]
    assert first[2] == "▓"  # 58 % of this client's labels are not shown
    assert second[:3] == ["1", "█" + "·" * 41, "·"]


def test_an_ascii_terminal_gets_ascii() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show(Console(file=file, width=80), _report("éé", "bé"), title="naïve")
    file.flush()
    text = file.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "na?ve: 2 clients, 2 labels, 4 examples" in text
    assert "#" in text


def test_colour_adds_nothing_to_the_characters() -> None:
    from rich.ansi import AnsiDecoder

    report = _report("aaab", "bbbc")
    coloured = "\n".join(
        _shown(report, force_terminal=True, color_system="truecolor", legacy_windows=False)
    )
    assert "\x1b[" in coloured
    assert [line.plain for line in AnsiDecoder().decode(coloured)] == _shown(report)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_split_gives_the_same_picture(suffix: str, tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    report = _report("aaab", "bbbc", "abcd" * 5)
    draw(report, tmp_path / f"a{suffix}", title="a $split$")
    draw(report, tmp_path / f"b{suffix.upper()}", title="a $split$")
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert content == (tmp_path / f"b{suffix.upper()}").read_bytes()
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert content.startswith(start)
    assert dict(matplotlib.rcParams) == before


def test_an_svg_holds_its_text(tmp_path: Path) -> None:
    labels = [["a_$x"], ["comp.os.ms-windows.misc"], ["<&>"]]
    draw(SplitReport.of([numpy.arange(3)], labels), tmp_path / "a.svg", title="$1 < $2")
    text = (tmp_path / "a.svg").read_text()
    for part in ("a_$x", "comp.os.ms-windows.misc", "&lt;&amp;&gt;", "$1 &lt; $2: 1 client"):
        assert part in text
    assert "<dc:date>" not in text


@pytest.mark.parametrize(("num_clients", "num_labels"), [(1, 1), (100, 20), (1500, 70)])
def test_any_size_is_drawn(num_clients: int, num_labels: int, tmp_path: Path) -> None:
    keys = [f"label {row % num_labels}" for row in range(3000)]
    clients = numpy.array_split(numpy.random.default_rng(0).permutation(3000), num_clients)
    draw(SplitReport.of(clients, [[key] for key in keys]), tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert ("shown: the 60 commonest of 70 labels" in text) == (num_labels == 70)
    assert ("a row: the mean of about 1.5 neighbouring clients" in text) == (num_clients == 1500)


def test_a_picture_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    report = _report("ab")
    with pytest.raises(ConfigError, match=r"pictures are \.png, \.svg, \.pdf, not \.gif"):
        draw(report, tmp_path / "a.gif")
    with pytest.raises(ConfigError, match="not a name without a suffix"):
        draw(report, tmp_path / "a")
    with pytest.raises(RunError, match="cannot write"):
        draw(report, tmp_path / "nowhere" / "a.png")
    require_drawable(tmp_path / "a.PNG")


def _run(reads: str, keys: list[Any] | None = None) -> tuple[Any, Any]:
    """What the report needs of a configuration and of its data."""
    train = {"words": [["x", "y"], ["z"]], "domain": ["a", "b"]}
    profile = ("entity type", [["PER", "PER"], []])
    task = SimpleNamespace(label_profile=lambda table: profile if table is train else None)
    config = SimpleNamespace(partition=SimpleNamespace(reads=reads), task=task)
    clients = [numpy.array([0]), numpy.array([1])]
    return config, SimpleNamespace(train=train, clients=clients, keys=keys)


def test_what_is_reported_of_a_run() -> None:
    report = report_split(*_run("label"))
    assert (report.axis, report.counts.tolist()) == ("entity type", [[2], [0]])
    report = report_split(*_run("label"), by="domain")
    assert (report.axis, report.labels, report.counts.tolist()) == (
        "domain",
        ("a", "b"),
        [[1, 0], [0, 1]],
    )
    assert report_split(*_run("label"), by="words").counts.tolist() == [[1, 1, 0], [0, 0, 1]]
    report = report_split(*_run("cluster", [10, 9]))
    assert (report.axis, report.labels) == ("cluster", ("9", "10"))
    with pytest.raises(ConfigError, match=r"--by: no column 'domian'; did you mean 'domain'"):
        report_split(*_run("label"), by="domian")
