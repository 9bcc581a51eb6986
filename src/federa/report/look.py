"""How charts look: the colour, dash and shape of every method, and two themes.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people who see fewer
colours tell apart, some darker on white and lighter on black so that lines keep a contrast of 3:1;
since dash and shape change with the method too, charts can be read without any colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from federa.report.findings import Findings

LABELS = {
    "federa": "FeDeRA",
    "lora": "LoRA",
    "bitfit": "BitFit",
    "houlsby": "Houlsby",
    "full": "Full",
    "pfeiffer": "Pfeiffer",
}
"""Names of methods as papers write them; the first five also come first, in this order."""
FIXED = tuple(LABELS)[:5]

LIGHT = {
    "paper": "#ffffff",
    "card": "#f6f7f9",
    "ink": "#1b1f24",
    "soft": "#59626d",
    "faint": "#dfe3e8",
    "accent": "#005f99",
    "heat": "#08519c",
    "method1": "#0072b2",
    "method2": "#d55e00",
    "method3": "#008a64",
    "method4": "#b0568a",
    "method5": "#333a42",
    "method6": "#9a7400",
    "method7": "#3f8fc4",
    "method8": "#7a5195",
    "part1": "#d9c48a",
    "part2": "#7d8894",
    "part3": "#6a3d7c",
}
DARK = {
    "paper": "#14171b",
    "card": "#1d2126",
    "ink": "#e8ebee",
    "soft": "#a3adb8",
    "faint": "#353c44",
    "accent": "#6fc0f2",
    "heat": "#7cc4f5",
    "method1": "#56b4e9",
    "method2": "#ff8f4a",
    "method3": "#2bc59a",
    "method4": "#e08fc0",
    "method5": "#d3d9df",
    "method6": "#e6c24a",
    "method7": "#8fa8ff",
    "method8": "#c39be0",
    "part1": "#e3d3a4",
    "part2": "#9ba7b4",
    "part3": "#9556b3",
}
"""Colours by role; ``part`` 1 to 3 are the parts of a stacked bar, from light to dark."""

DASHES: tuple[tuple[int, ...], ...] = (
    (1, 0),
    (7, 3),
    (2, 2),
    (7, 2, 2, 2),
    (12, 3),
    (1, 3),
    (4, 2, 1, 2, 1, 2),
)
SHAPES = (
    "M-.8,0a.8,.8 0 1,0 1.6,0a.8,.8 0 1,0 -1.6,0Z",  # disc
    "M-.7,-.7h1.4v1.4h-1.4Z",  # square
    "M0,-1L.9,.7H-.9Z",  # triangle
    "M0,-1L1,0L0,1L-1,0Z",  # diamond
    "M-.3,-1h.6v.7h.7v.6h-.7v.7h-.6v-.7h-.7v-.6h.7Z",  # cross
    "M0,1L.9,-.7H-.9Z",  # triangle upside down
    "M-1,-.3h2v.6h-2Z",  # bar
)
"""Outlines between -1 and 1, as Vega and SVG both read them."""

PAGE_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
FIGURE_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


@dataclass(frozen=True)
class Look:
    """The methods of a report in their order.

    labels: by name, how a method is called; its place gives it its colour, dash and shape;
    standalone: whether a chart says by itself what else the page around it says, as its legend.
    """

    labels: dict[str, str]
    standalone: bool = False

    @classmethod
    def of(cls, findings: Findings, standalone: bool = False) -> Look:
        """That of all methods in ``findings``: the fixed five first, present or not."""
        found = {result.method for setting in findings.settings for result in setting.methods}
        found |= {run.method for setting in findings.settings for run in setting.series}
        names = [*FIXED, *sorted(found - set(FIXED))]
        labels = {name: LABELS.get(name, name) for name in names}
        if len(set(labels.values())) < len(labels):  # a method that is called like another's label
            labels = {name: name for name in names}
        return cls(labels, standalone)

    def place(self, method: str) -> int:
        """Where ``method`` stands in the order, from 0."""
        return list(self.labels).index(method)

    def color(self, method: str) -> str:
        """Which of the themes' colours is that of ``method``."""
        return f"method{self.place(method) % 8 + 1}"

    def channel(self, kind: str, legend: list[str] | None = None) -> dict[str, Any]:
        """The encoding of the method as color, strokeDash or shape.

        legend: labels that this layer contributes to the chart's own legend, where it has one.
        """
        ranges: dict[str, Any] = {
            "color": "category",  # the theme's
            "strokeDash": [list(dash) for dash in DASHES],
            "shape": list(SHAPES),
        }
        order = list(self.labels.values())
        return {
            "field": "method",
            "type": "nominal",
            "scale": {"domain": order, "range": ranges[kind]},
            "legend": self._legend(legend) if self.standalone and legend else None,
        }

    def _legend(self, shown: list[str]) -> dict[str, Any]:
        values = [label for label in self.labels.values() if label in shown]
        columns = len(values) if len(values) < 5 else 3
        return {"values": values, "title": None, "columns": columns, "symbolType": "stroke"}


def theme(colors: Mapping[str, str], font: str, size: float) -> dict[str, Any]:
    """Vega's configuration for a theme; size: of the letters, in pixels."""
    text = {"labelColor": colors["soft"], "titleColor": colors["ink"], "titleFontWeight": "normal"}
    sizes = {"labelFontSize": size, "titleFontSize": size}
    return {
        "background": None,
        "font": font,
        "padding": 2,
        "view": {"stroke": None},
        "axis": text
        | sizes
        | {
            "gridColor": colors["faint"],
            "domainColor": colors["faint"],
            "tickColor": colors["faint"],
            "tickSize": 4,
            "labelPadding": 4,
            "titlePadding": 6,
            "labelLimit": 130,
            "titleLimit": 0,
        },
        "axisY": {"ticks": False, "domain": False, "labelPadding": 7},
        "legend": text
        | sizes
        | {"orient": "top", "symbolSize": 250, "symbolStrokeWidth": 1.6}
        | {"columnPadding": 10, "rowPadding": 1, "offset": 14},
        # a second font would make PDFs whose fonts come in changing order
        "title": {"color": colors["ink"], "fontSize": size + 1, "fontWeight": "normal"}
        | {"anchor": "start"},
        "line": {"strokeWidth": 2 * size / 12},
        "point": {"size": 50 * (size / 12) ** 2, "filled": True, "opacity": 1},
        "text": {"fontSize": size, "color": colors["ink"]},
        "rule": {"color": colors["soft"]},
        "range": {
            "category": [colors[f"method{number}"] for number in range(1, 9)],
            "ordinal": [colors[f"part{number}"] for number in range(1, 4)],
        },
        "style": _styles(colors, size),
    }


def _styles(colors: Mapping[str, str], size: float) -> dict[str, Any]:
    """What a mark looks like that has no colour of a method or a part."""
    return {
        "heat": {"color": colors["heat"]},
        "quiet": {"color": colors["part2"]},
        "separated": {"stroke": colors["paper"], "strokeWidth": 0.7},
        "outlined": {"color": colors["paper"], "stroke": colors["ink"]},
        "aside": {"color": colors["soft"], "fontSize": size - 1},
    }
