"""What it cost to reach the target: time over every network, bytes, energy; and memory."""

from __future__ import annotations

from typing import Any

from federa.report.charts import (
    LEFT_IN,
    Chart,
    Row,
    Spec,
    by_method,
    dimmed,
    joined,
    method_axis,
    quantity,
    rounded,
    shown,
)
from federa.report.findings import MethodResult, NetworkTime, Reached, Setting
from federa.report.look import Look
from federa.report.reaching import totals
from federa.report.score_charts import in_order
from federa.report.statistics import median
from federa.report.units import BYTES, JOULES, SECONDS, Unit, percent_less, suiting, written

NETWORKS = {
    "lte": "LTE",
    "5g": "5G",
    "wifi_50": "Wi-Fi, 50 Mbit/s",
    "ethernet_100": "Ethernet, 100 Mbit/s",
    "ethernet_1000": "Ethernet, 1 Gbit/s",
}
"""Presets of ``federa.profiles`` as one writes them; others keep their names."""
PARTS = ("download", "compute", "upload")
LETTER_PIXELS, NARROWEST_PIXELS = 6.3, 215
"""About the width of a letter, and of the narrowest chart that has words behind its bars."""
STEP = 26


def network_charts(setting: Setting, look: Look) -> list[Chart]:
    """A chart for each network: modelled time to the target, download, compute and upload apart."""
    networks = dict.fromkeys(time.network for time in setting.networks)
    return [
        _network(setting, look, name, [time for time in setting.networks if time.network == name])
        for name in networks
    ]


def _network(setting: Setting, look: Look, network: str, times: list[NetworkTime]) -> Chart:
    longest = max((sum(time.to_target) for time in times if time.to_target), default=0.0)
    unit = suiting(SECONDS, longest)
    rows: list[Row] = []
    words: list[Row] = []
    for time in sorted(times, key=lambda time: look.place(time.method)):
        label = look.labels[time.method]
        total = sum(time.to_target) if time.to_target else None
        values = list(totals(time.by_seed).values())
        text = _text_of_seeds(SECONDS, total, values, time.reduction, setting)
        words.append({"method": label, "at": rounded((total or 0) / unit.size), "text": text})
        if time.to_target:
            rows += [
                {
                    **{"method": label, "part": part, "place": place},
                    **{"x": rounded(seconds / unit.size), "text": written(SECONDS, seconds)},
                }
                for place, (part, seconds) in enumerate(zip(PARTS, time.to_target, strict=True))
            ]
    over = NETWORKS.get(network, network)
    spec = _stacked(look, words, unit)
    if look.standalone:
        spec["title"] = over
    return Chart(
        name=f"time-to-target-{network}",
        title=over,
        alt=f"Bar chart of modelled time to the target over {over}. " + _read(words),
        spec=spec,
        rows=rows,
    )


def _stacked(look: Look, words: list[Row], unit: Unit) -> Spec:
    order = [row["method"] for row in words]
    y = method_axis(order)
    x = _bar_axis(f"modelled time to target, {unit.symbol}", words)
    legend = {"title": None, "symbolSize": 80} if look.standalone else None
    part = {"domain": list(PARTS), "range": "ordinal"}
    tooltip = [shown("method", "method"), shown("part", "part"), shown("text", "modelled time")]
    bars: Spec = {
        "mark": {"type": "bar", "style": "separated"},
        "encoding": {
            **{
                "y": y,
                "x": {**x, "stack": "zero"},
                "order": {"field": "place"},
                "opacity": dimmed(),
            },
            "color": {"field": "part", "type": "nominal", "scale": part, "legend": legend},
            "tooltip": tooltip,
        },
    }
    return by_method([bars, _words(words, y, x)], STEP * len(order))


def _bar_axis(title: str, words: list[Row]) -> Spec:
    """An axis from zero that leaves room for the words behind each bar."""
    end = max(
        row["at"] / (1 - min(0.75, (LETTER_PIXELS * len(row["text"]) + 12) / NARROWEST_PIXELS))
        for row in words
    )
    scale = {"domain": [0, rounded(end) or 1], "nice": False}
    return quantity("x", title, scale=scale, axis={"tickCount": 4})


def _words(words: list[Row], y: Spec, x: Spec) -> Spec:
    """Words behind bars: they have their own rows, which leave out the same methods."""
    return {
        "data": {"values": words},
        "transform": LEFT_IN,
        "mark": {"type": "text", "style": "aside", "align": "left", "dx": 8},
        "encoding": {
            **{"y": y, "x": {**x, "field": "at"}, "text": {"field": "text"}},
            "opacity": dimmed(),
        },
    }


def _reached_text(
    scale: tuple[Unit, ...], value: float | None, reduction: float | None, setting: Setting
) -> str:
    if value is None:
        return f"not reached in {setting.num_rounds} rounds"
    less = "" if reduction is None else f", {percent_less(reduction)}"
    return written(scale, value) + less


def _read(words: list[Row]) -> str:
    return "; ".join(f"{row['method']}: {row['text']}" for row in words) + "."


def bytes_chart(setting: Setting, look: Look) -> Chart | None:
    """Bytes of all clients up to the target, the median of the seeds and each of them."""
    return _to_target(setting, look, "bytes", BYTES, "sent and received by all clients")


