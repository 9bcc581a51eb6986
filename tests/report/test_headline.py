from dataclasses import replace

import pytest

from federa.report.findings import Difference, Reached, Share
from federa.report.headline import cost_sentences, headline
from federa.report.look import Look
from federa.report.statistics import better, interval, paired
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def findings():
    return synthetic_findings()


@pytest.fixture
def look(findings):
    return Look.of(findings)


def scored(setting, **tests):
    """The setting with these test scores, by method and seed, and what follows from them."""
    methods = [
        replace(one, test=test, test_interval=interval(list(test.values())))
        for one in setting.methods
        if (test := tests.get(one.method))
    ]
    differences = []
    for place, one in enumerate(methods):
        for other in methods[place + 1 :]:
            found = paired(one.test, other.test)
            winner = better(found, one.method, other.method)
            differences.append(Difference(one.method, other.method, found, winner))
    return replace(setting, methods=methods, differences=differences)


def test_a_clear_winner_is_named(findings, look):
    lora = {1: 0.70, 2: 0.71, 3: 0.72}
    federa = {seed: value + 0.05 for seed, value in lora.items()}
    said = headline(scored(findings.settings[0], federa=federa, lora=lora), look)
    assert said == (
        "FeDeRA has the highest accuracy on the test set, 76.0 % (95 % interval 73.5 to 78.5, "
        "3 seeds), and is better than LoRA on the same seeds and splits."
    )


def test_no_winner_where_the_interval_includes_zero(findings, look):
    lora, federa = {1: 0.70, 2: 0.75, 3: 0.72}, {1: 0.74, 2: 0.70, 3: 0.76}
    said = headline(scored(findings.settings[0], federa=federa, lora=lora), look)
    assert said.endswith("but is not certain to be better than any other: no winner can be named.")


def test_some_are_decided_and_some_are_not(findings, look):
    said = headline(findings.settings[0], look)
    assert said.startswith("Full fine-tuning has the highest accuracy")
    assert said.endswith(
        "It is better than LoRA, BitFit and Houlsby on the same seeds and splits; between it and "
        "FeDeRA no winner can be named."
    )


def test_one_seed_says_nothing_about_who_is_better(findings, look):
    said = headline(findings.settings[2], look)
    assert said.endswith("with one seed: not enough to say that any method is better.")


def test_a_mean_over_other_seeds_does_not_hide_who_is_better(findings, look):
    federa = {1: 0.70, 2: 0.71, 3: 0.72, 4: 0.99}
    lora = {1: 0.73, 2: 0.74, 3: 0.75}
    said = headline(scored(findings.settings[0], federa=federa, lora=lora), look)
    assert said.endswith("but is behind LoRA on the seeds that both have.")


def test_a_single_method_is_compared_with_nothing(findings, look):
    said = headline(scored(findings.settings[0], federa={1: 0.7}), look)
    assert said == "FeDeRA reaches accuracy 70.0 % on the test set."
    bare = replace(findings.settings[0], methods=[])
    assert headline(bare, look) == "No run has a test score yet."


def test_costs_are_told_against_full_fine_tuning(findings, look):
    setting = findings.settings[0]
    one = replace(
        setting.methods[0],
        time_reduction=Share(0.9, {1: 0.9, 2: 0.9}),
        bytes_reduction=Share(-0.1, {1: -0.1, 2: -0.1}),
    )
    assert cost_sentences(replace(setting, methods=[one]), look) == [
        "FeDeRA reaches the target with 90 % less modelled time and 10 % more traffic than full "
        "fine-tuning (median of 2 seeds)."
    ]
    assert cost_sentences(replace(setting, target=None), look) == []


def test_what_was_not_reached_or_does_not_fit_is_told(findings, look):
    setting = findings.settings[0]
    partly = [Reached(1, 40, 10, 1.0), Reached(2, 40), Reached(3, 40)]
    methods = [
        replace(one, reached=partly, time_reduction=None, bytes_reduction=None)
        if one.method == "lora"
        else one
        for one in setting.methods
    ]
    said = cost_sentences(replace(setting, methods=methods), look)
    assert "Target not reached in 40 rounds by BitFit." in said
    assert "Target not reached on 2 of 3 seeds by LoRA." in said
    assert "Too large for the memory of the devices: full fine-tuning." in said
