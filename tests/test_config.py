"""The schema: defaults, spellings, cross-checks, and one-line errors for whatever is given."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from federa.config import REGISTRIES, RunConfig
from federa.datasets import Files, ServiceDesk
from federa.errors import ConfigError
from federa.methods import Full, Lora
from federa.registry import names
from federa.train_config import TrainConfig
from federa.yaml_text import apply_changes, parse_yaml

NAN, INF = float("nan"), float("inf")
BASE: dict[str, Any] = {"data": "servicedesk"}
FULL: dict[str, Any] = {
    "name": "a-run.1",
    "seed": 7,
    "model": "owner/model",
    "task": "text_classification",
    "data": {"name": "files", "train": "a.csv", "test": "b.csv", "text": "body", "client": "site"},
    "partition": {"name": "dirichlet", "alpha": 0.1, "min_examples": 3},
    "method": {"name": "lora", "rank": 4, "alpha": 16, "targets": ["query"], "layers": [0, -1]},
    "rule": {"name": "fedavg"},
    "federation": {"num_clients": 9, "clients_per_round": 4, "num_rounds": 3, "min_uploads": 2},
    "train": {
        "optimizer": "sgd",
        "learning_rate": 0.125,
        "momentum": 0.5,
        "schedule": "cosine",
        "epochs": None,
        "max_steps": 20,
        "max_grad_norm": None,
    },
    "evaluation": {"every": 2, "splits": ["validation", "test"], "subset": 50, "per_client": True},
    "engine": {"name": "sequential", "device": "cpu", "threads": 1},
}


def parse(**changes: Any) -> RunConfig:
    return RunConfig.parse(BASE | changes)


def refusal(given: Any) -> str:
    """The error that ``given`` is refused with, which is one line."""
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse(given)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# What is right


def test_defaults() -> None:
    assert RunConfig.parse(BASE).model_dump() == {
        "name": "run",
        "seed": 1,
        "model": "minilm",
        "task": {"name": "text_classification", "special_tokens": (), "scores": ()},
        "data": {"name": "servicedesk"},
        "partition": {"name": "iid"},
        "method": {
            "name": "federa",
            "rank": 8,
            "alpha": None,
            "targets": "auto",
            "layers": "all",
            "solver": "auto",
        },
        "rule": {"name": "fedavg"},
        "federation": {
            "num_clients": 10,
            "clients_per_round": None,
            "num_rounds": 10,
            "min_uploads": 1,
            "retries": 0,
        },
        "train": {
            "optimizer": "adamw",
            "learning_rate": 2e-3,
            "momentum": 0.0,
            "weight_decay": 0.0,
            "max_grad_norm": 1.0,
            "schedule": "constant",
            "warmup_rounds": 0,
            "batch_size": 8,
            "epochs": 1,
            "max_steps": None,
            "max_length": 128,
            "dropout": False,
            "precision": "auto",
            "gradient_checkpointing": False,
        },
        "evaluation": {
            "every": 1,
            "splits": ["validation"],
            "subset": None,
            "per_client": False,
            "diagnostics": True,
            "final": "best and latest",
            "validation_fraction": 0.1,
        },
        "engine": {"name": "auto", "device": "auto", "threads": "auto"},
        "profile": None,
        "tracking": [],
    }


@pytest.mark.parametrize(
    ("key", "short", "name"),
    [
        ("method", "FeDeRA", "federa"),
        ("method", "FedLR", "lora"),
        ("method", "LORA", "lora"),
        ("method", "FedFT", "full"),
        ("rule", "FedAvg", "fedavg"),
        ("partition", "label-dirichlet", "dirichlet"),
        ("partition", "by_client", "natural"),
        ("data", "demo", "servicedesk"),
        ("data", "SemEval", "semeval2010task8"),
        ("engine", "stacked", "cohort"),
        ("task", "sequence_classification", "text_classification"),
    ],
)
def test_a_string_is_short_for_a_record(key: str, short: str, name: str) -> None:
    config = parse(**{key: short})
    assert getattr(config, key).name == name
    assert config == parse(**{key: {"name": short}}) == parse(**{key: {"name": name}})


def test_a_record_without_a_name_is_the_default_one() -> None:
    assert parse(method={"rank": 3}) == parse(method={"name": "federa", "rank": 3})


def test_python_records_are_taken_as_they_are() -> None:
    made = RunConfig(data=ServiceDesk(), method=Lora(rank=4), train=TrainConfig(epochs=2))
    assert made == parse(method={"name": "lora", "rank": 4}, train={"epochs": 2})


def test_a_configuration_is_frozen() -> None:
    config = RunConfig.parse(FULL)
    for holder, key in ((config, "seed"), (config.train, "epochs"), (config.method, "rank")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(holder, key, 5)


@pytest.mark.parametrize(
    ("method", "rate"), [("federa", 2e-3), ("lora", 2e-3), ("full", Full.default_rate)]
)
def test_the_learning_rate_defaults_to_the_methods(method: str, rate: float) -> None:
    assert parse(method=method).train.learning_rate == rate
    assert parse(method=method, train={"learning_rate": None}).train.learning_rate == rate
    assert parse(method=method, train={"learning_rate": 0.5}).train.learning_rate == 0.5


def test_full_fine_tuning_has_a_smaller_default_rate() -> None:
    assert Full.default_rate == 2e-4


@pytest.mark.parametrize(
    "clients", [{"client": "site"}, {"file_per_client": True}, {"client": "s", "text": "body"}]
)
def test_clients_in_the_data_imply_the_natural_partition(clients: dict[str, Any]) -> None:
    data = {"name": "files", "train": "x.csv", **clients}
    for given_data in (data, Files(**data)):
        config = RunConfig.parse({"data": given_data})
        assert config.partition.name == "natural"
        assert config.federation.num_clients is None
    assert RunConfig.parse({"data": data, "partition": "iid"}).partition.name == "iid"


@pytest.mark.parametrize(
    "given",
    [
        BASE,
        FULL,
        BASE | {"method": "full", "partition": "dirichlet"},
        {"data": {"name": "files", "train": "ä b: #c.csv", "client": "007"}},
        {"data": {"name": "semeval2010task8", "folder": "~/x"}, "method": {"layers": "first 2"}},
        {"data": {"name": "files", "train": "null", "label": "yes", "file_per_client": True}},
    ],
)
def test_yaml_round_trip(given: dict[str, Any]) -> None:
    config = RunConfig.parse(given)
    assert RunConfig.parse(yaml.safe_load(config.to_yaml())) == config
    assert RunConfig.parse(parse_yaml("x", config.to_yaml())).to_yaml() == config.to_yaml()


def test_full_example_is_read_key_by_key() -> None:
    dumped = RunConfig.parse(FULL).model_dump()
    for key, value in FULL.items():
        if isinstance(value, dict):
            assert {name: dumped[key][name] for name in value} == value
    assert (dumped["name"], dumped["seed"], dumped["model"]) == ("a-run.1", 7, "owner/model")


def test_the_last_change_wins_and_loading_applies_them(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("data: servicedesk\nmethod: lora  # plain\n", encoding="utf-8")
    changes = ["method.rank=4", "seed=2", "seed=3", "train.learning_rate=2e-2"]
    config = RunConfig.load(path, changes)
    assert config == parse(
        method={"name": "lora", "rank": 4}, seed=3, train={"learning_rate": 0.02}
    )


# What is wrong: keys, values, and pairs of them


@pytest.mark.parametrize(
    ("changes", "key", "parts"),
    [
        # unknown keys: the nearest, else all of them
        ({"sed": 2}, "sed", ["unknown key", "did you mean 'seed'"]),
        ({"mehtod": "lora"}, "mehtod", ["unknown key", "did you mean 'method'?"]),
        ({"zzz": 1}, "zzz", ["unknown key", "allowed: name, seed, model", "engine"]),
        ({"train": {"lerning_rate": 1}}, "train.lerning_rate", ["did you mean 'learning_rate'?"]),
        ({"partition": {"name": "dirichlet", "alhpa": 1}}, "partition.alhpa", ["'alpha'?"]),
        ({"method": {"name": "full", "rank": 8}}, "method.rank", ["unknown key", "allowed: name"]),
        ({"rule": {"x": 1}}, "rule.x", ["unknown key", "allowed: name"]),
        ({"data": {"name": "files", "trian": "x"}}, "data.trian", ["did you mean 'train'?"]),
        ({"two\nlines": 1}, "two", ["unknown key"]),
        ({"data": {"name": "servicedesk", "two\nlines": 1}}, "data.two", ["unknown key"]),
        ({5: 1}, "5", []),
        ({"": 1}, "configuration", ["unknown key"]),
        # unknown names
        ({"data": "sevicedesk"}, "data", ["'sevicedesk'", "did you mean 'servicedesk'?"]),
        ({"method": {"name": "fedra"}}, "method.name", ["'fedra'", "did you mean 'federa'"]),
        ({"partition": "zzz"}, "partition", ["'zzz'", "iid", "dirichlet", "natural"]),
        ({"task": "x"}, "task", ["'x'", "text_classification"]),
        ({"engine": "gpu"}, "engine", ["'gpu'", "sequential"]),
        # missing
        ({"data": {}}, "data.name", ["missing", "servicedesk", "files"]),
        ({"data": "files"}, "data.train", ["missing"]),
        # out of range
        ({"seed": -1}, "seed", ["greater than or equal to 0", "-1"]),
        ({"seed": 2**63}, "seed", ["less than 9223372036854775808"]),
        ({"name": "../x"}, "name", ["'../x'"]),
        ({"name": ".hidden"}, "name", ["'.hidden'"]),
        ({"name": ""}, "name", ["''"]),
        ({"name": "x" * 101}, "name", ["100"]),
        ({"model": ""}, "model", ["''"]),
        ({"federation": {"num_rounds": 0}}, "federation.num_rounds", ["greater than 0", "0"]),
        ({"partition": {"name": "dirichlet", "alpha": 0}}, "partition.alpha", ["greater than 0"]),
        ({"partition": {"name": "dirichlet", "alpha": 1e7}}, "partition.alpha", ["1000000"]),
        ({"method": {"rank": 0}}, "method.rank", ["greater than 0"]),
        ({"method": {"layers": "first 0"}}, "method.layers", ["'first 0'"]),
        ({"method": {"layers": []}}, "method.layers", ["[]"]),
        ({"method": {"targets": []}}, "method.targets", ["[]"]),
        ({"train": {"momentum": 1}}, "train.momentum", ["less than 1"]),
        ({"train": {"max_length": 3}}, "train.max_length", ["greater than or equal to 4", "3"]),
        ({"train": {"warmup_rounds": -1}}, "train.warmup_rounds", ["-1"]),
        ({"train": {"max_grad_norm": 0}}, "train.max_grad_norm", ["greater than 0"]),
        ({"train": {"precision": "fp16"}}, "train.precision", ["'auto', 'fp32' or 'bf16'"]),
        ({"evaluation": {"splits": []}}, "evaluation.splits", ["at least 1"]),
        ({"evaluation": {"splits": ["dev"]}}, "evaluation.splits", ["'validation' or 'test'"]),
        ({"evaluation": {"validation_fraction": 0.5}}, "evaluation.validation_fraction", ["0.5"]),
        ({"engine": {"threads": 0}}, "engine.threads", ["0"]),
        ({"engine": {"threads": -2}}, "engine.threads", ["-2"]),
        # wrong type
        ({"seed": "x"}, "seed", ["integer", "'x'"]),
        ({"seed": 1.5}, "seed", ["integer", "1.5"]),
        ({"name": 5}, "name", ["string", "5"]),
        ({"model": None}, "model", ["string", "None"]),
        ({"data": None}, "data", ["expected a name or a mapping", "None"]),
        ({"method": ["lora"]}, "method", ["expected a name or a mapping", "['lora']"]),
        ({"method": {"name": 5}}, "method.name", ["expected a name", "5"]),
        ({"train": "fast"}, "train", ["'fast'"]),
        ({"train": None}, "train", ["None"]),
        ({"train": {"learning_rate": "fast"}}, "train.learning_rate", ["number", "'fast'"]),
        ({"train": {"epochs": [1]}}, "train.epochs", ["[1]"]),
        ({"data": {"name": "files", "train": ["a", "b"]}}, "data.train", ["['a', 'b']"]),
        ({"engine": {"threads": "many"}}, "engine.threads", ["'auto'", "'many'"]),
        ({"model": ["x" * 1000]}, "model", ["xxx..."]),
        # neither NaN nor infinite
        ({"seed": NAN}, "seed", ["nan"]),
        ({"train": {"learning_rate": NAN}}, "train.learning_rate", ["finite", "nan"]),
        ({"train": {"learning_rate": INF}}, "train.learning_rate", ["finite", "inf"]),
        ({"train": {"weight_decay": INF}}, "train.weight_decay", ["finite", "inf"]),
        ({"train": {"max_grad_norm": INF}}, "train.max_grad_norm", ["finite", "inf"]),
        ({"partition": {"name": "dirichlet", "alpha": NAN}}, "partition.alpha", ["finite", "nan"]),
        ({"evaluation": {"validation_fraction": NAN}}, "evaluation.validation_fraction", ["nan"]),
        ({"method": {"alpha": NAN}}, "method.alpha", ["finite", "nan"]),
        ({"method": {"alpha": INF}}, "method.alpha", ["finite", "inf"]),
        ({"method": {"name": "lora", "alpha": INF}}, "method.alpha", ["finite", "inf"]),
        # keys that contradict each other
        (
            {"federation": {"num_clients": 5, "clients_per_round": 6}},
            "federation.clients_per_round",
            ["6 exceeds the 5 clients"],
        ),
        (
            {"federation": {"clients_per_round": 11}},
            "federation.clients_per_round",
            ["11 exceeds the 10 clients"],
        ),
        (
            {"federation": {"clients_per_round": 4, "min_uploads": 5}},
            "federation.min_uploads",
            ["5 exceeds the 4 clients of a round"],
        ),
        (
            {"federation": {"num_clients": 3, "min_uploads": 4}},
            "federation.min_uploads",
            ["4 exceeds the 3 clients of a round"],
        ),
        ({"train": {"epochs": None}}, "train.epochs", ["epochs and max_steps cannot both be null"]),
        ({"train": {"momentum": 0.9}}, "train.momentum", ["0.9 needs optimizer sgd"]),
        ({"evaluation": {"splits": ["test"]}}, "evaluation.splits", ["validation"]),
    ],
)
def test_an_error_names_the_key_the_value_and_what_is_allowed(
    changes: dict[Any, Any], key: str, parts: list[str]
) -> None:
    error = refusal(BASE | changes)
    assert error.startswith(key)
    assert not set(error[len(key)]) - set(": \\"), "the key ends here"
    for part in parts:
        assert part in error
    assert len(error) < 400


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("engine.threads", "integer"),
        ("method.targets", "list"),
        ("method.layers", "list"),
    ],
)
def test_an_error_names_every_kind_of_value_that_is_allowed(key: str, allowed: str) -> None:
    holder, field = key.split(".")
    error = refusal(BASE | {holder: {field: {"a": "mapping"}}})
    assert error.startswith(f"{key}: ")
    assert allowed in error


@pytest.mark.parametrize("given", [[], "servicedesk", None, 5, ServiceDesk()])
def test_only_a_mapping_is_a_configuration(given: Any) -> None:
    message = f"a configuration is a mapping of keys, not {type(given).__name__}"
    assert refusal(given) == message


def test_data_is_required() -> None:
    assert refusal({}) == (
        "data: missing; one of servicedesk, 20newsgroups, semeval2010task8, wnut2017, ploner, "
        "squad, mrqa, files, sites"
    )


def test_a_misspelt_key_comes_before_the_missing_one_and_others_are_counted() -> None:
    error = refusal({"dta": "servicedesk"})
    assert error.startswith("dta: unknown key; did you mean 'data'?")
    assert error.endswith(" (and 1 more)")
    error = refusal(BASE | {"seed": -1, "train": {"epochs": 0, "batch_size": 0}})
    assert error.endswith(" (and 2 more)")


# The JSON schema


def _leaves(schema: dict[str, Any], part: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a part of a schema, references followed."""
    if "$ref" in part:
        return _leaves(schema, schema["$defs"][part["$ref"].removeprefix("#/$defs/")])
    inner = part.get("anyOf", []) + part.get("oneOf", [])
    return [leaf for entry in inner for leaf in _leaves(schema, entry)] or [part]


