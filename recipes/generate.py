"""Writes recipes/<data set>/<model>-<method>.yaml; every setting is here, with its source.

python recipes/generate.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Section = dict[str, tuple[Any, str]]
"""Keys of one record, each with its value and where that is from."""


@dataclass(frozen=True)
class Run:
    """All of a recipe but the model and the method.

    says: of the clients, for the first lines; others: splits to use instead, each with what it is
    and the changes that make it; rates: of each method.
    """

    says: str
    task: Section
    data: Section
    partition: Section
    federation: Section
    rates: dict[str, tuple[float, str]]
    train: Section
    evaluation: Section
    others: tuple[tuple[str, tuple[str, ...]], ...]


SOURCES = """\
FeDeRA: arXiv 2404.18848, whose clients, alpha, rounds and learning rates are not public.
FedPETuning: arXiv 2212.10025. FedNLP: arXiv 2104.08815. Both: recipes/README.md has the places."""
PUBLISHED, SMALL = "published", "small"
MODELS = {  # alias: (title, size)
    "roberta-base": ("RoBERTa-base", PUBLISHED),
    "deberta-v3-base": ("DeBERTaV3-base", PUBLISHED),
    "minilm": ("MiniLM", SMALL),
}
METHODS: dict[str, tuple[str, dict[str, Section]]] = {  # name: (title, fields at each size)
    "federa": (
        "FeDeRA",
        {
            PUBLISHED: {"rank": (32, "FeDeRA trains about 1 %; 32 on query and value fits that")},
            SMALL: {"rank": (8, "ours")},
        },
    ),
    "lora": (
        "LoRA",
        {
            PUBLISHED: {"rank": (32, "ours: as FeDeRA's, for comparison")},
            SMALL: {"rank": (8, "ours: as FeDeRA's, for comparison")},
        },
    ),
    "bitfit": ("BitFit", {PUBLISHED: {}, SMALL: {}}),
    "houlsby": (
        "Houlsby adapters",
        {
            PUBLISHED: {"width": (32, "ours: as many numbers as rank 32; FedPETuning 16 and 64")},
            SMALL: {"width": (16, "FedPETuning")},
        },
    ),
    "full": ("Full fine-tuning", {PUBLISHED: {}, SMALL: {}}),
}

# Learning rates -------------------------------------------------------------------------------
# FedPETuning chose from 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2 for each GLUE set: on the small ones
# (RTE, MRPC, CoLA) LoRA 5e-3 at rank 8, on the large ones (QQP, MNLI, QNLI, SST-2) 1e-3, mostly at
# rank 16. Its alpha is the rank, and so is ours: a step of Adam then moves B A about in proportion
# to rank * rate, so rank 32 gets the rate of that grid whose product is nearest.

FEW_LORA = (1e-3, "ours: rank * rate as FedPETuning's LoRA (8 * 5e-3 on small GLUE sets)")
FEW_EXAMPLES = {
    "federa": FEW_LORA,
    "lora": FEW_LORA,
    "bitfit": (5e-3, "FedPETuning (MRPC, CoLA)"),
    "houlsby": (1e-3, "FedPETuning (RTE, MRPC, CoLA)"),
    "full": (5e-5, "FedPETuning (RTE, MRPC)"),
}
MANY_LORA = (5e-4, "ours: rank * rate as FedPETuning's LoRA (16 * 1e-3 on large GLUE sets)")
MANY_EXAMPLES = {
    "federa": MANY_LORA,
    "lora": MANY_LORA,
    "bitfit": (1e-3, "FedPETuning (QQP, MNLI, QNLI, SST-2)"),
    "houlsby": (5e-4, "FedPETuning (QQP, MNLI, SST-2)"),
    "full": (5e-5, "FedPETuning (QQP, MNLI, QNLI, SST-2)"),
}


def small_rates(frozen: float, source: str) -> dict[str, tuple[float, str]]:
    """One rate for the methods with a frozen encoder, and 2e-4 for full fine-tuning."""
    return {method: (2e-4 if method == "full" else frozen, source) for method in METHODS}


SEMEVAL_RATES = small_rates(5e-3, "ours, measured: benchmarks/results/2026-11-23-methods.md")
NEWS_RATES = small_rates(5e-3, "ours: the best on SemEval-2010 Task 8; not measured on this set")
OTHER_RATES = small_rates(5e-3, "ours: as federa, where 5e-3 was better than 2e-3; not measured")
OTHER_RATES["federa"] = (5e-3, "ours, measured: benchmarks/results/2026-11-24-tasks.md")
OTHER_RATES["full"] = (2e-4, "ours, as on SemEval-2010 Task 8; not measured on this set")
MRQA_RATES = small_rates(5e-3, "ours: as on SQuAD; not measured on this set")

# Splits ---------------------------------------------------------------------------------------

LABELS: Section = {
    "name": ("client_dirichlet", "FedPETuning, FedNLP"),
    "alpha": (1.0, "FedPETuning"),
}
SMALL_LABELS: Section = {
    "name": ("dirichlet", "ours"),
    "alpha": (0.5, "ours"),
    "min_examples": (8, "ours"),
}
SMALL_CLUSTERS: Section = {
    "name": ("embedding", "FedNLP"),
    "num_clusters": (10, "FedNLP for WNUT"),
    "alpha": (0.5, "ours"),
    "draws": ("per_cluster", "ours"),
    "min_examples": (8, "ours"),
}
BY_SOURCE: Section = {
    "name": ("natural", "FedNLP: the sources spread over 6 clients by alpha = 0.01, or evenly"),
    "column": ("source", "FedNLP"),
}


def clusters(num_clusters: int, source: str) -> Section:
    """FedNLP's split of examples that have no one label."""
    return {
        "name": ("embedding", "FedNLP"),
        "num_clusters": (num_clusters, source),
        "alpha": (0.5, source),
        "draws": ("per_client", "FedNLP"),
    }


