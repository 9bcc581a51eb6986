from dataclasses import replace

import pytest

from federa.report.findings import Interval, Reached
from federa.report.tables import all_tables, setting_tables
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def findings():
    return synthetic_findings()


def cells(tables, kind):
    """The cells of a table, by row and heading."""
    (table,) = (table for table in tables if table.name.endswith(f"-{kind}"))
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}, table


def changed(setting, method, **changes):
    """The setting with other figures for one method."""
    methods = [
        replace(result, **changes) if result.method == method else result
        for result in setting.methods
    ]
    return replace(setting, methods=methods)


def test_every_setting_has_its_tables(findings):
    kinds = ("scores", "cost", "differences", "networks", "sizes", "rates")
    assert [table.name for table in all_tables(findings)] == [
        f"{name}-{kind}"
        for name in ("semeval-dirichlet-0.1", "semeval-iid", "squad")
        for kind in kinds
    ]


def test_scores_ceiling_and_baseline(findings):
    setting = changed(
        findings.settings[0], "lora", test_interval=Interval(0.7631, 0.7551, 0.7711, 3)
    )
    rows, _ = cells(setting_tables(setting), "scores")
    assert rows["lora"]["test accuracy (%)"] == "76.3 ± 0.8"
    assert rows["lora"]["seeds"] == "3"
    assert "test macro f1 (%)" in rows["lora"]
    # the ceilings are 0.843, 0.846, 0.849: sd 0.003, half = 4.30265 x 0.003 / sqrt(3) = 0.00745
    assert rows["full, all data at one place"]["test accuracy (%)"] == "84.6 ± 0.7"
    assert rows["best guess without the input"]["test accuracy (%)"] == "17.0"


def test_runs_without_result_are_counted(findings):
    lora = findings.settings[0].methods[1]
    setting = changed(
        findings.settings[0], "lora", test={1: lora.test[1]}, failures={3: "out of memory"}
    )
    rows, _ = cells(setting_tables(setting), "scores")
    assert rows["lora"]["seeds"] == "1, 1 not finished, 1 failed"


def test_without_a_test_split_validation_is_said(findings):
    setting = findings.settings[2]
    for method in ("federa", "lora", "full"):
        setting = changed(setting, method, test={}, test_interval=None, all_scores={})
    rows, table = cells(setting_tables(setting), "scores")
    assert table.columns == ("method", "validation accuracy (%)", "best round", "seeds")
    assert rows["full"]["validation accuracy (%)"] == "83.1"
    assert rows["full"]["seeds"] == "1"
    _, differences = cells(setting_tables(setting), "differences")
    assert differences.title == "squad: differences in validation accuracy between methods"


def test_cost_to_the_target(findings):
    runs = [
        Reached(1, 40, 14, 1.0e8, 1.0, 20.0, 3.0, 900.0),
        Reached(2, 40, 16, 1.2e8, 2.0, 30.0, 4.0, 1100.0),
        Reached(3, 40),
    ]
    setting = changed(findings.settings[0], "federa", reached=runs)
    rows, table = cells(setting_tables(setting), "cost")
    found = rows["federa"]
    assert found["seeds that reached it"] == "2 of 3"
    assert found["rounds"] == "16 (14 to beyond)"
    assert found["sent and received (GB)"] == "0.12 (0.1 to beyond)"
    assert found["time (s)"] == "36.0 (24.0 to beyond)"
    assert [found[f"{part} (s)"] for part in ("download", "compute", "upload")] == [
        "2",
        "30.0",
        "4",
    ]
    assert found["energy (kJ)"] == "1.1 (0.9 to beyond)"
    assert rows["bitfit"]["rounds"] == "not in 40 rounds"
    assert rows["bitfit"]["time (s)"] == "-"
    assert rows["full"]["less time than full (%)"] == "-"
    assert rows["lora"]["less time than full (%)"] == "94.9 (94.9 to 95.0)"
    assert "Would not fit the memory of the devices: full." in table.note
    assert table.title.endswith("(target accuracy 72.0 %, given)")


