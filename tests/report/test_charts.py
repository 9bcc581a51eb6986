"""Charts as a whole: what every one of them has to have, and what Vega-Lite thinks of them."""

import json

import pytest

from federa.report.charts import Chart, joined, of_rounds, percent, rounded
from federa.report.figures import VEGA_LITE, all_charts
from federa.report.look import LIGHT, Look, theme
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def charts():
    findings = synthetic_findings()
    look = Look.of(findings)
    return [chart for setting in findings.settings[:1] for chart in all_charts(setting, look)]


def test_every_chart_has_a_name_a_title_and_a_text_of_its_own(charts):
    for what in ("name", "title", "alt"):
        texts = [getattr(chart, what) for chart in charts]
        assert all(texts), what
        # linear and logarithmic charts of the same data share their title
        assert what == "title" or len(set(texts)) == len(charts), what


def test_no_chart_names_a_colour(charts):
    """Themes do: "#" would be one, as would "rgb"."""
    for chart in charts:
        text = json.dumps(chart.spec)
        assert "#" not in text, chart.name
        assert "rgb" not in text, chart.name


def test_vega_lite_has_nothing_to_say_against_any_of_them(charts, capfd):
    vl_convert = pytest.importorskip("vl_convert")
    config = theme(LIGHT, "Liberation Sans", size=8)
    for chart in charts:
        svg = vl_convert.vegalite_to_svg(
            chart.complete(300), vl_version=VEGA_LITE, config=config, show_warnings=True
        )
        assert svg.startswith("<svg"), chart.name
    assert "WARN" not in "".join(capfd.readouterr())


def test_a_whole_specification_carries_its_data_and_its_text():
    chart = Chart("name", "Title", "What it shows.", {"height": 100}, [{"x": 1}])
    spec = chart.complete("container")
    assert spec["data"] == {"values": [{"x": 1}]}
    assert spec["description"] == "What it shows."
    assert spec["width"] == "container"
    assert chart.room > 100


def test_numbers_are_as_long_as_a_picture_needs():
    assert rounded(0.123456789) == 0.12346
    assert rounded(None) is None
    assert rounded(float("nan")) is None
    assert percent(0.7996) == "80.0 %"


@pytest.mark.parametrize(
    ("rounds", "ticks"),
    [([1, 2, 3], [1, 2, 3]), ([2, 40], [5, 10, 15, 20, 25, 30, 35, 40]), ([7], [7]), ([], [0])],
)
def test_rounds_are_whole(rounds, ticks):
    assert of_rounds("x", rounds)["axis"]["values"] == ticks


def test_words_are_joined_as_in_a_sentence():
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
