from federa.report.comparing import find
from federa.report.notes import notes_on_machines
from report.made_runs import client, made_run, rounds


def test_seeds_that_are_missing_or_few():
    runs = [made_run("lora", 1), made_run("lora", 2), made_run("full", 1)]
    notes = find(runs).notes
    assert "skewed: 2 seeds: intervals from so few are wide" in notes
    assert "skewed: full has 1 of the 2 seeds" in notes
    three = [made_run("lora", seed) for seed in (1, 2, 3)]
    assert find(three).notes == []


def test_one_seed_but_different_splits():
    runs = [made_run("lora", 1), made_run("full", 1, facts={"data_sha256": "e" * 64})]
    assert any(
        note.startswith("skewed: seed 1: methods had different data or splits")
        for note in find(runs).notes
    )


def test_configurations_that_differ_in_more_than_method_and_rate():
    train = {"batch_size": 16, "max_length": 64, "learning_rate": 0.5}
    runs = [made_run("lora", 1), made_run("full", 2, config={"train": train})]
    assert "skewed: its runs differ in train.batch_size" in find(runs).notes
    same = [made_run("lora", 1), made_run("full", 2, config={"train": {**train, "batch_size": 8}})]
    assert not any("differ" in note for note in find(same).notes)


def test_a_rate_at_the_end_of_what_was_tried():
    def searched(best):
        tries = [{"learning_rate": rate, "best": 0.5} for rate in (0.001, 0.01, best)]
        return made_run("lora", 1, summary={"search": {"tries": tries, "chosen": 0.01}})

    assert any(
        "lora: its learning rate 0.01 is the highest that was tried" in note
        for note in find([searched(0.0001)]).notes
    )
    assert not any("was tried" in note for note in find([searched(0.1)]).notes)


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
    assert any("no modelled times of lora" in note for note in findings.notes)
    series = {one.method: one.compute_seconds for one in findings.settings[0].series}
    assert series["lora"] == []
    assert len(series["full"]) == 4