def test_cost_without_a_profile_has_no_modelled_columns(findings):
    setting = findings.settings[2]
    for result in setting.methods:
        bare = [Reached(1, 40, 14, 1e8)]
        setting = changed(setting, result.method, reached=bare, time_reduction=None, fits=None)
        setting = changed(setting, result.method, energy_reduction=None)
    setting = replace(setting, networks=[], target=None)
    tables = setting_tables(setting)
    _, table = cells(tables, "cost")
    assert table.columns == (
        "method",
        "seeds that reached it",
        "rounds",
        "sent and received (MB)",
        "fewer bytes than full (%)",
    )
    assert "modelled" not in table.note
    assert table.title == "squad: cost to the target (no target)"
    assert not any(table.name.endswith("-networks") for table in tables)


def test_differences_name_no_winner_where_zero_is_inside(findings):
    rows, _ = cells(setting_tables(findings.settings[0]), "differences")
    assert rows["federa - full"]["better"] == "not decided"
    assert rows["federa - lora"]["better"] == "federa"
    assert rows["lora - full"]["better"] == "full"
    assert rows["federa - full"]["difference (points)"] == "-0.9"
    one_seed, _ = cells(setting_tables(findings.settings[2]), "differences")
    assert {row["better"] for row in one_seed.values()} == {"not decided"}
    assert {row["from"] for row in one_seed.values()} == {"-"}


def test_networks_show_parts_that_add_up(findings):
    (table,) = (one for one in setting_tables(findings.settings[0]) if "networks" in one.name)
    row = next(row for row in table.rows if row[:2] == ("lte", "full"))
    found = dict(zip(table.columns, row, strict=True))
    parts = [float(found[f"{part} (min)"]) for part in ("download", "compute", "upload")]
    # 16 rounds of 90.27 MB at 8 and 0.8 MB/s, and of 1010 / 1600 s
    assert parts == pytest.approx([180.54 / 60, 10.1 / 60, 1805.4 / 60], abs=0.05)
    assert float(found["to the target (min)"]) == pytest.approx(sum(parts), abs=0.1)
    assert next(row for row in table.rows if row[:2] == ("lte", "bitfit"))[2:7] == ("-",) * 5


def test_sizes_keep_the_head_apart(findings):
    rows, _ = cells(setting_tables(findings.settings[0]), "sizes")
    assert rows["federa"]["trained parameters"] == "228,883"
    assert rows["federa"]["of them in the head"] == "155,155"
    assert rows["federa"]["of all parameters (%)"] == "1.01"
    assert rows["federa"]["upload (MB)"] == "0.919"
    assert rows["federa"]["head in it (MB)"] == "0.621"
    assert rows["full"]["fits the devices"] == "no"
    assert rows["lora"]["fits the devices"] == "yes"
    assert rows["lora"]["training (GFLOP)"] == "610"
    assert rows["lora"]["memory (GB)"] == "0.42"


def test_sizes_leave_out_what_was_not_counted(findings):
    setting = findings.settings[2]
    for method in ("federa", "lora", "full"):
        setting = changed(setting, method, flops_per_round=None, peak_bytes=None, fits=None)
    _, table = cells(setting_tables(setting), "sizes")
    assert table.columns[-1] == "first download (MB)"
    assert table.note == "Uploads are the mean of one client's in a round."


def test_one_seed_needs_no_words_on_several(findings):
    tables = {table.name: table for table in setting_tables(findings.settings[2])}
    assert tables["squad-scores"].note == ""
    assert "Median" not in tables["squad-cost"].note
    assert "choose a learning rate is not counted" in tables["squad-cost"].note


def test_rates_that_were_tried_and_used(findings):
    setting = changed(findings.settings[0], "lora", tried={})
    (table,) = (one for one in setting_tables(setting) if one.name.endswith("-rates"))
    assert [row for row in table.rows if row[0] == "federa"] == [
        ("federa", "0.001", "60.0", "-"),
        ("federa", "0.002", "65.0", "1, 2, 3"),
        ("federa", "0.01", "failed", "-"),
    ]
    assert [row for row in table.rows if row[0] == "lora"] == [
        ("lora", "0.005", "not searched", "1, 2, 3")
    ]