def federation(num_clients: int, source: str) -> Section:
    """Ten clients in each of 100 rounds."""
    return {
        "num_clients": (num_clients, source),
        "clients_per_round": (10, "FedPETuning, FedNLP"),
        "num_rounds": (100, "FedPETuning"),
        "min_uploads": (5, "ours"),
    }


def small_federation(num_clients: int | None, sampled: int, rounds: int) -> Section:
    """A federation that two cores simulate in some minutes."""
    return {
        "num_clients": (num_clients, "ours" if num_clients else "one for each source"),
        "clients_per_round": (sampled, "ours"),
        "num_rounds": (rounds, "ours"),
        "min_uploads": ((sampled + 1) // 2, "ours"),
    }


IID = ("at random, for comparison", ("partition=iid",))
PER_LABEL = (
    "each label spread by Dirichlet(0.1) over the clients, whose sizes differ",
    ("partition={name: dirichlet, alpha: 0.1}",),
)
PER_CLUSTER = (
    "each cluster spread by Dirichlet(0.1) over the clients, whose sizes differ",
    ("partition.draws=per_cluster", "partition.alpha=0.1"),
)
BY_DOMAIN = (
    "a client for each domain, all in every round",
    (
        "partition={name: natural, column: domain}",
        "federation.num_clients=null",
        "federation.clients_per_round=null",
    ),
)
BY_ARTICLE = (
    "whole articles, dealt out to 30 clients",
    ("partition={name: natural, column: title}", "federation.num_clients=30"),
)
SIX_AT_RANDOM = (
    "six clients at random, for comparison",
    ("partition=iid", "federation.num_clients=6"),
)

# Training and evaluation ----------------------------------------------------------------------

PRECISION = ("auto", "ours: bf16 where the hardware has it, else fp32")
SPLITS = (["validation", "test"], "ours: validation picks the best round, test reports")
QA_STRIDE = "ours: as in transformers' SQuAD examples"
QA_LENGTH = f"{QA_STRIDE}; FedNLP 128 and 256"


def train(max_length: int, source: str, **limit: tuple[Any, str]) -> Section:
    """One epoch a round, in batches of 32."""
    return {
        "optimizer": ("adamw", "FedPETuning"),
        "batch_size": (32, "FedPETuning"),
        "epochs": (1, "FedPETuning, FedNLP"),
        **limit,
        "max_length": (max_length, source),
        "dropout": (True, "FedPETuning: the model's own"),
        "precision": PRECISION,
    }


def small_train(max_length: int, max_steps: int = 10) -> Section:
    """A few steps of eight windows a round."""
    return {
        "optimizer": ("adamw", "FedPETuning"),
        "batch_size": (8, "ours"),
        "epochs": (1, "FedPETuning, FedNLP"),
        "max_steps": (max_steps, "ours"),
        "max_length": (max_length, "ours"),
        "precision": PRECISION,
    }


def evaluation(every: int, subset: int) -> Section:
    """Every few rounds, on a part of both splits."""
    return {
        "every": (every, "ours"),
        "splits": SPLITS,
        "subset": (subset, "ours: during the run; the end is on everything"),
    }


BEST_ONLY: Section = {"final": ("best", "ours: to score the latest too takes minutes")}


def questions(stride: int, source: str) -> Section:
    """Answers in passages, which are read in windows that share ``stride`` tokens."""
    return {"name": ("question_answering", "FeDeRA"), "stride": (stride, source)}


# Data sets ------------------------------------------------------------------------------------

TEXT: Section = {"name": ("text_classification", "FeDeRA")}
TOKENS: Section = {"name": ("token_classification", "FeDeRA")}
NEWS: Section = {
    "name": ("20newsgroups", "FeDeRA"),
    "strip": (["headers", "footers", "quotes"], "ours: they give groups away; FedNLP keeps them"),
}
SEMEVAL: Section = {
    "name": ("semeval2010task8", "FeDeRA"),
    "markers": ("plain", "ours: <e1> and the like as text; special makes tokens of them"),
}
WNUT: Section = {"name": ("wnut2017", "FeDeRA")}
PLONER: Section = {"name": ("ploner", "FeDeRA")}
SQUAD: Section = {
    "name": ("squad", "FeDeRA"),
    "version": ("1.1", "FedNLP"),
    "dev": ("test", "ours: the official dev set reports; validation is held out of train"),
}
MRQA: Section = {
    "name": ("mrqa", "FeDeRA"),
    "sources": (None, "FedNLP: all of the training data"),
    "dev": ("validation", "ours: dev/ picks the best round, dev_ood/ is the test set"),
}

SETS: dict[str, tuple[str, dict[str, Run]]] = {
    "20newsgroups": (
        "20 Newsgroups",
        {
            PUBLISHED: Run(
                says="100 clients of equal size, each with its own mixture of groups",
                task=TEXT,
                data=NEWS,
                partition=LABELS,
                federation=federation(100, "FedPETuning, FedNLP"),
                rates=FEW_EXAMPLES,
                train=train(256, "FwdLLM's copy of FedNLP"),
                evaluation=evaluation(5, 1000),
                others=(
                    ("FedNLP's alphas: 0.5, 1, 5 and 10", ("partition.alpha=0.5",)),
                    ("FedNLP's 1,000 clients", ("federation.num_clients=1000",)),
                    PER_LABEL,
                    IID,
                ),
            ),
            SMALL: Run(
                says="20 clients that differ in their groups and in size",
                task=TEXT,
                data=NEWS,
                partition=SMALL_LABELS,
                federation=small_federation(20, 5, 25),
                rates=NEWS_RATES,
                train=small_train(128),
                evaluation=evaluation(5, 500) | BEST_ONLY,
                others=(PER_LABEL, IID),
            ),
        },
    ),
    "semeval2010task8": (
        "SemEval-2010 Task 8",
        {
            PUBLISHED: Run(
                says="100 clients of equal size, each with its own mixture of relations",
                task=TEXT,
                data=SEMEVAL,
                partition=LABELS,
                federation=federation(100, "FedPETuning; FedAdapter's copy of FedNLP"),
                rates=FEW_EXAMPLES,
                train=train(128, "FwdLLM's copy of FedNLP; FedAdapter's 256"),
                evaluation=evaluation(5, 1000),
                others=(
                    ("FedAdapter's alpha, close to IID", ("partition.alpha=100",)),
                    PER_LABEL,
                    IID,
                ),
            ),
            SMALL: Run(
                says="30 clients that differ in their relations and in size",
                task=TEXT,
                data=SEMEVAL,
                partition=SMALL_LABELS,
                federation=small_federation(30, 10, 30),
                rates=SEMEVAL_RATES,
                train=small_train(128),
                evaluation=evaluation(3, 500),
                others=(PER_LABEL, IID),
            ),
        },
    ),
    "wnut2017": (
        "WNUT-2017",
        {
            PUBLISHED: Run(
                says="30 clients of equal size, each with its own mixture of sentence clusters",
                task=TOKENS,
                data=WNUT,
                partition=clusters(10, "FedNLP"),
                federation=federation(30, "FedNLP"),
                rates=FEW_EXAMPLES,
                train=train(128, "ours; FedNLP 256"),
                evaluation=evaluation(5, 1000),
                others=(PER_CLUSTER, IID),
            ),
            SMALL: Run(
                says="20 clients that differ in what their sentences are about and in size",
                task=TOKENS,
                data=WNUT,
                partition=SMALL_CLUSTERS,
                federation=small_federation(20, 10, 30),
                rates=OTHER_RATES,
                train=small_train(128),
                evaluation=evaluation(3, 500),
                others=(IID,),
            ),
        },
    ),
    "ploner": (
        "PLONER",
        {
            PUBLISHED: Run(
                says="50 clients of equal size, each with its own mixture of sentence clusters",
                task=TOKENS,
                data=PLONER,
                partition=clusters(10, "FedNLP for WNUT"),
                federation=federation(50, "FedNLP"),
                rates=FEW_EXAMPLES,
                train=train(128, "ours; FedNLP 128 and 256 for other sets of tags"),
                evaluation=evaluation(5, 1000),
                others=(BY_DOMAIN, PER_CLUSTER, IID),
            ),
            SMALL: Run(
                says="30 clients that differ in what their sentences are about and in size",
                task=TOKENS,
                data=PLONER,
                partition=SMALL_CLUSTERS,
                federation=small_federation(30, 10, 30),
                rates=OTHER_RATES,
                train=small_train(128),
                evaluation=evaluation(3, 500),
                others=(BY_DOMAIN, IID),
            ),
        },
    ),
    "squad": (
        "SQuAD 1.1",
        {
            PUBLISHED: Run(
                says="100 clients of equal size, each with its own mixture of question clusters",
                task=questions(128, QA_STRIDE),
                data=SQUAD,
                partition=clusters(30, "FedNLP"),
                federation=federation(100, "FedPETuning, FedNLP"),
                rates=MANY_EXAMPLES,
                train=train(384, QA_LENGTH),
                evaluation=evaluation(5, 1000),
                others=(
                    ("FedNLP's 300 clients", ("federation.num_clients=300",)),
                    PER_CLUSTER,
                    BY_ARTICLE,
                    IID,
                ),
            ),
            SMALL: Run(
                says="20 clients that differ in what is asked and in size",
                task=questions(64, "ours"),
                data=SQUAD,
                partition=SMALL_CLUSTERS,
                federation=small_federation(20, 5, 20),
                rates=OTHER_RATES,
                train=small_train(192, max_steps=20),
                evaluation=evaluation(5, 300) | BEST_ONLY,
                others=(BY_ARTICLE, IID),
            ),
        },
    ),
    "mrqa": (
        "MRQA",
        {
            PUBLISHED: Run(
                says="a client for each source, all in every round",
                task=questions(128, QA_STRIDE),
                data=MRQA,
                partition=BY_SOURCE,
                federation={
                    "num_clients": (None, "one for each source: FedNLP's 6 of the official data"),
                    "clients_per_round": (None, "ours: all; FedNLP 5 of 6"),
                    "num_rounds": (50, "FedML's copy of FedNLP"),
                    "min_uploads": (2, "ours"),
                },
                rates=MANY_EXAMPLES,
                train=train(384, QA_LENGTH, max_steps=(100, "ours: a whole source is long")),
                evaluation=evaluation(5, 1000),
                others=(
                    (
                        "100 clients, each with its own mixture of question clusters",
                        (
                            "partition={name: embedding, num_clusters: 30, draws: per_client}",
                            "federation.num_clients=100",
                            "federation.clients_per_round=10",
                        ),
                    ),
                    SIX_AT_RANDOM,
                ),
            ),
            SMALL: Run(
                says="a client for each source, three of them a round",
                task=questions(64, "ours"),
                data=MRQA,
                partition=BY_SOURCE,
                federation=small_federation(None, 3, 20),
                rates=MRQA_RATES,
                train=small_train(192, max_steps=20),
                evaluation=evaluation(5, 300) | BEST_ONLY,
                others=(
                    (
                        "20 clients that differ in what is asked and in size",
                        ("partition=embedding", "federation.num_clients=20"),
                    ),
                    SIX_AT_RANDOM,
                ),
            ),
        },
    ),
}

# Writing --------------------------------------------------------------------------------------


def recipe(name: str, model: str, method: str) -> str:
    """The text of one file."""
    (title, size), (method_title, fields) = MODELS[model], METHODS[method]
    set_title, runs = SETS[name]
    run = runs[size]
    sections: dict[str, Section] = {
        "task": run.task,
        "data": run.data,
        "partition": run.partition,
        "method": {"name": (method, "FeDeRA"), **fields[size]},
        "rule": {"name": ("fedavg", "FeDeRA")},
        "federation": run.federation,
        "train": {"learning_rate": run.rates[method], **run.train},
        "evaluation": run.evaluation,
    }
    first = f"{method_title} on {set_title} with {title}:"
    lines = [f"# {line}" for line in header(first, run, size)]
    lines += [f"name: {name}-{model}-{method}", "seed: 1"]
    lines.append(f"model: {model}  # {'FeDeRA' if size == PUBLISHED else 'ours'}")
    for key, section in sections.items():
        lines.append(f"{key}:")
        for field, (value, source) in section.items():
            lines.append(f"  {field}: {shown(value)}  # {source}")
    return "\n".join(lines) + "\n"


def header(first: str, run: Run, size: str) -> Iterator[str]:
    """What the recipe is, where values are from, and what other splits there are."""
    yield first
    yield f"{run.says}."
    if size == SMALL:
        yield "Sized for two cores: the partition, federation and training are not published ones."
    yield from SOURCES.splitlines()
    yield "Other splits:"
    for what, changes in run.others:
        yield f"  {what}:"
        for change in changes:
            quoted = f"'{change}'" if "{" in change else change
            yield f"    --set {quoted}"
    yield "Written by recipes/generate.py; change it there."


def shown(value: Any) -> str:
    """A value in YAML: rates as 1.0e-3, versions quoted."""
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float) and value < 0.01:
        number, exponent = f"{value:.1e}".split("e")
        return f"{number}e{int(exponent)}"
    if isinstance(value, str) and value.replace(".", "").isdigit():
        return f'"{value}"'
    return str(value)


def recipes() -> dict[str, str]:
    """The text of every file, by its path in this folder."""
    return {
        f"{name}/{model}-{method}.yaml": recipe(name, model, method)
        for name in SETS
        for model in MODELS
        for method in METHODS
    }


def main() -> None:
    """Write them all."""
    folder = Path(__file__).parent
    for path, text in recipes().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