@pytest.mark.parametrize("key", REGISTRIES)
def test_the_schema_offers_the_registered_names(key: str) -> None:
    schema = json.loads(json.dumps(RunConfig.model_json_schema(), allow_nan=False))
    leaves = _leaves(schema, schema["properties"][key])
    records = [leaf for leaf in leaves if leaf.get("type") == "object"]
    assert [leaf["properties"]["name"]["const"] for leaf in records] == names(REGISTRIES[key])
    assert not any(leaf["additionalProperties"] for leaf in records)


@pytest.mark.parametrize("key", REGISTRIES)
def test_the_schema_allows_a_name_alone(key: str) -> None:
    schema = RunConfig.model_json_schema()
    leaves = _leaves(schema, schema["properties"][key])
    assert any(leaf.get("type") == "string" for leaf in leaves)


def test_the_schema_knows_every_key_and_requires_data() -> None:
    schema = RunConfig.model_json_schema()
    assert set(schema["properties"]) == set(RunConfig.model_fields)
    assert schema["required"] == ["data"]
    assert schema["additionalProperties"] is False


# The learning rate over the rounds


@pytest.mark.parametrize(
    ("schedule", "warmup", "rates"),
    [
        ("constant", 0, [1, 1, 1, 1]),
        ("linear", 0, [1, 0.75, 0.5, 0.25]),
        ("cosine", 0, [1, 0.5 + math.sqrt(2) / 4, 0.5, 0.5 - math.sqrt(2) / 4]),
        ("constant", 1, [0.5, 1, 1, 1]),
        ("constant", 3, [0.25, 0.5, 0.75, 1, 1]),
        ("linear", 2, [1 / 3, 2 / 3, 1, 0.75, 0.5, 0.25]),
        ("cosine", 2, [1 / 3, 2 / 3, 1, 0.75, 0.25]),
        ("linear", 4, [0.2, 0.4]),
        ("linear", 1, [0.5]),
    ],
)
def test_the_rate_of_each_round(schedule: str, warmup: int, rates: list[float]) -> None:
    config = TrainConfig(learning_rate=0.02, schedule=schedule, warmup_rounds=warmup)
    found = [config.rate(round, len(rates)) for round in range(len(rates))]
    assert found == pytest.approx([0.02 * rate for rate in rates], rel=1e-12)


