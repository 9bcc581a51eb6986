"""Test scores across settings: for every data set, its settings side by side."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from textwrap import wrap

from federa.report.charts import (
    POOLED,
    Chart,
    Row,
    Spec,
    by_method,
    dimmed,
    percent,
    percents,
    rounded,
    shown,
    words,
)
from federa.report.findings import Findings, Setting
from federa.report.gaps import DataSet, data_sets
from federa.report.look import Look
from federa.report.score_charts import bounds_of, in_order

HEIGHT = 230
MOST_UPRIGHT = 4
"""Settings whose names fit side by side on a phone; the names of more are slanted."""
LETTERS = 40
"""That fit side by side below the narrowest chart."""


def overview_charts(findings: Findings, look: Look) -> list[Chart]:
    """A chart for every data set with test scores; none where there is one setting."""
    if len(findings.settings) < 2:
        return []
    charts = [overview_chart(data_set, look) for data_set in data_sets(findings)]
    return [chart for chart in charts if chart is not None]


def overview_chart(data_set: DataSet, look: Look) -> Chart | None:
    """Every method's mean test score with its 95 % interval in every setting of a data set."""
    rows = [
        {"setting": name, "place": place, **row}
        for (name, setting), place in zip(
            data_set.settings.items(), _places(list(data_set.settings)), strict=True
        )
        for row in _means(setting, look)
    ]
    if not rows:
        return None
    places = list(dict.fromkeys(row["place"] for row in rows))
    score = words(next(iter(data_set.settings.values())).score)
    title = f"{score} on the test set"
    ceilings = _ceilings(data_set.settings, rows)
    x = _settings_axis(places, data_set.name if look.standalone else None)
    layers = _dots(look, rows, x, title) + (_rules(ceilings, rows, x, title) if ceilings else [])
    single = all(row["low"] is None for row in rows)
    return Chart(
        name=f"test-scores-{data_set.name}",
        title=data_set.name,
        alt=f"Dot plot of {title}, {data_set.name} by setting, mean and 95 % interval. "
        + _read(rows, ceilings),
        spec=by_method(layers, HEIGHT)
        | {"resolve": {"legend": {"color": "independent", "shape": "independent"}}},
        rows=rows,
        note=("One seed: no interval can be given." if single else _NOTE)
        + (POOLED if ceilings else ""),
    )


_NOTE = "Marks: mean over the seeds; lines: its 95 % interval, none of a single seed."


def _means(setting: Setting, look: Look) -> list[Row]:
    return [
        {"method": look.labels[result.method], "y": rounded(found.mean), **bounds_of(found)}
        for result in in_order(setting, look)
        if (found := result.test_interval) is not None
    ]


def _places(names: list[str]) -> list[str]:
    """The names as they stand below the chart, in lines where they fit side by side."""
    if len(names) > MOST_UPRIGHT:
        return names
    return ["\n".join(wrap(name, LETTERS // len(names))) for name in names]


def _ceilings(settings: Mapping[str, Setting], rows: list[Row]) -> list[Row]:
    """The pooled score of every setting that has scores and a ceiling."""
    places = {row["setting"]: row["place"] for row in rows}
    means = {name: fmean(one.ceiling.values()) for name, one in settings.items() if one.ceiling}
    return [
        {"setting": name, "place": places[name], "y": rounded(mean), "text": percent(mean)}
        for name, mean in means.items()
        if name in places
    ]


def _read(rows: list[Row], ceilings: list[Row]) -> str:
    """The numbers of the chart, one setting after the other."""
    pooled = {row["setting"]: f", pooled {row['text']}" for row in ceilings}
    said = []
    for setting in dict.fromkeys(row["setting"] for row in rows):
        own = [f"{row['method']} {row['text']}" for row in rows if row["setting"] == setting]
        said.append(f"{setting}: {', '.join(own)}{pooled.get(setting, '')}.")
    return " ".join(said)


def _settings_axis(places: list[str], title: str | None) -> Spec:
    upright = len(places) <= MOST_UPRIGHT
    axis: Spec = {"labelAngle": 0 if upright else -60, "labelLimit": 0 if upright else 240}
    axis |= {"labelExpr": r"split(datum.label, '\n')"}
    # lines between the settings, not through them
    axis |= {"grid": True, "tickBand": "extent", "ticks": False, "labelOverlap": False}
    return {
        **{"field": "place", "type": "nominal", "sort": None, "title": title},
        "scale": {"type": "band", "domain": places, "padding": 0},
        "axis": axis,
    }


def _dots(look: Look, rows: list[Row], x: Spec, title: str) -> list[Spec]:
    labels = [name for name in look.labels.values() if any(row["method"] == name for row in rows)]
    apart: Spec = {"field": "method", "scale": {"domain": labels, "padding": 1}, "sort": None}
    common = {"x": x, "xOffset": apart, "color": look.channel("color"), "opacity": dimmed()}
    y = percents("y", title)
    tooltip = [shown("setting", "setting"), shown("method", "method")]
    tooltip.append(shown("text", "mean and interval"))
    bounds = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    intervals: Spec = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": common | bounds,
    }
    points: Spec = {
        "mark": {"type": "point", "size": 90},
        "encoding": common | _marks(look, labels) | {"y": y, "tooltip": tooltip},
    }
    bounded = any(row["low"] is not None for row in rows)
    return [*([intervals] if bounded else []), points]


def _marks(look: Look, labels: list[str]) -> Spec:
    """Colour and shape, in one legend where the chart has its own."""
    channels = {kind: look.channel(kind, legend=labels) for kind in ("color", "shape")}
    for channel in channels.values():
        if channel["legend"] is not None:  # a stroke stands for lines; here the shape is the mark
            legend = {key: of for key, of in channel["legend"].items() if key != "symbolType"}
            channel["legend"] = legend | {"symbolSize": 45}
    return channels


def _rules(ceilings: list[Row], rows: list[Row], x: Spec, title: str) -> list[Spec]:
    """A rule across every setting that has a ceiling, named at the first of them."""
    drawn = [row[key] for row in rows for key in ("y", "low", "high") if row[key] is not None]
    below = ceilings[0]["y"] < (min(drawn) + max(drawn)) / 2
    y = percents("y", title)
    mark = {"type": "text", "style": "aside", "align": "left", "dx": 4, "dy": 8 if below else -7}
    name = [{**ceilings[0], "text": f"pooled {ceilings[0]['text']}"}]
    return [
        {
            "data": {"values": ceilings},
            "mark": {"type": "rule"},
            "encoding": {
                **{"x": {**x, "bandPosition": 0}, "x2": {"field": "place", "bandPosition": 1}},
                "y": y,
            },
        },
        {
            "data": {"values": name},
            "mark": mark,
            "encoding": {
                **{"x": {**x, "bandPosition": 0}, "y": y},
                "text": {"field": "text"},
            },
        },
    ]
