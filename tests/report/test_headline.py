from dataclasses import replace

import pytest

from federa.report.findings import Difference, Reached, Share
from federa.report.headline import cost_sentences, gap_sentences, headline
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


def of_two(findings, first, second):
    settings = [
        scored(setting, **tests)
        for setting, tests in zip(findings.settings[:2], (first, second), strict=True)
    ]
    return replace(findings, settings=settings)


def test_whether_gaps_change_between_settings_is_told_with_its_interval(findings, look):
    full = {1: 0.80, 2: 0.81, 3: 0.80}
    first = {
        "full": full,
        "lora": {1: 0.70, 2: 0.72, 3: 0.70},  # 10, 9 and 10 points behind
        "federa": {1: 0.77, 2: 0.80, 3: 0.78},
        "houlsby": {1: 0.70},
    }
    second = {
        "full": full,
        "lora": {1: 0.78, 2: 0.79, 3: 0.78},  # 2 points behind: -8, -7 and -8 of change
        "federa": {1: 0.79, 2: 0.79, 3: 0.79},
        "houlsby": {1: 0.78},
    }
    assert gap_sentences(of_two(findings, first, second), look) == [
        "semeval, accuracy on test, against full fine-tuning: LoRA stands 7.7 points lower in "
        "dirichlet-0.1 than in iid (95 % interval 6.2 to 9.1, 3 seeds); for FeDeRA a difference "
        "between dirichlet-0.1 and iid cannot be told from chance (3 seeds); for Houlsby there "
        "are too few seeds to say."
    ]
    (turned,) = gap_sentences(of_two(findings, second, first), look)
    assert "LoRA stands 7.7 points lower in iid than in dirichlet-0.1 (95 % interval 6.2" in turned


def test_too_few_seeds_say_nothing_about_a_gap(findings, look):
    first, second = {"full": {1: 0.8}, "lora": {1: 0.2}}, {"full": {1: 0.8}, "lora": {1: 0.8}}
    said = (
        "semeval, accuracy on test, against full fine-tuning: with {} it cannot be said whether "
        "the gap of any method differs between dirichlet-0.1 and iid."
    )
    assert gap_sentences(of_two(findings, first, second), look) == [said.format("one seed")]
    apart = {"full": {2: 0.8}, "lora": {2: 0.8}}
    assert gap_sentences(of_two(findings, first, apart), look) == [
        said.format("no seed that is scored in both")
    ]


def test_a_change_too_small_for_a_digit_is_not_called_zero(findings, look):
    full = {1: 0.8, 2: 0.8, 3: 0.8}
    lora = {1: 0.7001, 2: 0.7002, 3: 0.7002}
    lower = dict.fromkeys(full, 0.7)
    found = of_two(findings, {"full": full, "lora": lower}, {"full": full, "lora": lora})
    (said,) = gap_sentences(found, look)
    assert "LoRA stands less than 0.1 points lower in dirichlet-0.1 than in iid" in said


def test_gaps_need_full_fine_tuning_and_a_second_setting(findings, look):
    lora = {"lora": {1: 0.7, 2: 0.7}}
    assert gap_sentences(of_two(findings, lora, lora), look) == []
    assert gap_sentences(replace(findings, settings=findings.settings[:1]), look) == []
