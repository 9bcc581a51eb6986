from dataclasses import replace

import pytest

from federa.report.diagnostic_charts import MEAN, diagnostic_charts, layer_values, rows_of
from federa.report.findings import DiagnosticSeries
from federa.report.look import Look
from report.synthetic import LAYERS, synthetic_findings

LOOK = Look({"federa": "FeDeRA", "bitfit": "BitFit"})


@pytest.fixture(scope="module")
def setting():
    return synthetic_findings().settings[0]


def diagnosed(method, seed, layers, drift, **more):
    rounds = list(range(1, len(drift[0]) + 1))
    return DiagnosticSeries(method, seed, rounds, layers, {"drift": drift, **more})


def test_means_are_over_the_seeds_of_a_layer_and_then_over_the_layers(setting):
    runs = [
        diagnosed("federa", 1, ["q", "v"], [[0.1, 0.2], [0.5, None]]),
        diagnosed("federa", 2, ["q", "v"], [[0.3, 0.4], [0.7, None]]),
        diagnosed("bitfit", 1, ["layer 0"], [[0.8, 0.9]]),
    ]
    values = layer_values(replace(setting, diagnostics=runs), LOOK)
    assert values.layers == [MEAN, "q", "v", "layer 0"]
    drift = values.values["drift"]
    assert drift["q"] == {"FeDeRA": [0.2, 0.3]}
    assert drift["v"] == {"FeDeRA": [0.6, None]}
    assert drift[MEAN] == {"FeDeRA": [0.4, 0.3], "BitFit": [0.8, 0.9]}
    assert rows_of(values, "drift", "v") == [{"method": "FeDeRA", "x": 1, "y": 0.6}]
    assert rows_of(values, "drift", "layer 0")[-1] == {"method": "BitFit", "x": 2, "y": 0.9}


def test_a_quantity_that_no_method_has_gets_no_chart(setting):
    runs = [diagnosed("federa", 1, ["q"], [[0.1]], row_angle=[[None]])]
    values = layer_values(replace(setting, diagnostics=runs), LOOK)
    assert [chart.name for chart in diagnostic_charts(values, LOOK)] == ["diagnostics-drift"]


def test_long_runs_are_drawn_at_some_of_their_rounds(setting):
    runs = [diagnosed("federa", 1, ["q"], [[0.5] * 1000])]
    values = layer_values(replace(setting, diagnostics=runs), LOOK)
    assert 30 <= len(values.rounds["FeDeRA"]) <= 60


def test_every_quantity_of_the_findings_is_drawn(setting):
    look = Look.of(synthetic_findings())
    values = layer_values(setting, look)
    assert values.layers == [MEAN, *LAYERS]
    charts = diagnostic_charts(values, look)
    assert len(charts) == 6
    by_name = {chart.name: {row["method"] for row in chart.rows} for chart in charts}
    assert by_name["diagnostics-column-angle"] == {"FeDeRA"}
    assert by_name["diagnostics-magnitude"] == {"FeDeRA", "LoRA", "Full"}
