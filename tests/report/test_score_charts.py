from dataclasses import replace

import numpy
import pytest

from federa.report.findings import Interval
from federa.report.look import Look
from federa.report.score_charts import client_score_chart, rate_chart, score_chart
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


def test_every_seed_is_drawn_and_the_interval_is_read_out(setting, look):
    chart = score_chart(setting, look)
    assert len(chart.rows) == 5 * 3
    found = setting.methods[0].test_interval
    said = [f"{100 * value:.1f} %" for value in (found.mean, found.low, found.high)]
    assert f"FeDeRA: {said[0]} [{said[1]}, {said[2]}]" in chart.alt
    assert chart.alt.endswith("Pooled full fine-tuning: 84.6 %.")


def test_one_seed_has_no_interval(findings, look):
    chart = score_chart(findings.settings[2], look)
    assert chart.note.startswith("One seed: no interval can be given.")
    assert "[" not in chart.alt


def test_an_interval_is_drawn_as_far_as_scores_go(setting, look):
    wide = replace(setting.methods[0], test_interval=Interval(0.6, -0.3, 1.5, 2))
    chart = score_chart(replace(setting, methods=[wide]), look)
    assert "'low': 0.0, 'high': 1.0" in str(chart.spec)
    assert "FeDeRA: 60.0 % [-30.0 %, 150.0 %]" in chart.alt


def test_nothing_was_scored(setting, look):
    unscored = [replace(one, test={}, test_interval=None) for one in setting.methods]
    assert score_chart(replace(setting, methods=unscored), look) is None


def test_boxes_are_quartiles(setting, look):
    scores = [0.1, 0.5, 0.4, 0.9, 0.7]
    methods = [replace(setting.methods[0], per_client=scores)]
    chart = client_score_chart(replace(setting, methods=methods), look)
    (boxes,) = {str(layer["data"]["values"]) for layer in chart.spec["layer"] if "data" in layer}
    low, middle, high = numpy.quantile(scores, [0.25, 0.5, 0.75]).tolist()
    assert boxes == str([{"method": "FeDeRA", "low": low, "middle": middle, "high": high}])
    assert [row["x"] for row in chart.rows] == scores
    assert all(-1 <= row["up"] <= 1 for row in chart.rows)


def test_clients_that_were_not_scored(setting, look):
    methods = [replace(one, per_client=None) for one in setting.methods]
    assert client_score_chart(replace(setting, methods=methods), look) is None


def test_the_chosen_rate_is_ringed_and_a_failed_one_told(setting, look):
    chart = rate_chart(setting, look)
    federa = [row for row in chart.rows if row["method"] == "FeDeRA"]
    assert [(row["x"], row["chosen"]) for row in federa] == [(0.001, False), (0.002, True)]
    assert "FeDeRA at 0.01" in chart.note
    assert "Chosen: FeDeRA 0.002, LoRA 0.005" in chart.alt


def test_no_search_no_chart(setting, look):
    methods = [replace(one, tried={}) for one in setting.methods]
    assert rate_chart(replace(setting, methods=methods), look) is None
