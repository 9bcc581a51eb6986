"""From a configuration to a set-up: the data encoded, the plan made, the server's start."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from federa.checkpoint import RunFacts
from federa.config import RunConfig
from federa.datasets import Sites
from federa.devices import use_plan
from federa.encoded_cache import encode_cached
from federa.engine_planning import plan_engine
from federa.errors import ConfigError, DataError, ModelError
from federa.local import EvaluationSet, LocalSetup, RunSetup, check_lengths
from federa.planning import make_plan
from federa.seeding import numpy_generator
from federa.splitting import SplitData, split_data
from federa.training_cost import TrainingCost, count_cost, plain_batch
from federa.types import Table

if TYPE_CHECKING:
    import numpy
    from torch import nn

    from federa.partition.saved import SavedSplit
    from federa.tasks import Encoded
    from federa.types import Layout, Plan, ServerState, Tensors


def encode_all(
    config: RunConfig, data: SplitData, source: str
) -> tuple[Encoded, dict[str, EvaluationSet]]:
    """Tokenise training and evaluation tables, and draw the evaluation subsets."""
    from federa.models import load_tokenizer

    tokenizer = load_tokenizer(source, config.task.special_tokens)

    def encode(table: Table) -> Encoded:
        labels, max_length = data.corpus.labels, config.train.max_length
        return encode_cached(config.task, table, labels, tokenizer, max_length)

    sets = {}
    for split, table in data.evaluation.items():
        encoded = encode(table)
        wanted = config.evaluation.subset
        subset = None
        if wanted is not None and wanted < len(encoded):
            rng = numpy_generator(config.seed, f"evaluation subset/{split}")
            subset = rng.choice(len(encoded), wanted, replace=False)
            subset.sort()
        clients = data.evaluation_clients.get(split)
        groups = group_rows(data.corpus.group, table)
        sets[split] = EvaluationSet(encoded, tuple(clients) if clients else None, subset, groups)
    return encode(data.train), sets


def group_rows(column: str | None, table: Table) -> dict[str, numpy.ndarray] | None:
    """The rows of each value of ``column``, in sorted order of the values; None without it."""
    import numpy

    if column is None or column not in table:
        return None
    values = numpy.array(list(map(str, table[column])))
    return {str(value): numpy.flatnonzero(values == value) for value in numpy.unique(values)}


def data_hash(examples: Encoded, clients: list[numpy.ndarray], sets: dict[str, Any]) -> str:
    """SHA-256 over the encoded examples of every split and each client's rows."""
    digest = hashlib.sha256(examples.digest().encode())
    for rows in clients:
        digest.update(len(rows).to_bytes(8, "big") + rows.astype("<i8").tobytes())
    for split in sorted(sets):
        digest.update(f"{split}{sets[split].encoded.digest()}".encode())
    return digest.hexdigest()


def prepare(
    config: RunConfig,
) -> tuple[RunSetup, ServerState, RunFacts, SplitData | None]:
    """Everything a new run needs; the server's only factorisation happens here.

    The split is None where the data is at the sites.
    Raises: FederaError of any kind, before anything is written.
    """
    from federa.models import locate

    source = locate(config.model)
    if isinstance(config.data, Sites):
        plan = make_plan(config)
        use_plan(plan)
        begun = _begin(config, plan, source, config.data.labels_of(config.task.name))
        state = config.rule.start(begun.start, begun.layout, {})
        facts = _facts(config, begun, plan, source, config.data.labels)
        return RunSetup(**_shared(config, facts, state)), state, facts, None
    data = split_data(config)
    plan = make_plan(config)
    use_plan(plan)
    begun = _begin(config, plan, source, data.corpus.labels)
    sizes = {client: len(rows) for client, rows in enumerate(data.clients)}
    state = config.rule.start(begun.start, begun.layout, sizes)
    examples, sets = encode_all(config, data, source)
    _check_tokens(begun.model, examples, sets, source)
    model = begun.model.to(plan.device)  # with what attaching added
    plan = plan_engine(config, plan, model, begun.layout, examples, len(data.clients))
    facts = replace(
        _facts(config, begun, plan, source, data.corpus.labels),
        data_sha256=data_hash(examples, data.clients, sets),
        num_clients=len(data.clients),
        num_train_examples=len(examples),
    )
    return _setup(config, facts, state, data, examples, sets), state, facts, data


@dataclass(frozen=True)
class _Begun:
    """A model that was factored and adapted, and what was found of it."""

    model: nn.Module
    base_hash: str
    num_parameters: int
    start: Tensors
    layout: Layout
    cost: TrainingCost | None


