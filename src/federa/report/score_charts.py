"""Test scores with their intervals, scores of single clients, and the search for learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, quantiles

from federa.report.charts import (
    LEFT_IN,
    POOLED,
    Chart,
    Row,
    Spec,
    by_method,
    dimmed,
    joined,
    logarithmic,
    method_axis,
    percent,
    percents,
    quantity,
    rounded,
    shown,
    words,
)
from federa.report.findings import Interval, MethodResult, Setting
from federa.report.look import Look

STEP, BOX_STEP = 30, 38


def score_chart(setting: Setting, look: Look) -> Chart | None:
    """Every method's test score: each seed, the mean and its 95 % interval."""
    results = [result for result in in_order(setting, look) if result.test_interval is not None]
    rows: list[Row] = []
    means: list[Row] = []
    for result in results:
        label, found = look.labels[result.method], result.test_interval
        assert found is not None
        rows += [
            {"method": label, "x": rounded(score), "seed": seed}
            for seed, score in result.test.items()
        ]
        means.append({"method": label, "x": rounded(found.mean)} | bounds_of(found))
    if not rows:
        return None
    single = all(row["low"] is None for row in means)
    note = "One seed: no interval can be given." if single else _NOTE
    order = [row["method"] for row in means]
    axis = f"{words(setting.score)} on the test set"
    layers = _dots(look, order, means, axis)
    read = "; ".join(f"{row['method']}: {row['text']}" for row in means)
    alt = f"Dot plot of {words(setting.score)} on the test set, mean and 95 % interval. {read}."
    if setting.ceiling:
        ceiling = fmean(setting.ceiling.values())
        drawn = [value for row in means for value in (row["x"], row["low"], row["high"])]
        known = [value for value in drawn if value is not None]
        at_left = ceiling < (min(known) + max(known)) / 2
        layers += _upright(ceiling, axis, f"pooled {percent(ceiling)}", at_left)
        alt += f" Pooled full fine-tuning: {percent(ceiling)}."
        note += POOLED
    return Chart("test-score", "Test score", alt, by_method(layers, STEP * len(order)), rows, note)


def bounds_of(found: Interval) -> Row:
    """What is drawn and told of a mean's interval: low and high, None for one seed, and text."""
    text = percent(found.mean)
    if found.low is None or found.high is None:
        return {"low": None, "high": None, "text": text}
    text += f" [{percent(found.low)}, {percent(found.high)}]"
    # few seeds have intervals beyond all scores, which would only shrink the picture
    low, high = rounded(max(0.0, found.low)), rounded(min(1.0, found.high))
    return {"low": low, "high": high, "text": text}


_NOTE = "Large marks: mean over the seeds; lines: its 95 % interval; upright marks: each seed."


