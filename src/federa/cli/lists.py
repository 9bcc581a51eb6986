"""Commands that list what there is."""

from __future__ import annotations

import json


def schema() -> None:
    """Print the JSON schema of a configuration, so that editors complete it."""
    from federa.config import RunConfig

    print(json.dumps(RunConfig.model_json_schema(), indent=2))


def _list(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, summary in rows:
        print(f"{name:<{width}}  {summary}")


def methods() -> None:
    """List the methods."""
    from federa.methods import METHODS
    from federa.registry import describe

    _list(describe(METHODS))


def rules() -> None:
    """List the aggregation rules."""
    from federa.registry import describe
    from federa.rules import RULES

    _list(describe(RULES))


def tasks() -> None:
    """List the tasks."""
    from federa.registry import describe
    from federa.tasks import TASKS

    _list(describe(TASKS))


def datasets() -> None:
    """List the data sets."""
    from federa.datasets import DATASETS
    from federa.registry import describe

    _list(describe(DATASETS))


def partitions() -> None:
    """List the partitioners."""
    from federa.partition import PARTITIONERS
    from federa.registry import describe

    _list(describe(PARTITIONERS))


def engines() -> None:
    """List the engines."""
    from federa.engines import ENGINES
    from federa.registry import describe

    _list(describe(ENGINES))


def models() -> None:
    """List the model aliases; any hub id or folder works too."""
    from federa.architectures import ALIASES

    _list([(name, f"{hub}: {what}") for name, (hub, what) in ALIASES.items()])
