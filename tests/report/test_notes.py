from federa.report.comparing import find
from federa.report.notes import notes_on_machines
from report.made_runs import client, made_run, rounds, said


def test_seeds_that_are_missing_or_few():
    runs = [made_run("lora", 1), made_run("lora", 2), made_run("full", 1)]
    notes = said(find(runs))
    assert "skewed: 2 seeds: intervals from so few are wide" in notes
    assert "skewed: full has 1 of the 2 seeds" in notes
    three = [made_run("lora", seed) for seed in (1, 2, 3)]
    assert said(find(three)) == []


RISING = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def test_a_target_that_follows_from_where_the_runs_stopped():
    runs = [made_run("full", 1, RISING), made_run("full", 2, [0.9] * 3 + [0.5] * 5)]
    (note,) = [note for note in said(find(runs)) if "follows from where" in note]
    assert note.startswith("skewed: its target follows from where full stopped, whose best")
    assert "among its last on 1 of 2 seeds" in note
    assert not any("follows" in note for note in said(find(runs, target=0.6)))
    going = [*runs[1:], made_run("full", 3, RISING, finished=False)]
    assert not any("follows" in note for note in said(find(going)))


def test_a_target_that_says_nothing():
    notes = said(find([made_run("lora", 1)], target=0.17))  # the best guess has 0.17
    assert any("its target, 17.0 %, is no more than the best guess" in note for note in notes)
    assert not any("best guess" in note for note in said(find([made_run("lora", 1)], target=0.2)))


def test_methods_whose_target_the_scored_examples_decide():
    runs = [made_run("lora", 1, [0.5]), made_run("lora", 2, [0.6]), made_run("full", 1, [0.57])]
    for run in runs:
        run.records[0].scores["validation"]["standard_error"] = 0.04
    notes = [note for note in said(find(runs, target=0.55)) if "standard error" in note]
    assert len(notes) == 1
    assert notes[0].endswith("method (seeds): full (1)")
    notes = [note for note in said(find(runs, target=0.52)) if "standard error" in note]
    assert notes[0].endswith("method (seeds): lora (1)")


def test_a_ceiling_that_may_be_higher():
    tries = [{"learning_rate": rate, "best": score} for rate, score in ((0.01, 0.5), (0.02, 0.4))]
    search = {"tries": tries, "chosen": 0.01}
    alone = {"num_clients": 1}
    pooled = made_run("full", 1, RISING, facts=alone, summary={"search": search})
    notes = said(find([made_run("lora", 1), pooled], target=0.6))
    assert any(
        "the lowest learning rate that was tried was taken for pooled (0.01)" in one
        for one in notes
    )
    assert any("pooled: on 1 of 1 seeds its best smoothed score is among" in one for one in notes)


def test_rates_that_scored_the_same():
    tries = [{"learning_rate": rate, "best": 0.5} for rate in (0.001, 0.01, 0.1)]
    run = made_run("lora", 1, summary={"search": {"tries": tries, "chosen": 0.01}})
    wanted = "skewed: lora: learning rate 0.01 was taken; 0.001 and 0.1 scored the same"
    assert wanted in said(find([run]))


def test_runs_of_one_method_that_differ():
    runs = [
        made_run("lora", seed, config={"method": {"name": "lora", "rank": rank}})
        for seed, rank in ((1, 4), (2, 8))
    ]
    assert "skewed: the runs of lora differ in method.rank" in said(find(runs))
    assert not any("differ" in one for one in said(find([runs[0], made_run("bitfit", 2)])))


def test_one_seed_but_different_splits():
    runs = [made_run("lora", 1), made_run("full", 1, facts={"data_sha256": "e" * 64})]
    assert any(
        note.startswith("skewed: seed 1: methods had different data or splits")
        for note in said(find(runs))
    )


def test_configurations_that_differ_in_more_than_method_and_rate():
    train = {"batch_size": 16, "max_length": 64, "learning_rate": 0.5}
    runs = [made_run("lora", 1), made_run("full", 2, config={"train": train})]
    assert "skewed: its runs differ in train.batch_size" in said(find(runs))
    same = [made_run("lora", 1), made_run("full", 2, config={"train": {**train, "batch_size": 8}})]
    assert not any("differ" in note for note in said(find(same)))


def test_a_rate_at_the_end_of_what_was_tried():
    def searched(best):
        tries = [{"learning_rate": rate, "best": 0.5} for rate in (0.001, 0.01, best)]
        return made_run("lora", 1, summary={"search": {"tries": tries, "chosen": 0.01}})

    assert any(
        "the highest learning rate that was tried was taken for lora (0.01)" in note
        for note in said(find([searched(0.0001)]))
    )
    assert not any("was tried" in note for note in said(find([searched(0.1)])))


def test_machines_commits_and_versions():
    one = {"commit": "a" * 40, "processor": "fast", "threads": 1, "versions": {"torch": "2.9"}}
    other = {"commit": "b" * 40, "processor": "slow", "threads": 1, "versions": {"torch": "2.8"}}
    runs = [made_run(environment=one), made_run(environment=other), made_run()]
    notes = notes_on_machines(runs)
    assert notes == [
        "Runs are of 2 commits of federa: aaaaaaaaaaaa, bbbbbbbbbbbb.",
        "Runs used torch 2.8 and 2.9.",
        "Runs are of 2 kinds of machine or numbers of threads: measured seconds are not "
        "comparable between them.",
    ]
    assert notes_on_machines(runs[:1]) == []


def test_old_records_have_no_modelled_times(profile):
    old = rounds([0.5], [client(0, work={"num_steps": 2.0})])
    findings = find([made_run("lora", records=old), made_run("full")], profile=profile)
    assert any("no modelled times of lora" in note for note in said(findings))
    series = {one.method: one.compute_seconds for one in findings.settings[0].series}
    assert series["lora"] == []
    assert len(series["full"]) == 4
