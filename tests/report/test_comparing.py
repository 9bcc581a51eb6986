import json
from dataclasses import replace

import pytest

from federa.errors import RunError
from federa.report.comparing import diagnostics_of, find
from federa.report.findings import DiagnosticSeries
from federa.report.reaching import SMOOTHING
from federa.report.runs import read_runs
from report.made_runs import client, made_run, rounds, said, write_run

CLIENTS = {
    "axis": "relation",
    "labels": ["x", "y"],
    "counts": [[3, 1], [0, 4]],
    "sizes": [4, 4],
    "mean_jensen_shannon_distance": 0.4,
    "random_jensen_shannon_distance": 0.1,
}


def grid():
    """Three methods and three seeds; lora trails federa by about 0.02 and full by chance only."""
    tests = {
        "federa": (0.70, 0.72, 0.74),
        "lora": (0.68, 0.699, 0.721),
        "full": (0.69, 0.73, 0.74),
    }
    return [
        made_run(method, seed, test=score)
        for method, scores in tests.items()
        for seed, score in enumerate(scores, start=1)
    ]


def test_one_run_makes_a_report():
    findings = find([made_run("federa", 7, clients=CLIENTS)], target=0.6, title="Mine")
    (setting,) = findings.settings
    (result,) = setting.methods
    assert (findings.title, findings.smoothing, findings.profile) == ("Mine", SMOOTHING, {})
    assert (setting.name, setting.score, setting.baseline) == ("skewed", "accuracy", 0.17)
    assert (setting.target, setting.target_source, setting.num_rounds) == (0.6, "given", 4)
    assert (setting.differences, setting.networks, setting.ceiling) == ([], [], {})
    # smoothed: 0.2, 0.35, 0.5, 0.7; each round 2 x (1000 + 500) bytes
    assert [(run.round, run.bytes, run.seconds) for run in result.reached] == [(4, 12000.0, None)]
    assert setting.clients.counts == [[3, 1], [0, 4]]
    assert setting.clients.distance == 0.4
    assert setting.clients.random_distance == 0.1
    assert result.time_reduction is None
    assert "skewed: one seed: no intervals, and no method is called better" in said(findings)


def test_clients_without_labels_are_not_drawn():
    nothing = {**CLIENTS, "mean_jensen_shannon_distance": None}
    assert find([made_run(clients=nothing)]).settings[0].clients is None


def test_methods_are_in_the_registrys_order_and_seeds_in_theirs():
    (setting,) = find(list(reversed(grid()))).settings
    assert [result.method for result in setting.methods] == ["federa", "lora", "full"]
    assert [(run.method, run.seed) for run in setting.series[:4]] == [
        ("federa", 1),
        ("federa", 2),
        ("federa", 3),
        ("lora", 1),
    ]


def test_differences_are_paired_and_name_no_winner_in_doubt():
    (setting,) = find(grid()).settings
    found = {(one.first, one.second): one for one in setting.differences}
    # 0.020, 0.021, 0.019: sd 0.001, half = 4.30265 x 0.001 / sqrt(3)
    assert found["federa", "lora"].interval.mean == pytest.approx(0.02)
    assert found["federa", "lora"].interval.low == pytest.approx(0.02 - 0.002484, abs=1e-5)
    assert found["federa", "lora"].better == "federa"
    assert found["federa", "full"].better is None
    assert found["federa", "full"].interval.num_values == 3


def test_the_default_target_is_of_full_and_reductions_are_against_it():
    runs = [
        made_run("full", 1, [0.4, 0.6, 0.8, 1.0], records=None),
        made_run("lora", 1, records=rounds([0.9, 0.9, 0.9, 0.9], [client(0, 100, 50)])),
    ]
    (setting,) = find(runs).settings
    assert setting.target == pytest.approx(0.95 * 0.8)
    full, lora = setting.methods[1], setting.methods[0]
    assert (full.reached[0].round, lora.reached[0].round) == (4, 1)
    assert lora.bytes_reduction.reductions == pytest.approx({1: 1 - 150 / 12000})
    assert full.bytes_reduction is None


