from dataclasses import replace

import pytest

from federa.report.gaps import (
    data_sets,
    gap_change_table,
    gap_changes,
    gap_table,
    gaps,
    overview_tables,
)
from federa.report.statistics import interval
from report.synthetic import synthetic_findings

# method - full: federa -3, -1 and -2 points in the first setting, -1, -1 and -1 in the second; the
# change is -2, 0 and -1, with mean -1 and standard deviation 1: half an interval is 4.303 / 1.732
FIRST = {
    "federa": {1: 0.77, 2: 0.80, 3: 0.78},
    "lora": {1: 0.70, 2: 0.701, 3: 0.699},
    "full": {1: 0.80, 2: 0.81, 3: 0.80},
}
SECOND = {
    "federa": {1: 0.85, 2: 0.85, 3: 0.86},
    "lora": {1: 0.84, 2: 0.84, 3: 0.84},
    "full": {1: 0.86, 2: 0.86, 3: 0.87},
}
HALF = 4.302653 / 3**0.5


@pytest.fixture(scope="module")
def made():
    return synthetic_findings()


def scored(setting, scores, split="test", **more):
    """The setting with these scores of its methods on one split, and none on the other."""
    methods = []
    for result in setting.methods:
        if result.method in scores:
            found = scores[result.method]
            empty = {"test": {}, "validation": {}, "test_interval": None}
            bounds = {"test_interval": interval(list(found.values()))} if split == "test" else {}
            methods.append(replace(result, **{**empty, split: found, **bounds}))
    return replace(setting, methods=methods, **more)


@pytest.fixture
def pair(made):
    """Findings of two settings of one data set."""
    first, second, _ = made.settings
    settings = [
        scored(first, FIRST, ceiling={1: 0.85, 2: 0.85, 3: 0.86}),
        scored(second, SECOND, ceiling={}),
    ]
    return replace(made, settings=settings)


def with_settings(findings, *settings):
    return replace(findings, settings=list(settings))


def test_settings_of_the_same_data_stand_together(made):
    found = data_sets(made)
    assert [(one.name, list(one.settings)) for one in found] == [
        ("semeval", ["dirichlet-0.1", "iid"]),
        ("squad", ["squad"]),
    ]


def test_what_was_chosen_of_a_data_set_sets_it_apart(made):
    first, second, _ = made.settings
    parts = [replace(one, data=f"semeval, {part}") for one, part in ((first, "a"), (second, "b"))]
    assert [one.name for one in data_sets(with_settings(made, *parts))] == [
        f"semeval (minilm, accuracy, semeval, {part})" for part in "ab"
    ]


def test_the_number_of_examples_does_not_set_data_apart(made):
    first, second, _ = made.settings
    other = second.description | {"data": "semeval, 1,479 training examples"}
    (found,) = data_sets(with_settings(made, first, replace(second, description=other)))
    assert len(found.settings) == 2


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"model": "roberta"}, ["semeval (minilm, accuracy)", "semeval (roberta, accuracy)"]),
        (
            {"task": "tagging"},
            ["semeval (minilm, accuracy)", "semeval (minilm, tagging, accuracy)"],
        ),
    ],
)
def test_another_model_or_task_is_another_data_set(made, change, names):
    first, second, _ = made.settings
    other = replace(second, description=second.description | change)
    assert [one.name for one in data_sets(with_settings(made, first, other))] == names


def test_another_score_is_never_subtracted(made):
    first, second, _ = made.settings
    found = data_sets(with_settings(made, first, replace(second, score="macro_f1")))
    assert [one.name for one in found] == [
        "semeval (minilm, accuracy)",
        "semeval (minilm, macro f1)",
    ]


def test_data_that_is_not_said_is_nobodys(made):
    unsaid = [replace(setting, description={}) for setting in made.settings[:2]]
    found = data_sets(with_settings(made, *unsaid))
    assert [one.name for one in found] == ["semeval-dirichlet-0.1", "semeval-iid"]


def test_names_that_would_become_the_same_stay_as_they_are(made):
    first, second, _ = made.settings
    settings = replace(first, name="semeval, iid"), replace(second, name="iid")
    (found,) = data_sets(with_settings(made, *settings))
    assert list(found.settings) == ["semeval, iid", "iid"]


def test_gaps_are_paired_by_seed_and_full_is_held_against_its_ceiling(pair):
    federa, lora, ceiling = gaps(pair.settings[0])
    assert (federa.first, federa.second) == ("federa", "full")
    assert federa.interval.mean == pytest.approx(-0.02)
    assert federa.interval.high == pytest.approx(-0.02 + 0.01 * HALF)
    assert federa.better is None  # -2 +- 2.5 points
    assert lora.better == "full"
    assert (ceiling.first, ceiling.second) == ("full", "pooled")
    assert ceiling.interval.mean == pytest.approx(-0.05)  # 5, 4 and 6 points
    assert ceiling.better == "pooled"