def _begin(config: RunConfig, plan: Plan, source: str, labels: Sequence[str]) -> _Begun:
    """Load, hash and factor the model, and attach what is trained."""
    from federa.models import hash_encoder, max_positions
    from federa.recomputation import recompute_layers

    model = config.task.build_model(source, labels, config.seed)
    check_lengths(config.train.max_length, max_positions(model))
    base_hash = hash_encoder(model)
    num_parameters = sum(value.numel() for value in model.parameters())
    start = config.method.start(model.to(plan.device), config.seed)  # a GPU factors faster
    for name, value in start.items():
        if not bool(value.isfinite().all()):
            raise ConfigError(
                f"method: the start of {name} is not finite; alpha may be out of range"
            )
    layout = config.method.attach(model, start)
    if config.train.gradient_checkpointing:
        recompute_layers(model)  # not to be trained here, but a refusal comes before anything else
    for scaling in {pair.scaling for pair in layout.pairs}:
        if not 1e-30 < scaling < 1e30:  # s B A is formed in single precision
            raise ConfigError(
                f"method: the scaling alpha / rank is {scaling:.1e}; alpha may be out of range"
            )
    cost = _cost(config, model, source, labels, base_hash)
    if config.profile is not None and cost is None:
        raise ConfigError(
            f"profile: what training {config.model} costs cannot be counted; leave it out"
        )
    return _Begun(model, base_hash, num_parameters, start, layout, cost)


def _cost(
    config: RunConfig, model: nn.Module, source: str, labels: Sequence[str], base_hash: str
) -> TrainingCost | None:
    """What training costs, counted once a process for runs that differ in data or seed alone."""
    told = config.model_dump_json(include={"task", "method", "train"})
    key = (base_hash, tuple(labels), told)
    if key not in _COUNTED:
        batch = plain_batch(config.task, source, labels, config.train.max_length)
        _COUNTED[key] = count_cost(model, config.task, config.train, batch)
    return _COUNTED[key]


_COUNTED: dict[tuple[str, tuple[str, ...], str], TrainingCost | None] = {}
"""What was counted in this process, by all that decides it."""


def _facts(
    config: RunConfig, begun: _Begun, plan: Plan, source: str, labels: Sequence[str]
) -> RunFacts:
    """The facts of a run whose data nobody here has seen."""
    start, layout = begun.start, begun.layout
    return RunFacts(
        source=source,
        labels=tuple(labels),
        base_sha256=begun.base_hash,
        data_sha256="",
        num_clients=config.federation.num_clients or 0,
        num_train_examples=0,
        num_parameters=begun.num_parameters,
        num_trained_parameters=sum(start[name].numel() for name in layout.shared),
        num_head_parameters=sum(start[name].numel() for name in layout.head),
        plan=plan,
        cost=begun.cost,
    )


def _check_tokens(
    model: nn.Module, examples: Encoded, sets: dict[str, EvaluationSet], source: str
) -> None:
    """Refuse a tokenizer that belongs to another model.

    Raises: ModelError.
    """
    known = model.get_input_embeddings().num_embeddings  # type: ignore[operator]
    encoded = (examples, *(part.encoded for part in sets.values()))
    largest = max(int(part.windows.ids.max()) for part in encoded)
    if largest >= known:
        raise ModelError(
            f"model: the tokenizer of {source} gives token {largest}, but the model knows {known} "
            "tokens; it belongs to another model"
        )


def prepare_again(
    config: RunConfig, facts: RunFacts, state: ServerState, saved: SavedSplit | None = None
) -> RunSetup:
    """The set-up of a run that is resumed, on the plan that it began with.

    saved: the split that it began with, where the configuration alone does not make it again.

    Raises: DataError if the data or the split is not what the run began with.
    """
    if isinstance(config.data, Sites):
        use_plan(facts.plan)
        return RunSetup(**_shared(config, facts, state))
    data = split_data(config, saved)
    use_plan(facts.plan)
    examples, sets = encode_all(config, data, facts.source)
    if data_hash(examples, data.clients, sets) != facts.data_sha256:
        raise DataError("data: the data or its split changed since the run began; it cannot resume")
    return _setup(config, facts, state, data, examples, sets)


def _setup(
    config: RunConfig,
    facts: RunFacts,
    state: ServerState,
    data: SplitData,
    examples: Encoded,
    sets: dict[str, EvaluationSet],
) -> LocalSetup:
    return LocalSetup(
        **_shared(config, facts, state), examples=examples, clients=data.clients, evaluation=sets
    )


def _shared(config: RunConfig, facts: RunFacts, state: ServerState) -> dict[str, Any]:
    """The fields of a set-up that do not depend on where the data is."""
    return {
        "source": facts.source,
        "labels": facts.labels,
        "task": config.task,
        "method": config.method,
        "rule": config.rule,
        "train": config.train,
        "num_rounds": config.federation.num_rounds,
        "seed": config.seed,
        "base_hash": facts.base_sha256,
        "layout": state.layout,
        "start": state.start,
        "plan": facts.plan,
    }