def _dots(look: Look, order: list[str], means: list[Row], axis: str) -> list[Spec]:
    y, x = method_axis(order), percents("x", axis)
    color, shape = look.channel("color"), look.channel("shape")
    own: Spec = {"data": {"values": means}, "transform": LEFT_IN}
    bounded = [row for row in means if row["low"] is not None]
    intervals: Spec = {
        **{"data": {"values": bounded}, "transform": LEFT_IN},
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {
            **{"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
            **{"color": color, "opacity": dimmed()},
        },
    }
    tooltip = [shown("method", "method"), shown("text", "mean and interval")]
    seed = [shown("method", "method"), shown("seed", "seed"), shown("x", axis, ".1%")]
    return [
        *([intervals] if bounded else []),
        {
            "mark": {"type": "tick", "size": 16, "thickness": 1.5},
            "encoding": {"y": y, "x": x, "color": color, "tooltip": seed, "opacity": dimmed(0.7)},
        },
        {
            **own,
            "mark": {"type": "point", "size": 110},
            "encoding": {
                **{"y": y, "x": x, "color": color, "shape": shape, "tooltip": tooltip},
                "opacity": dimmed(),
            },
        },
    ]


def _upright(value: float, axis: str, text: str, at_left: bool) -> list[Spec]:
    data = {"values": [{"x": rounded(value), "text": text}]}
    x = percents("x", axis)
    mark = {"type": "text", "style": "aside", "align": "left" if at_left else "right", "dy": -8}
    return [
        {"data": data, "mark": {"type": "rule"}, "encoding": {"x": x}},
        {
            "data": data,
            "mark": mark,
            "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "text"}},
        },
    ]


def client_score_chart(setting: Setting, look: Look) -> Chart | None:
    """How the score differs between clients: each of them, quartiles and the median."""
    results = [result for result in in_order(setting, look) if result.per_client]
    if not results:
        return None
    rows: list[Row] = []
    boxes: list[Row] = []
    for result in results:
        label, scores = look.labels[result.method], result.per_client or []
        rows += [
            {"method": label, "x": rounded(score), "client": client, "up": _scatter(client)}
            for client, score in enumerate(scores)
        ]
        boxes.append({"method": label} | _box(scores))
    order = [row["method"] for row in boxes]
    read = joined([f"{row['method']} {percent(row['middle'])}" for row in boxes])
    return Chart(
        name="client-scores",
        title="Score of each client",
        alt=f"Box plot of {words(setting.score)} by client. Medians: {read}.",
        spec=by_method(_boxes(look, order, boxes, words(setting.score)), BOX_STEP * len(order)),
        rows=rows,
        note="Dots: clients, of the first seed; boxes: the middle half; upright lines: the median.",
    )


def _box(scores: Sequence[float]) -> Row:
    """Quartiles, the ends included (as numpy's default)."""
    if len(scores) == 1:
        return {"low": scores[0], "middle": scores[0], "high": scores[0]}
    low, middle, high = quantiles(scores, method="inclusive")
    return {"low": rounded(low), "middle": rounded(middle), "high": rounded(high)}


def _scatter(client: int) -> float:
    """A height in [-1, 1], apart for neighbouring clients: multiples of the golden ratio."""
    return round(2 * math.modf(client * 0.6180339887)[0] - 1, 3)


def _boxes(look: Look, order: list[str], boxes: list[Row], score: str) -> list[Spec]:
    y = method_axis(order)
    x = percents("x", f"{score} of a client")
    color = look.channel("color")
    own: Spec = {"data": {"values": boxes}, "transform": LEFT_IN}
    texts = [shown("middle", "median", ".1%"), shown("low", "lower quartile", ".1%")]
    texts = [shown("method", "method"), *texts, shown("high", "upper quartile", ".1%")]
    up = {"scale": {"domain": [-2, 2]}}
    client = [shown("method", "method"), shown("client", "client"), shown("x", score, ".1%")]
    return [
        {
            **own,
            "mark": {"type": "bar", "size": 24},
            "encoding": {
                **{"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
                **{"color": color, "opacity": dimmed(0.25), "tooltip": texts},
            },
        },
        {
            "mark": {"type": "point", "size": 16},
            "encoding": {
                **{"y": y, "yOffset": {"field": "up", "type": "quantitative", **up}},
                **{"x": x, "color": color, "opacity": dimmed(0.7), "tooltip": client},
            },
        },
        {
            **own,
            "mark": {"type": "tick", "size": 24, "thickness": 2.5},
            "encoding": {
                **{"y": y, "x": {**x, "field": "middle"}, "color": color},
                **{"opacity": dimmed(), "tooltip": texts},
            },
        },
    ]


def rate_chart(setting: Setting, look: Look) -> Chart | None:
    """Validation score by learning rate of the search, and which rate was chosen."""
    rows: list[Row] = []
    chosen: list[str] = []
    for result in in_order(setting, look):
        label = look.labels[result.method]
        found = {rate: score for rate, score in result.tried.items() if score is not None}
        rates = set(result.learning_rates.values())
        rows += [
            {"method": label, "x": rate, "y": rounded(score), "chosen": rate in rates}
            for rate, score in sorted(found.items())
        ]
        chosen += [f"{label} {rate:g}" for rate in sorted(rates & set(found))]
    if not rows:
        return None
    failed = _failed(setting, look)
    note = "Ringed: the rate that was chosen."
    if failed:
        note += f" Not drawn, since training gave no score: {'; '.join(failed)}."
    return Chart(
        name="learning-rates",
        title="Choice of the learning rate",
        alt=f"Line chart of {words(setting.score)} on validation by learning rate in the search. "
        f"Chosen: {joined(chosen)}.",
        spec=by_method(_rates(look, rows, words(setting.score)), 220),
        rows=rows,
        note=note,
    )


def _failed(setting: Setting, look: Look) -> list[str]:
    return [
        f"{look.labels[result.method]} at {rate:g}"
        for result in in_order(setting, look)
        for rate, score in sorted(result.tried.items())
        if score is None
    ]


def _rates(look: Look, rows: list[Row], score: str) -> list[Spec]:
    labels = list(dict.fromkeys(row["method"] for row in rows))
    color, shape = look.channel("color"), look.channel("shape")
    drawn = {kind: look.channel(kind, legend=labels) for kind in ("color", "strokeDash")}
    x = quantity("x", "learning rate", **logarithmic("~e"))
    y = percents("y", f"{score} on validation")
    tooltip = [shown("method", "method"), shown("x", "learning rate", "~g")]
    tooltip.append(shown("y", score, ".1%"))
    return [
        {
            "mark": {"type": "line"},
            "encoding": {"x": x, "y": y, **drawn, "opacity": dimmed()},
        },
        {
            "mark": {"type": "point"},
            "encoding": {
                **{"x": x, "y": y, "color": color, "shape": shape, "opacity": dimmed()},
                "tooltip": tooltip,
            },
        },
        {
            "transform": [{"filter": "datum.chosen"}],
            "mark": {"type": "point", "filled": False, "size": 220, "strokeWidth": 1.8},
            "encoding": {"x": x, "y": y, "color": color, "opacity": dimmed()},
        },
    ]


def in_order(setting: Setting, look: Look) -> list[MethodResult]:
    """The methods of a setting from top to bottom."""
    return sorted(setting.methods, key=lambda result: look.place(result.method))
