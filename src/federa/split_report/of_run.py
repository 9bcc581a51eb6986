"""The report on the split that a configuration makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from federa.errors import ConfigError
from federa.registry import nearest, shown
from federa.split_report.numbers import SplitReport

if TYPE_CHECKING:
    from federa.config import RunConfig
    from federa.splitting import SplitData


def report_split(config: RunConfig, data: SplitData, by: str | None = None) -> SplitReport:
    """How the training rows came out, by the values of a column, else by what is skewed.

    by: a column of the training table; without it the clusters, if these were spread, else the
    labels of the task.
    Raises: ConfigError if there is no such column.
    """
    if by is not None:
        if by not in data.train:
            raise ConfigError(f"--by: no column {shown(by)}; {nearest(by, data.train)}")
        return SplitReport.of(data.clients, [_values(value) for value in data.train[by]], by)
    if config.partition.reads == "cluster" and data.keys is not None:
        return SplitReport.of(data.clients, [[key] for key in data.keys], "cluster")
    axis, labels = config.task.label_profile(data.train)
    return SplitReport.of(data.clients, labels, axis)


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
