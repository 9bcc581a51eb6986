"""The score along the training: against rounds, bytes and modelled seconds."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from federa.report.charts import (
    HOVER,
    POOLED,
    Chart,
    Row,
    Spec,
    by_method,
    dimmed,
    joined,
    level,
    logarithmic,
    of_rounds,
    percent,
    percents,
    quantity,
    rounded,
    shown,
    words,
)
from federa.report.findings import Series, Setting
from federa.report.look import Look
from federa.report.units import BYTES, SECONDS, Unit, suiting

NUM_MARKED = 8
COSTS = ("bytes", "seconds")


def curve_charts(setting: Setting, look: Look) -> dict[str, Chart]:
    """Those there are of ``rounds``, ``bytes``, ``bytes-log``, ``seconds`` and ``seconds-log``.

    Lines are means over the seeds, bands go from the lowest to the highest seed. All charts draw
    from the same list of rows.
    """
    rows = curve_rows(setting.series, look)
    units = {"rounds": Unit("", 1), "bytes": _scale(BYTES, rows), "seconds": _scale(SECONDS, rows)}
    for row in rows:
        for axis in COSTS:
            row[axis] = None if row[axis] is None else rounded(row[axis] / units[axis].size)
    charts: dict[str, Chart] = {}
    for axis, unit in units.items():
        if any(row[axis] is not None for row in rows):
            charts[axis] = _chart(setting, look, axis, unit, rows, log=False)
        if axis in COSTS and any(row[axis] for row in rows):  # zero has no logarithm
            charts[f"{axis}-log"] = _chart(setting, look, axis, unit, rows, log=True)
    return charts


def _scale(units: tuple[Unit, ...], rows: list[Row]) -> Unit:
    axis = "bytes" if units is BYTES else "seconds"
    return suiting(units, max((row[axis] or 0.0 for row in rows), default=0.0))


def curve_rows(series: Iterable[Series], look: Look) -> list[Row]:
    """For every method and scored round: the mean over its seeds, and where it was reached.

    bytes and seconds: cumulative, mean over the seeds, seconds None without a profile; part: the
    same for neighbouring rounds that the same seeds scored, so that a line has no step where a run
    ends; marked: whether the method's shape is drawn there.
    """
    rows: list[Row] = []
    runs = list(series)
    for method, label in look.labels.items():
        own = [run for run in runs if run.method == method]
        rounds = sorted({round for run in own for round in run.rounds})
        every = -(-len(rounds) // NUM_MARKED)
        previous = None
        for number, round in enumerate(rounds):
            there = [(run, run.rounds.index(round)) for run in own if round in run.rounds]
            seeds = [run.seed for run, _ in there]
            marked = number % every == every // 2 or seeds != previous
            previous = seeds
            rows.append(_row(label, round, there) | {"part": f"{label} {seeds}", "marked": marked})
    return rows


def _row(label: str, round: int, there: list[tuple[Series, int]]) -> Row:
    smoothed = [run.smoothed[place] for run, place in there]
    times = [
        run.download_seconds[place] + run.compute_seconds[place] + run.upload_seconds[place]
        for run, place in there
        if run.compute_seconds
    ]
    return {
        "method": label,
        "rounds": round,
        "bytes": rounded(fmean(run.bytes[place] for run, place in there)),
        "seconds": rounded(fmean(times)) if len(times) == len(there) else None,
        "mean": rounded(fmean(smoothed)),
        "low": rounded(min(smoothed)),
        "high": rounded(max(smoothed)),
        "raw": rounded(fmean(run.scores[place] for run, place in there)),
        "num_seeds": len(there),
    }


def _chart(
    setting: Setting, look: Look, axis: str, unit: Unit, rows: list[Row], log: bool
) -> Chart:
    name = {
        "rounds": "rounds",
        "bytes": f"sent and received by all clients, {unit.symbol}",
        "seconds": f"modelled time, {unit.symbol}",
    }[axis]
    points = [row for row in rows if row[axis] is not None]
    labels = list(dict.fromkeys(row["method"] for row in points))
    if axis in COSTS:
        x = quantity(axis, name, **(logarithmic("~g") if log else {"axis": {"grid": False}}))
    else:
        x = of_rounds(axis, [row[axis] for row in points])
    # lines rise at the left of a linear axis of costs, where the cheapest methods crowd
    levels = _levels(setting, points, at_end=axis in COSTS and not log)
    spec = by_method([*_lines(setting, look, x, labels), *levels], 300)
    known = f"datum.{axis} > 0" if log else f"isValid(datum.{axis})"
    spec["transform"] = [*spec["transform"], {"filter": known}]
    return Chart(
        name=f"score-by-{axis}" + ("-log" if log else ""),
        title=f"{words(setting.score)} against {axis}",
        alt=_alt(setting, axis, points, labels) + (" The axis is logarithmic." if log else ""),
        spec=spec,
        rows=rows,
        note=_note(points) + (POOLED if setting.ceiling else ""),
    )


def _lines(setting: Setting, look: Look, x: Spec, labels: list[str]) -> list[Spec]:
    color, shape = look.channel("color"), look.channel("shape")
    drawn = {kind: look.channel(kind, legend=labels) for kind in ("color", "strokeDash")}
    y = percents("mean", words(setting.score))
    band = {"x": x, "y": percents("low", words(setting.score)), "y2": {"field": "high"}}
    part = {"field": "part"}
    return [
        {
            "mark": {"type": "line"},
            "encoding": {
                **{"x": x, "y": y, "detail": part, "opacity": dimmed()},
                **drawn,
            },
        },
        {
            "mark": {"type": "area"},
            "encoding": {**band, "color": color, "detail": part, "opacity": dimmed(0.16)},
        },
        {
            "transform": [{"filter": "datum.marked"}],
            "mark": {"type": "point"},
            "encoding": {"x": x, "y": y, "color": color, "shape": shape, "opacity": dimmed()},
        },
        {
            "params": [HOVER],
            "mark": {"type": "point", "size": 90},
            "encoding": {
                **{"x": x, "y": y, "color": color, "shape": shape, "tooltip": _tooltip(x)},
                "opacity": {
                    "condition": {"param": "hover", "empty": False, "value": 1},
                    "value": 0,
                },
            },
        },
    ]


def _tooltip(x: Spec) -> list[Spec]:
    lines = [
        shown("method", "method"),
        shown("rounds", "round", ","),
        shown("mean", "smoothed", ".1%"),
        shown("low", "lowest seed", ".1%"),
        shown("high", "highest seed", ".1%"),
        shown("raw", "of this round", ".1%"),
        shown("num_seeds", "seeds", "d"),
    ]
    if x["field"] in COSTS:
        lines.insert(2, shown(x["field"], x["title"], ",.4~g"))
    return lines


def _levels(setting: Setting, rows: list[Row], at_end: bool) -> list[Spec]:
    """Rules for the target and for pooled training, their words apart where they are near."""
    values = [row[key] for row in rows for key in ("low", "high") if row[key] is not None]
    ceiling = fmean(setting.ceiling.values()) if setting.ceiling else None
    if ceiling is not None:
        values.append(ceiling)
    near = 0.06 * (max(values) - min(values)) if values else 0.0
    layers: list[Spec] = []
    title = words(setting.score)
    if setting.target is not None:
        below = ceiling is not None and 0 <= ceiling - setting.target < near
        layers += level(setting.target, f"target {percent(setting.target)}", title, below, at_end)
    if ceiling is not None:
        below = setting.target is not None and 0 < setting.target - ceiling < near
        layers += level(ceiling, f"pooled, on test {percent(ceiling)}", title, below, at_end)
    return layers


def _alt(setting: Setting, axis: str, rows: list[Row], labels: list[str]) -> str:
    last = {row["method"]: row["mean"] or 0.0 for row in rows}
    ends = joined([f"{label} at {percent(last[label])}" for label in labels])
    target = "" if setting.target is None else f" The target is {percent(setting.target)}."
    against = {"seconds": "modelled seconds"}.get(axis, axis)
    what = f"Line chart of smoothed {words(setting.score)} against {against}."
    return f"{what} At the end: {ends}.{target}"


def _note(rows: list[Row]) -> str:
    most = max(row["num_seeds"] for row in rows)
    if most == 1:
        return "One seed: every line is one run."
    if len({row["part"] for row in rows}) > len({row["method"] for row in rows}):
        return (
            f"Lines: mean over up to {most} seeds; bands: lowest to highest seed. A line breaks "
            "where the run of a seed ends."
        )
    return f"Lines: mean over {most} seeds; bands: lowest to highest seed."
