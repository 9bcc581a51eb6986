from dataclasses import replace

import pytest

from federa.report.cost_charts import bytes_chart, energy_chart, memory_chart, network_charts
from federa.report.findings import NetworkTime, Reached, Share
from federa.report.look import Look
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def findings():
    return synthetic_findings()


@pytest.fixture
def setting(findings):
    return findings.settings[0]


@pytest.fixture
def look(findings):
    return Look.of(findings)


FULL, OURS = (60.0, 300.0, 240.0), (6.0, 30.0, 24.0)


def test_parts_of_a_bar_are_download_compute_and_upload(setting, look):
    times = [
        NetworkTime("lte", "full", FULL, (1.0, 1.0, 1.0), None, {1: FULL, 2: FULL, 3: FULL}),
        NetworkTime("lte", "federa", OURS, (1.0, 1.0, 1.0), 0.9, {1: OURS, 2: OURS, 3: None}),
    ]
    (chart,) = network_charts(replace(setting, networks=times), look)
    assert [(row["method"], row["part"], row["x"]) for row in chart.rows] == [
        ("FeDeRA", "download", 0.1),
        ("FeDeRA", "compute", 0.5),
        ("FeDeRA", "upload", 0.4),
        ("Full", "download", 1.0),
        ("Full", "compute", 5.0),
        ("Full", "upload", 4.0),
    ]
    assert chart.title == "LTE"
    assert chart.alt.endswith("FeDeRA: 1 min, 90 % less; 1 of 3 missed; Full: 10.0 min.")


def test_not_reached_is_written_where_the_bar_would_be(setting, look):
    charts = network_charts(setting, look)
    assert [chart.name for chart in charts] == [
        f"time-to-target-{network}"
        for network in ("lte", "5g", "wifi_50", "ethernet_100", "ethernet_1000")
    ]
    for chart in charts:
        assert "BitFit: not reached in 40 rounds" in chart.alt
        assert "BitFit" not in {row["method"] for row in chart.rows}


def test_bars_are_medians_and_dots_seeds(setting, look):
    reached = [Reached(1, 40, 10, 1e9), Reached(2, 40, 12, 5e9), Reached(3, 40, 11, 2e9)]
    one = replace(setting.methods[0], reached=reached, bytes_reduction=Share(0.5, {1: 0.5}))
    chart = bytes_chart(replace(setting, methods=[one]), look)
    assert [(row["seed"], row["x"], row["round"]) for row in chart.rows] == [
        (1, 1.0, 10),
        (2, 5.0, 12),
        (3, 2.0, 11),
    ]
    assert "'middle': 2.0" in str(chart.spec)
    assert chart.alt.endswith("FeDeRA: 2 GB, 50 % less.")


def test_a_seed_that_did_not_reach_the_target_is_told(setting, look):
    some = [Reached(1, 40, 10, 1e9), Reached(2, 40), Reached(3, 40, 11, 2e9)]
    few = [Reached(1, 40, 10, 1e9), Reached(2, 40), Reached(3, 40)]
    texts = []
    for reached in (some, few):
        one = replace(setting.methods[0], reached=reached, bytes_reduction=None)
        texts.append(bytes_chart(replace(setting, methods=[one]), look).alt)
    assert texts[0].endswith("FeDeRA: 2 GB; 1 of 3 missed.")
    assert texts[1].endswith("FeDeRA: not reached on 2 of 3 seeds.")


def test_there_is_no_chart_of_what_nobody_modelled(setting, look):
    bare = [
        replace(
            result,
            reached=[replace(run, joules=None) for run in result.reached],
            peak_bytes=None,
            fits=None,
        )
        for result in setting.methods
    ]
    without = replace(setting, methods=bare)
    assert energy_chart(without, look) is None
    assert memory_chart(without, look) is None
    assert bytes_chart(without, look) is not None


def test_what_does_not_fit_is_marked(setting, look):
    chart = memory_chart(setting, look)
    assert {row["method"] for row in chart.rows if not row["fits"]} == {"Full"}
    assert "Full: 9.3 GB, does not fit." in chart.alt
    assert chart.note == "Full does not fit the profile's devices."


def test_an_axis_leaves_room_for_the_words_behind_its_bars(setting, look):
    parts = (0.0, 10.0, 0.0)
    times = [NetworkTime("lte", "full", parts, (0.0, 1.0, 0.0), None, {1: parts})]
    (short,) = network_charts(replace(setting, networks=times), look)
    (domain,) = {tuple(layer["encoding"]["x"]["scale"]["domain"]) for layer in short.spec["layer"]}
    # "10.0 s": 6 letters of 6.3 pixels and 12 more, of 215
    assert domain == (0, pytest.approx(10 / (1 - (6 * 6.3 + 12) / 215), rel=1e-4))