def test_settings_have_targets_of_their_own():
    runs = [made_run(setting="a"), made_run(setting="b")]
    findings = find(runs, target={"a": 0.5})
    assert [setting.target_source for setting in findings.settings] == [
        "given",
        "95 % of the best smoothed validation score of federa, the best method here",
    ]
    with pytest.raises(RunError, match="target: no setting 'c'; allowed: a, b"):
        find(runs, target={"c": 0.5})
    kept = {"a": 0.6, "b": 0.7, "that failed": 0.8}

    def targets(target):
        return [one.target for one in find(runs, target=target, kept_targets=kept).settings]

    assert targets(None) == [0.6, 0.7]
    assert targets({"b": 0.1}) == [0.6, 0.1]
    assert targets(0.2) == targets({"": 0.2}) == [0.2, 0.2]
    assert targets({"": 0.2, "b": 0.1}) == [0.2, 0.1]


def test_an_unfinished_run_is_shown_but_neither_reaches_nor_misses_the_target():
    going = made_run("lora", 2, [0.2, 0.9], finished=False)
    findings = find([made_run("lora", 1), going], target=0.55)
    (setting,) = findings.settings
    (result,) = setting.methods
    assert [(run.seed, run.round, run.num_rounds) for run in result.reached] == [(1, 4, 4)]
    assert result.test == {1: 0.7}
    assert setting.series[1].scores == [0.2, 0.9]
    assert "skewed: lora, seed 2: not finished (2 of 2 rounds); no final scores" in said(findings)


def test_a_run_that_failed_counts_as_far_as_it_got(tmp_path):
    (tmp_path / "failures.json").write_text('{"skewed/lora/seed-2": "full disk"}', encoding="utf-8")
    place = tmp_path / "skewed" / "lora"
    runs = [
        made_run("lora", 1, path=place / "seed-1"),
        made_run("lora", 2, [0.2, 0.3], finished=False, path=place / "seed-2"),
    ]
    (result,) = find(runs, target=0.55).settings[0].methods
    assert [(run.round, run.num_rounds) for run in result.reached] == [(4, 4), (None, 2)]


def test_the_default_target_is_of_finished_runs_if_there_are_any():
    runs = [made_run("lora", 1), made_run("lora", 2, [0.9], finished=False)]
    assert find(runs).settings[0].target == pytest.approx(0.95 * 0.7)
    assert find(runs[1:]).settings[0].target == pytest.approx(0.95 * 0.9)


def test_pooled_full_fine_tuning_is_a_ceiling_for_all_settings_of_its_data():
    alone = {"num_clients": 1}
    federation = {"federation": {"num_clients": 1, "num_rounds": 4}, "partition": "iid"}
    pooled = made_run("full", 1, setting="pool", test=0.9, facts=alone, config=federation)
    other = made_run("lora", 1, setting="pool", test=0.8, facts=alone, config=federation)
    elsewhere = {**federation, "model": "distilbert"}
    stranger = made_run("full", 2, setting="pool", test=0.5, facts=alone, config=elsewhere)
    runs = [made_run(setting="iid"), made_run(setting="skewed"), pooled, other, stranger]
    findings = find(runs)
    assert [setting.name for setting in findings.settings] == ["iid", "skewed"]
    assert [setting.ceiling for setting in findings.settings] == [{1: 0.9}, {1: 0.9}]
    assert (
        sum("not full fine-tuning on the data of a setting" in one for one in said(findings)) == 2
    )
    going = replace(pooled, summary=None)
    assert any("so no ceiling" in note for note in said(find([*runs[:2], going])))
    (alone_setting,) = find([pooled]).settings
    assert alone_setting.methods[0].test == {1: 0.9}
    assert alone_setting.ceiling == {}


