from dataclasses import replace

import pytest

from federa.report.curve_charts import curve_charts, curve_rows
from federa.report.findings import Series
from federa.report.look import Look
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def findings():
    return synthetic_findings()


def run(seed, scores, method="lora", **more):
    rounds = [2 * place + 2 for place in range(len(scores))]
    given = {"bytes": [1e6 * round for round in rounds], "measured_seconds": [0.0] * len(rounds)}
    return Series(method, seed, rounds, scores, scores, **(given | more))


LOOK = Look({"lora": "LoRA", "full": "Full"})


def test_a_point_is_the_mean_of_the_seeds_and_a_band_their_range():
    rows = curve_rows([run(1, [0.2, 0.6]), run(2, [0.4, 0.5])], LOOK)
    assert [(row["rounds"], row["mean"], row["low"], row["high"]) for row in rows] == [
        (2, 0.3, 0.2, 0.4),
        (4, 0.55, 0.5, 0.6),
    ]
    assert [row["num_seeds"] for row in rows] == [2, 2]
    assert rows[0]["seconds"] is None


def test_costs_are_means_over_the_seeds_too():
    parts = {"download_seconds": [1.0], "compute_seconds": [10.0], "upload_seconds": [4.0]}
    other = {"download_seconds": [3.0], "compute_seconds": [20.0], "upload_seconds": [8.0]}
    (row,) = curve_rows([run(1, [0.2], **parts), run(2, [0.4], bytes=[4e6], **other)], LOOK)
    assert row["bytes"] == 3e6
    assert row["seconds"] == 23.0


def test_a_line_breaks_where_a_seed_ends_instead_of_jumping():
    rows = curve_rows([run(1, [0.2, 0.3, 0.4]), run(2, [0.8])], LOOK)
    assert [row["part"] for row in rows] == ["LoRA [1, 2]", "LoRA [1]", "LoRA [1]"]
    assert [row["marked"] for row in rows][:2] == [True, True]


def test_methods_come_in_their_order_and_empty_runs_are_left_out():
    rows = curve_rows([run(1, [0.5], "full"), run(1, [0.4]), run(2, [])], LOOK)
    assert [row["method"] for row in rows] == ["LoRA", "Full"]
    assert curve_rows([run(1, [])], LOOK) == []


def test_axes_are_in_units_that_suit_them(findings):
    charts = curve_charts(findings.settings[0], Look.of(findings))
    assert list(charts) == ["rounds", "bytes", "bytes-log", "seconds", "seconds-log"]
    rows = charts["bytes"].rows
    full = [row for row in rows if row["method"] == "Full"][-1]
    assert full["bytes"] == pytest.approx(8 * 90_270_464 * 40 / 1e9, rel=1e-4)  # GB
    assert "GB" in str(charts["bytes"].spec)
    assert charts["rounds"].rows is rows


def test_without_a_profile_there_is_no_axis_of_seconds(findings):
    setting = replace(findings.settings[0], series=[run(1, [0.5, 0.6])])
    assert list(curve_charts(setting, LOOK)) == ["rounds", "bytes", "bytes-log"]


def test_nothing_sent_has_no_logarithm(findings):
    setting = replace(findings.settings[0], series=[run(1, [0.5], bytes=[0.0])])
    assert list(curve_charts(setting, LOOK)) == ["rounds", "bytes"]


def test_the_text_tells_what_the_picture_shows(findings):
    chart = curve_charts(findings.settings[0], Look.of(findings))["rounds"]
    assert chart.alt.startswith(
        "Line chart of smoothed accuracy against rounds. At the end: FeDeRA"
    )
    assert chart.alt.endswith("The target is 72.0 %.")
    assert chart.note.startswith("Lines: mean over 3 seeds; bands: lowest to highest seed.")
    single = curve_charts(findings.settings[2], Look.of(findings))["rounds"]
    assert single.note.startswith("One seed: every line is one run.")


def test_target_and_ceiling_are_rules(findings):
    text = str(curve_charts(findings.settings[0], Look.of(findings))["rounds"].spec)
    assert "target 72.0 %" in text
    assert "pooled, on test 84.6 %" in text