def test_without_full_fine_tuning_there_is_no_gap(pair):
    first, second = pair.settings
    only = {name: scores for name, scores in FIRST.items() if name != "full"}
    bare = scored(first, only)
    assert gaps(bare) == []
    (data_set,) = data_sets(with_settings(pair, bare, second))
    assert gap_changes(data_set) == []


def test_the_change_of_a_gap_is_paired_by_seed(pair):
    (data_set,) = data_sets(pair)
    federa, lora = gap_changes(data_set)
    assert (federa.method, federa.first, federa.second) == ("federa", "dirichlet-0.1", "iid")
    assert federa.gaps == (pytest.approx(-0.02), pytest.approx(-0.01))
    assert federa.interval.mean == pytest.approx(-0.01)
    assert federa.interval.low == pytest.approx(-0.01 - 0.01 * HALF)
    assert federa.lower_in is None
    # lora: -10, -10.9 and -10.1 points against -2, -2 and -3
    assert lora.interval.mean == pytest.approx((-0.08 - 0.089 - 0.071) / 3)
    assert lora.lower_in == "dirichlet-0.1"


def test_which_setting_is_listed_first_only_turns_the_sign(pair):
    (data_set,) = data_sets(replace(pair, settings=pair.settings[::-1]))
    federa, lora = gap_changes(data_set)
    assert federa.interval.mean == pytest.approx(0.01)
    assert lora.lower_in == "dirichlet-0.1"


def test_the_same_gap_everywhere_is_no_change(pair):
    first, second = pair.settings
    # 0.3 - 0.1 and 0.8 - 0.6 differ in their last binary digits
    low = {"full": dict.fromkeys((1, 2, 3), 0.1), "lora": dict.fromkeys((1, 2, 3), 0.3)}
    high = {"full": dict.fromkeys((1, 2, 3), 0.6), "lora": dict.fromkeys((1, 2, 3), 0.8)}
    (data_set,) = data_sets(with_settings(pair, scored(first, low), scored(second, high)))
    (change,) = gap_changes(data_set)
    assert change.lower_in is None


def test_only_seeds_with_all_four_scores_count(pair):
    first, second = pair.settings
    fewer = SECOND | {"full": {2: 0.86}, "federa": {2: 0.85, 3: 0.86}, "lora": {1: 0.84}}
    (data_set,) = data_sets(with_settings(pair, first, scored(second, fewer)))
    federa, lora = gap_changes(data_set)
    assert federa.gaps == (pytest.approx(-0.01), pytest.approx(-0.01))
    assert (federa.num_pairs, federa.lower_in) == (1, None)
    assert (lora.num_pairs, lora.gaps, lora.interval) == (0, None, None)
    assert [
        row[1] for row in gap_change_table(with_settings(pair, *data_set.settings.values())).rows
    ] == ["federa"]


def test_validation_is_not_held_against_test(pair):
    first, second = pair.settings
    validated = scored(second, SECOND, "validation")
    both = scored(first, FIRST, "validation")
    tested = replace(
        both,
        methods=[replace(result, test={1: 0.0, 2: 0.0, 3: 0.0}) for result in both.methods],
    )
    (data_set,) = data_sets(with_settings(pair, tested, validated))
    federa, _ = gap_changes(data_set)
    assert federa.split == "validation"
    assert federa.gaps == (pytest.approx(-0.02), pytest.approx(-0.01))


def test_every_two_settings_are_compared(pair):
    first, second = pair.settings
    third = replace(second, name="semeval-natural")
    (data_set,) = data_sets(with_settings(pair, first, second, third))
    pairs = [(one.first, one.second) for one in gap_changes(data_set) if one.method == "lora"]
    assert pairs == [
        ("dirichlet-0.1", "iid"),
        ("dirichlet-0.1", "natural"),
        ("iid", "natural"),
    ]


def test_the_tables_say_points(pair):
    assert gap_table(pair).rows[0] == (
        "semeval-dirichlet-0.1",
        "federa - full",
        "test accuracy",
        *("-2.0", "-4.5", "+0.5", "3"),
        "not decided",
    )
    federa, lora = gap_change_table(pair).rows
    assert federa == (
        *("semeval", "federa", "test accuracy", "dirichlet-0.1", "iid"),
        *("-2.0", "-1.0", "-1.0", "-3.5", "+1.5", "3"),
        "not decided",
    )
    assert lora[-1] == "lower in dirichlet-0.1"


def test_tables_across_settings_need_two(pair):
    assert [table.name for table in overview_tables(pair)] == [
        "overview-gap-changes",
        "overview-gaps",
    ]
    assert overview_tables(with_settings(pair, pair.settings[0])) == []
    unscored = [scored(setting, {}) for setting in pair.settings]
    assert overview_tables(with_settings(pair, *unscored)) == []
