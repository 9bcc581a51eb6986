"""The charts of a report as SVG and PDF, for a paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from federa.errors import ConfigError
from federa.files import explained, write_atomically
from federa.report.charts import Chart
from federa.report.client_charts import client_charts
from federa.report.cost_charts import bytes_chart, energy_chart, memory_chart, network_charts
from federa.report.curve_charts import curve_charts
from federa.report.diagnostic_charts import diagnostic_charts, layer_values
from federa.report.findings import Findings, Setting
from federa.report.look import FIGURE_FONT, LIGHT, Look, theme
from federa.report.overview_charts import overview_charts
from federa.report.score_charts import client_score_chart, rate_chart, score_chart

COLUMN_POINTS = 252
"""Width of a column in two-column papers, 3.5 inches."""
VEGA_LITE = "6.4"


def write_figures(findings: Findings, folder: Path) -> list[Path]:
    """Write every chart as ``<setting>-<chart>.svg`` and ``.pdf``, a column wide; the paths.

    Charts across settings have ``overview`` in the place of the setting.
    Letters are text in both, in PDF with their font. The same findings give the same bytes.
    Raises: ConfigError if vl-convert is missing; RunError if a file cannot be written.
    """
    converter = renderer()
    look = Look.of(findings, standalone=True)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    config = theme(LIGHT, FIGURE_FONT, size=8)
    charts = [("overview", chart) for chart in overview_charts(findings, look)]
    for setting in findings.settings:
        charts += [(setting.name, chart) for chart in all_charts(setting, look)]
    written: list[Path] = []
    for of, chart in charts:
        name = file_name(f"{of}-{chart.name}")
        svg = converter.vegalite_to_svg(_sized(chart), vl_version=VEGA_LITE, config=config)
        pdf = in_steady_order(converter.svg_to_pdf(svg))
        for ending, content in (("svg", svg.encode()), ("pdf", pdf)):
            written.append(folder / f"{name}.{ending}")
            write_atomically(written[-1], content)
    return written


def renderer() -> Any:
    """The library that draws Vega-Lite without a browser.

    Raises: ConfigError if it is missing.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError(
            "vl-convert-python is not installed; pages and figures need "
            "pip install 'federa[report]'"
        ) from error
    return vl_convert


def all_charts(setting: Setting, look: Look) -> list[Chart]:
    """Every chart of a setting that there is data for."""
    single = (score_chart, bytes_chart, energy_chart, memory_chart)
    more = (rate_chart, client_score_chart)
    charts: list[Chart | None] = [
        *curve_charts(setting, look).values(),
        *(make(setting, look) for make in single),
        *network_charts(setting, look),
        *(make(setting, look) for make in more),
        *(client_charts(setting.clients) if setting.clients else []),
        *diagnostic_charts(layer_values(setting, look), look),
    ]
    return [chart for chart in charts if chart is not None]


def _sized(chart: Chart) -> dict[str, Any]:
    """For print, heights shrink with the letters: to two thirds."""
    spec = chart.complete(COLUMN_POINTS)
    return {**spec, "height": spec["height"] * 2 // 3}


def in_steady_order(pdf: bytes) -> bytes:
    """``pdf`` with the resources of its dictionaries sorted by name.

    The converter writes them in an order that changes from one time to the next. Lines move only
    within their dictionary, so that every object stays where the table of objects says it is.
    """
    entries = re.compile(rb"(?:^ +/\w+ \d+ 0 R\n){2,}", re.MULTILINE)
    return entries.sub(lambda run: b"".join(sorted(run[0].splitlines(keepends=True))), pdf)


def file_name(text: str) -> str:
    """``text`` with only letters, digits, points, underscores and hyphens, fit for a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "figure"
