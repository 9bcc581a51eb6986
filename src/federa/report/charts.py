"""Charts as Vega-Lite: what all of them share.

A chart says nothing of size and colour: those come from where it is drawn (``look.theme``). On the
page two parameters are set from outside: ``hidden``, the labels of methods that are left out, and
``focus``, the one that stands out ("" for none).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from math import isfinite
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
Spec = dict[str, Any]
Row = dict[str, Any]

POOLED = " Pooled: full fine-tuning with all data at one place."
"""What charts that draw the ceiling add to their notes."""
LEFT_IN: list[Spec] = [{"filter": "indexof(hidden, datum.method) < 0"}]
"""The transform that leaves methods out; layers with rows of their own need it too."""
HOVER: Spec = {
    "name": "hover",
    "select": {"type": "point", "on": "pointerover", "clear": "pointerout", "nearest": True},
}
HOVERED: Spec = {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 0}
"""A parameter for the point nearest to the pointer; the opacity of points that show only then."""


@dataclass(frozen=True)
class Chart:
    """One chart; ``spec`` has neither its data nor a width.

    name: for files and anchors; rows: what it draws; alt: what it shows, for those who cannot see
    it; note: what one must know to read it.
    """

    name: str
    title: str
    alt: str
    spec: Spec = field(repr=False)
    rows: list[Row] = field(repr=False)
    note: str = ""

    @property
    def room(self) -> int:
        """About how high the chart will be, in pixels, axes included."""
        return int(self.spec["height"]) + 48

    def complete(self, width: int | str) -> Spec:
        """A whole specification; width: in pixels, or ``container``."""
        return {
            "$schema": SCHEMA,
            "description": self.alt,
            "width": width,
            "autosize": {"type": "fit-x", "contains": "padding"},
            "data": {"values": self.rows},
            **self.spec,
        }


def by_method(layers: list[Spec], height: int) -> Spec:
    """Layers over rows that have a ``method``, any of which can be left out or stand out."""
    return {
        "height": height,
        "params": [{"name": "hidden", "value": []}, {"name": "focus", "value": ""}],
        "transform": LEFT_IN,
        "layer": layers,
        "resolve": {"legend": {"shape": "independent"}},
    }


def dimmed(usual: float = 1.0) -> Spec:
    """The opacity of marks: less for methods other than the one that stands out."""
    test = "focus == '' || focus == datum.method"
    return {"condition": {"test": test, "value": usual}, "value": usual * 0.15}


def method_axis(order: list[str]) -> Spec:
    """Methods from top to bottom; those that are left out keep their place."""
    scale = {"domain": order}
    return {"field": "method", "type": "nominal", "scale": scale, "sort": None, "title": None}


def quantity(field: str, title: str | None, **more: Any) -> Spec:
    """An encoding of a number; more: further properties of it."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def of_rounds(field: str, rounds: list[int]) -> Spec:
    """An encoding of round numbers, with at most ten steps and none of them broken."""
    first, last = min(rounds, default=0), max(rounds, default=0)
    steps = (digit * 10**power for power in count() for digit in (1, 2, 5))
    step = next(step for step in steps if (last - first) / step <= 10)
    values = list(range(-(-first // step) * step, last + 1, step))
    scale = {"zero": False, "nice": False}
    return quantity(
        field, "rounds", scale=scale, axis={"grid": False, "values": values, "format": ",d"}
    )


def percents(field: str, title: str) -> Spec:
    """An encoding of a score in [0, 1], whose axis need not start at zero."""
    axis = {"tickCount": 5, "format": "~%"}
    return quantity(field, title, scale={"zero": False}, axis=axis)


def percent(score: float) -> str:
    """A score in [0, 1], for people."""
    return f"{100 * score:.1f} %"


def shown(field: str, title: str, format: str | None = None) -> Spec:
    """A line of a tooltip."""
    kind = "quantitative" if format else "nominal"
    return {"field": field, "type": kind, "title": title} | ({"format": format} if format else {})


def level(value: float, text: str, title: str, below: bool, at_end: bool) -> list[Spec]:
    """A horizontal rule over the whole width, with its meaning written at one of its ends.

    title: of the axis, as the other layers call it.
    """
    data = {"values": [{"level": rounded(value), "text": text}]}
    y = quantity("level", title)
    mark = {"type": "text", "style": "aside", "dy": 8 if below else -7}
    mark |= {"align": "right", "dx": -2} if at_end else {"align": "left", "dx": 4}
    x = {"value": "width" if at_end else 0}
    return [
        {"data": data, "mark": {"type": "rule"}, "encoding": {"y": y}},
        {"data": data, "mark": mark, "encoding": {"y": y, "x": x, "text": {"field": "text"}}},
    ]


def logarithmic(format: str) -> Spec:
    """Properties of an axis with equal steps for equal ratios."""
    axis = {"grid": False, "format": format, "labelOverlap": "greedy", "labelSeparation": 6}
    return {"scale": {"type": "log", "nice": False, "padding": 6}, "axis": {**axis, "tickCount": 5}}


def rounded(value: float | None, digits: int = 5) -> float | None:
    """``value`` as a picture needs it; more digits would only make the page longer."""
    return None if value is None or not isfinite(value) else float(f"{value:.{digits}g}")


def words(name: str) -> str:
    """The name of a score, for people: macro_f1 is macro f1."""
    return name.replace("_", " ")


def joined(parts: list[str]) -> str:
    """Parts of a sentence in a row: a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
