"""Why: magnitude, direction, drift, averaging error and angles over the rounds, by layer."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from federa.report.charts import (
    HOVER,
    Chart,
    Row,
    Spec,
    by_method,
    dimmed,
    joined,
    of_rounds,
    quantity,
    rounded,
    shown,
)
from federa.report.findings import DiagnosticSeries, Setting
from federa.report.look import Look

MEAN = "mean over layers"
TITLES = {
    "magnitude": ("Magnitude variation", "mean change of the columns' norms from pre-training"),
    "direction": ("Direction variation", "mean 1 - cosine of the columns to pre-training"),
    "drift": ("Drift between clients", "0: all move alike; near 1: moves cancel"),
    "averaging_error": ("Averaging error", "of averaging factors, relative to the mean update"),
    "row_angle": ("Angle of A's rows", "to where they started, degrees"),
    "column_angle": ("Angle of B's columns", "to where they started, degrees"),
}
"""By quantity of ``federa.diagnostics``: a title, and what the axis measures."""
POINTS = 60


@dataclass(frozen=True)
class LayerValues:
    """Means over the seeds; layers: ``MEAN``, then every layer that some method has.

    rounds: by label of method; values: by quantity, by layer, by label: a value or None for each
    of the label's rounds.
    """

    layers: list[str]
    rounds: dict[str, list[int]]
    values: dict[str, dict[str, dict[str, list[float | None]]]]


def layer_values(setting: Setting, look: Look) -> LayerValues:
    """The diagnostics of a setting, layer by layer; long runs at 60 of their rounds."""
    rounds: dict[str, list[int]] = {}
    layers: dict[str, None] = {MEAN: None}
    values: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for method, label in look.labels.items():
        runs = [run for run in setting.diagnostics if run.method == method and run.rounds]
        if not runs:
            continue
        every = sorted({round for run in runs for round in run.rounds})
        rounds[label] = every[:: -(-len(every) // POINTS)]
        names = list(dict.fromkeys(layer for run in runs for layer in run.layers))
        layers |= dict.fromkeys(names)
        for quantity_name in TITLES:
            lines = {
                name: [_mean(runs, quantity_name, name, round) for round in rounds[label]]
                for name in names
            }
            if all(value is None for line in lines.values() for value in line):
                continue
            of_layers = values.setdefault(quantity_name, {})
            middle = [_mean_of(list(column)) for column in zip(*lines.values(), strict=True)]
            for name, line in [(MEAN, middle), *lines.items()]:
                of_layers.setdefault(name, {})[label] = line
    return LayerValues(list(layers), rounds, values)


def _mean(runs: list[DiagnosticSeries], name: str, layer: str, round: int) -> float | None:
    """Over the seeds that have it."""
    return _mean_of(
        [
            run.values[name][run.layers.index(layer)][run.rounds.index(round)]
            for run in runs
            if name in run.values and layer in run.layers and round in run.rounds
        ]
    )


def _mean_of(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return rounded(fmean(known), 4) if known else None


def diagnostic_charts(values: LayerValues, look: Look) -> list[Chart]:
    """A chart for each quantity, of the mean over the layers."""
    return [
        _chart(name, rows_of(values, name, MEAN), look) for name in TITLES if name in values.values
    ]


def rows_of(values: LayerValues, name: str, layer: str) -> list[Row]:
    """What the chart of the quantity ``name`` draws for ``layer``."""
    return [
        {"method": label, "x": round, "y": value}
        for label, line in values.values[name].get(layer, {}).items()
        for round, value in zip(values.rounds[label], line, strict=True)
        if value is not None
    ]


def _chart(name: str, rows: list[Row], look: Look) -> Chart:
    title, measured = TITLES[name]
    labels = list(dict.fromkeys(row["method"] for row in rows))
    rounds = [row["x"] for row in rows]
    last = {row["method"]: row["y"] for row in rows}
    ends = joined([f"{label} {last[label]:.3g}" for label in labels])
    return Chart(
        name=f"diagnostics-{name.replace('_', '-')}",
        title=title,
        alt=f"Line chart: {title} ({measured}) against rounds, {MEAN} and seeds. "
        f"At the end: {ends}.",
        spec=by_method(_lines(look, labels, rounds, title if look.standalone else None), 170),
        rows=rows,
        note=measured,
    )


def _lines(look: Look, labels: list[str], rounds: list[int], title: str | None) -> list[Spec]:
    x = of_rounds("x", rounds)
    y = quantity("y", title, axis={"tickCount": 4, "format": "~g"})
    drawn = {kind: look.channel(kind, legend=labels) for kind in ("color", "strokeDash")}
    tooltip = [shown("method", "method"), shown("x", "round", ","), shown("y", "value", ".4~g")]
    return [
        {
            "mark": {"type": "line"},
            "encoding": {"x": x, "y": y, **drawn, "opacity": dimmed()},
        },
        {
            "params": [HOVER],
            "mark": {"type": "point", "size": 60},
            "encoding": {
                **{"x": x, "y": y, "color": look.channel("color"), "tooltip": tooltip},
                "opacity": {
                    "condition": {"param": "hover", "empty": False, "value": 1},
                    "value": 0,
                },
            },
        },
    ]