def energy_chart(setting: Setting, look: Look) -> Chart | None:
    """Modelled energy of all clients up to the target."""
    return _to_target(setting, look, "joules", JOULES, "modelled energy of all clients")


def _to_target(
    setting: Setting, look: Look, what: str, scale: tuple[Unit, ...], title: str
) -> Chart | None:
    results = in_order(setting, look)
    values = {result.method: [_value(run, what) for run in result.reached] for result in results}
    known = [value for own in values.values() for value in own if value is not None]
    if not known:
        return None
    unit = suiting(scale, max(known))
    rows: list[Row] = []
    words: list[Row] = []
    for result in results:
        label, own = look.labels[result.method], values[result.method]
        middle = median(own)
        text = _text_of_seeds(scale, middle, own, _reduction(result, what), setting)
        furthest = max((value for value in own if value is not None), default=0.0)
        words.append({"method": label, "at": rounded(furthest / unit.size), "text": text})
        rows += [
            {"method": label, "seed": run.seed, "x": rounded(value / unit.size)}
            | {"text": written(scale, value), "round": run.round}
            for run, value in zip(result.reached, own, strict=True)
            if value is not None
        ]
    bars = [
        {"method": look.labels[name], "middle": rounded(middle / unit.size)}
        for name, own in values.items()
        if (middle := median(own)) is not None
    ]
    name = {"joules": "energy"}.get(what, what)
    return Chart(
        name=f"{name}-to-target",
        title=f"{name.capitalize()} to the target",
        alt=f"Bar chart of {title} up to the target, median of the seeds. " + _read(words),
        spec=_seed_bars(look, bars, words, f"{title}, {unit.symbol}"),
        rows=rows,
        note="Bars: median of the seeds; dots: each seed that reached the target.",
    )


def _value(run: Reached, what: str) -> float | None:
    value: float | None = getattr(run, what)
    return None if run.round is None else value


def _reduction(result: MethodResult, what: str) -> float | None:
    share = {"bytes": result.bytes_reduction, "joules": result.energy_reduction}[what]
    return share.median if share else None


def _text_of_seeds(
    scale: tuple[Unit, ...],
    middle: float | None,
    values: list[float | None],
    reduction: float | None,
    setting: Setting,
) -> str:
    if not values:
        return "no run is over"
    missing = values.count(None)
    if middle is None and missing < len(values):
        return f"not reached on {missing} of {len(values)} seeds"
    text = _reached_text(scale, middle, reduction, setting)
    return text if middle is None or not missing else f"{text}; {missing} of {len(values)} missed"


def _seed_bars(look: Look, bars: list[Row], words: list[Row], title: str) -> Spec:
    labels = [row["method"] for row in words]
    y, x = method_axis(labels), _bar_axis(title, words)
    color = look.channel("color")
    tooltip = [shown("method", "method"), shown("seed", "seed"), shown("text", "to the target")]
    tooltip.append(shown("round", "reached in round"))
    bar: Spec = {
        "data": {"values": bars},
        "transform": LEFT_IN,
        "mark": {"type": "bar"},
        "encoding": {
            **{"y": y, "x": {**x, "field": "middle"}},
            **{"color": color, "opacity": dimmed(0.75)},
        },
    }
    dots: Spec = {
        "mark": {"type": "point", "style": "outlined", "strokeWidth": 1, "size": 30},
        "encoding": {"y": y, "x": x, "tooltip": tooltip, "opacity": dimmed()},
    }
    return by_method([bar, dots, _words(words, y, x)], STEP * len(labels))


def memory_chart(setting: Setting, look: Look) -> Chart | None:
    """Modelled memory of a client in training; methods that do not fit are only outlined."""
    results = [result for result in in_order(setting, look) if result.peak_bytes is not None]
    if not results:
        return None
    sizes = [result.peak_bytes or 0.0 for result in results]
    unit = suiting(BYTES, max(sizes))
    rows: list[Row] = [
        {
            **{"method": look.labels[result.method], "fits": result.fits is not False},
            **{"x": rounded(size / unit.size), "at": rounded(size / unit.size)},
            "text": written(BYTES, size) + (", does not fit" if result.fits is False else ""),
        }
        for result, size in zip(results, sizes, strict=True)
    ]
    unfit = [row["method"] for row in rows if not row["fits"]]
    do = "do" if len(unfit) > 1 else "does"
    return Chart(
        name="memory",
        title="Memory of a client",
        alt="Bar chart of the modelled peak memory of a client in training. " + _read(rows),
        spec=_memory_bars(look, rows, unit),
        rows=rows,
        note=f"{joined(unfit)} {do} not fit the profile's devices." if unfit else "",
    )


def _memory_bars(look: Look, rows: list[Row], unit: Unit) -> Spec:
    y = method_axis([row["method"] for row in rows])
    x = _bar_axis(f"modelled peak memory of a client, {unit.symbol}", rows)
    color = look.channel("color")
    filled: dict[str, Any] = {"condition": {"test": "datum.fits", "value": 0.75}, "value": 0.12}
    tooltip = [shown("method", "method"), shown("text", "peak memory")]
    bars: Spec = {
        "mark": {"type": "bar"},
        "encoding": {
            **{"y": y, "x": x, "color": color, "stroke": color, "opacity": dimmed()},
            **{"fillOpacity": filled, "tooltip": tooltip},
        },
    }
    return by_method([bars, _words(rows, y, x)], STEP * len(rows))