def test_every_setting_has_the_ceiling_that_was_made_for_it():
    """Of pooled runs with other budgets; one that no comparison made serves where it is alone."""
    alone = {"num_clients": 1}

    def pooled(test, setting, ceiling_of=(), seed=1):
        run = made_run("full", seed, setting=setting, test=test, facts=alone)
        return replace(run, ceiling_of=ceiling_of)

    settings = [made_run(setting=name) for name in ("short", "short skewed", "long")]
    short, long = pooled(0.6, "short", ("short", "short skewed")), pooled(0.9, "long", ("long",))

    def ceilings(*runs):
        return [setting.ceiling for setting in find([*settings, *runs]).settings]

    assert ceilings(short, long) == ceilings(long, short) == [{1: 0.6}, {1: 0.6}, {1: 0.9}]
    assert ceilings(short, pooled(0.8, "own")) == [{1: 0.6}, {1: 0.6}, {1: 0.8}]
    several = [pooled(0.8, "own"), pooled(0.7, "other"), pooled(0.5, "own", seed=2)]
    assert ceilings(*several) == [{2: 0.5}] * 3
    notes = said(find([*settings, *several]))
    assert sum("one of several of a seed that could be" in note for note in notes) == 2


def test_without_a_test_split_differences_are_of_validation():
    runs = [
        made_run(method, seed, [score], test=None)
        for method, scores in {"lora": (0.5, 0.6), "full": (0.7, 0.9)}.items()
        for seed, score in enumerate(scores)
    ]
    (setting,) = find(runs).settings
    assert setting.differences[0].interval.mean == pytest.approx(-0.25)
    assert setting.methods[0].test == {}


def test_a_run_that_is_there_twice_counts_once_and_finished():
    first = made_run("lora", 1, finished=False)
    second, third = made_run("lora", 1, test=0.6), made_run("lora", 1, test=0.5)
    findings = find([first, second, third])
    (result,) = findings.settings[0].methods
    assert result.test == {1: 0.6}
    assert len(result.reached) == 1
    assert sum("there twice" in note for note in said(findings)) == 2


def test_failures_are_shown_with_their_method(tmp_path):
    failures = {"skewed/lora/seed-2": "out of memory", "skewed/bitfit/seed-1": "no biases"}
    (tmp_path / "failures.json").write_text(json.dumps(failures), encoding="utf-8")
    findings = find([made_run("lora", 1, path=tmp_path / "skewed" / "lora" / "seed-1")])
    assert findings.settings[0].methods[0].failures == {2: "out of memory"}
    assert "skewed: bitfit, seed 1 failed: no biases" in said(findings)


def test_nothing_to_report_on():
    with pytest.raises(RunError, match="no runs"):
        find([])


def test_a_setting_has_one_task():
    other = made_run(config={"data": "wnut2017", "partition": "iid"})
    with pytest.raises(RunError, match="of different tasks"):
        find([made_run(), other])


def test_variants_of_a_method_keep_their_names():
    runs = [made_run("lora", name="lora-r16"), made_run("lora", name="lora-r4"), made_run("federa")]
    (setting,) = find(runs).settings
    assert [result.method for result in setting.methods] == ["federa", "lora-r16", "lora-r4"]


def test_diagnostics_are_turned_by_quantity_and_layer():
    records = rounds([0.5, 0.6, 0.7])
    for record, drift in zip(records[:2], (0.1, None), strict=True):
        record.diagnostics = {"layers": ["q", "v"], "drift": [drift, 0.2], "row_angle": [1.0, 2.0]}
    found = diagnostics_of(made_run("lora", 3, records=records))
    assert found == DiagnosticSeries(
        "lora",
        3,
        [1, 2],
        ["q", "v"],
        {"drift": [[0.1, None], [0.2, 0.2]], "row_angle": [[1.0, 1.0], [2.0, 2.0]]},
    )
    assert diagnostics_of(made_run()) is None
    assert find([made_run("lora", 3, records=records)]).settings[0].diagnostics == [found]


def test_runs_read_from_disk_say_the_same(tmp_path):
    made = [replace(run, environment={"commit": "a1"}, clients=CLIENTS) for run in grid()[:2]]
    for run in made:
        write_run(run, tmp_path / run.setting / run.method / f"seed-{run.seed}")
    found, told = find(read_runs([tmp_path])), find(made)
    assert found.settings == told.settings
    assert found.environment == {"commit": "a1"}
    assert "seed" not in found.configs["skewed"].split()