# Whatever is given: a configuration, or one line

_known = {key for part in (FULL, *FULL.values()) if isinstance(part, dict) for key in part}
_keys = sorted({*_known, "two\nlines"})
_numbers = st.integers(-(2**70), 2**70) | st.integers(-2, 12) | st.floats()
_words = st.sampled_from([*_keys, "lora", "full", "dirichlet", "natural", "first 2", "auto", "cpu"])
_leaf = st.none() | st.booleans() | _numbers | st.text(max_size=6) | _words
_json = st.recursive(
    _leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_keys) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = value.items() if isinstance(value, dict) else []
    return [path, *(found for key, part in inner for found in _paths(part, (*path, key)))]


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """A valid configuration with one to three of its parts replaced, deleted or added."""
    content: Any = copy.deepcopy(draw(st.sampled_from([BASE, FULL])))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(_paths(content)))
        if not path:
            path = (draw(st.sampled_from(_keys) | st.text(max_size=4)),)
        holder = content
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()) or path[-1] not in holder:
            holder[path[-1]] = draw(_json)
        else:
            del holder[path[-1]]
    return content


def _parses_or_says_why(make: Callable[[], Any]) -> None:
    try:
        config = RunConfig.parse(make())
    except ConfigError as error:
        message = str(error)
    else:
        assert RunConfig.parse(yaml.safe_load(config.to_yaml())) == config
        return
    assert message.strip()
    assert len(message.splitlines()) == 1


@given(_mutated())
@settings(max_examples=400, derandomize=True, deadline=None)
def test_a_damaged_configuration_parses_or_is_refused_in_one_line(content: Any) -> None:
    before = copy.deepcopy(content)
    _parses_or_says_why(lambda: content)
    assert repr(content) == repr(before)


@given(_json)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_any_value_parses_or_is_refused_in_one_line(content: Any) -> None:
    _parses_or_says_why(lambda: content)


@given(st.lists(st.text(max_size=12) | st.sampled_from(["a=[", "train.x=!!bool y", "=", "a.b="])))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_any_change_applies_or_is_refused_in_one_line(changes: list[str]) -> None:
    _parses_or_says_why(lambda: apply_changes(FULL, changes))
