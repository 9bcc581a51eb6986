from dataclasses import replace

import pytest

from federa.report.look import Look
from federa.report.overview_charts import overview_charts
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def findings():
    return synthetic_findings()


@pytest.fixture
def look(findings):
    return Look.of(findings)


def with_settings(findings, *settings):
    return replace(findings, settings=list(settings))


def named(setting, *names):
    return [replace(setting, name=name) for name in names]


def labels(chart):
    """What stands below the settings."""
    return chart.spec["layer"][-1]["encoding"]["x"]["scale"]["domain"]


def test_a_chart_for_every_data_set(findings, look):
    charts = overview_charts(findings, look)
    assert [chart.name for chart in charts] == ["test-scores-semeval", "test-scores-squad"]
    assert [len(chart.rows) for chart in charts] == [2 * 5, 3]


def test_one_setting_needs_no_overview(findings, look):
    assert overview_charts(with_settings(findings, findings.settings[0]), look) == []


def test_every_mean_is_drawn_and_read_out_by_setting(findings, look):
    first, second, _ = findings.settings
    chart = overview_charts(findings, look)[0]
    federa = [row for row in chart.rows if row["method"] == "FeDeRA"]
    assert [row["setting"] for row in federa] == ["dirichlet-0.1", "iid"]
    for row, setting in zip(federa, (first, second), strict=True):
        found = setting.methods[0].test_interval
        expected = (found.mean, found.low, found.high)
        assert (row["y"], row["low"], row["high"]) == pytest.approx(expected, abs=1e-5)
        mean, low, high = (f"{100 * value:.1f} %" for value in expected)
        assert f"{row['setting']}: FeDeRA {mean} [{low}, {high}], LoRA" in chart.alt
    assert chart.alt.endswith(", pooled 84.6 %.")


def test_methods_stand_beside_each_other_in_the_fixed_order(findings, look):
    points = overview_charts(findings, look)[0].spec["layer"][1]
    apart = points["encoding"]["xOffset"]["scale"]["domain"]
    assert apart == ["FeDeRA", "LoRA", "BitFit", "Houlsby", "Full"]


def test_the_ceiling_is_a_rule_in_the_settings_that_have_one(findings, look):
    first, second, _ = findings.settings
    without = replace(second, ceiling={})
    chart = overview_charts(with_settings(findings, first, without), look)[0]
    (rule, name) = chart.spec["layer"][2:]
    (drawn,) = rule["data"]["values"]
    assert (drawn["place"], drawn["y"]) == ("dirichlet-0.1", pytest.approx(0.846))
    assert name["data"]["values"][0]["text"] == "pooled 84.6 %"
    assert "Pooled" in chart.note
    neither = with_settings(findings, replace(first, ceiling={}), without)
    chart = overview_charts(neither, look)[0]
    assert len(chart.spec["layer"]) == 2
    assert "ooled" not in chart.note + chart.alt


def test_one_seed_has_no_interval(findings, look):
    chart = overview_charts(findings, look)[1]
    assert chart.note.startswith("One seed: no interval can be given.")
    assert "[" not in chart.alt


def test_long_names_are_broken_and_many_are_slanted(findings, look):
    first = findings.settings[0]
    two = named(first, "semeval, dirichlet alpha 0.1, 100 clients", "semeval, iid")
    chart = overview_charts(with_settings(findings, *two), look)[0]
    assert labels(chart) == ["dirichlet alpha 0.1,\n100 clients", "iid"]
    assert chart.rows[0]["setting"] == "dirichlet alpha 0.1, 100 clients"
    five = named(first, *(f"semeval, dirichlet alpha 0.{number}" for number in range(5)))
    chart = overview_charts(with_settings(findings, *five), look)[0]
    assert labels(chart)[0] == "dirichlet alpha 0.0"
    assert chart.spec["layer"][0]["encoding"]["x"]["axis"]["labelAngle"] == -60


def test_a_figure_says_the_data_and_has_a_legend(findings, look):
    alone = Look.of(findings, standalone=True)
    encodings = [
        overview_charts(findings, one)[0].spec["layer"][1]["encoding"] for one in (look, alone)
    ]
    assert [one["x"]["title"] for one in encodings] == [None, "semeval"]
    assert encodings[0]["shape"]["legend"] is None
    assert encodings[1]["shape"]["legend"] == encodings[1]["color"]["legend"]
    assert encodings[1]["shape"]["legend"]["values"][0] == "FeDeRA"


def test_settings_without_test_scores_have_no_place(findings, look):
    first, second, last = findings.settings
    unscored = [replace(one, test={}, test_interval=None) for one in second.methods]
    chart, _ = overview_charts(
        with_settings(findings, first, replace(second, methods=unscored), last), look
    )
    assert labels(chart) == ["dirichlet-0.1"]
    nothing = with_settings(findings, *(replace(one, methods=[]) for one in findings.settings))
    assert overview_charts(nothing, look) == []
