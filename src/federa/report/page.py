"""The report as one HTML page that needs nothing else, neither files nor a network.

Charts are drawn by Vega-Lite, which is part of the page, as are its data. A policy in the page
forbids every request, so that opening it tells nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.errors import ConfigError
from federa.files import write_atomically
from federa.report.charts import Chart, Row
from federa.report.client_charts import client_charts
from federa.report.cost_charts import PARTS, bytes_chart, energy_chart, memory_chart, network_charts
from federa.report.curve_charts import curve_charts
from federa.report.diagnostic_charts import LayerValues, diagnostic_charts, layer_values
from federa.report.figures import VEGA_LITE, renderer
from federa.report.findings import Findings, Setting
from federa.report.gaps import overview_tables
from federa.report.headline import cost_sentences, gap_sentences, headline
from federa.report.look import DARK, DASHES, LIGHT, PAGE_FONT, SHAPES, Look, theme
from federa.report.overview_charts import overview_charts
from federa.report.rendering import Table
from federa.report.score_charts import client_score_chart, rate_chart, score_chart
from federa.report.tables import setting_tables
from federa.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Section:
    """What the page shows of one setting; anchor: its place in the page.

    curves: by axis; charts: by name, None for those without data.
    """

    anchor: str
    setting: Setting
    headline: str
    sentences: list[str]
    methods: list[dict[str, str]]
    curves: dict[str, Chart]
    networks: list[Chart]
    costs: list[Chart]
    charts: dict[str, Chart | None]
    clients: list[Chart]
    diagnostics: list[Chart]
    layers: LayerValues
    tables: dict[str, Table]
    failures: list[str]
    config: str


@dataclass(frozen=True)
class Overview:
    """What the page shows across settings; its lists are empty where there is one setting."""

    methods: list[dict[str, str]]
    charts: list[Chart]
    sentences: list[str]
    tables: list[Table]
    anchor: str = "overview"


def write_page(findings: Findings, path: Path, more_tables: Sequence[Table] = ()) -> None:
    """Write the report; more_tables: beyond those of every setting. The same gives the same bytes.

    Raises: ConfigError if vl-convert or jinja2 is missing; RunError if it cannot be written.
    """
    library = renderer().javascript_bundle(vl_version=VEGA_LITE)
    look = Look.of(findings)
    sections = [
        _section(findings, setting, look, f"s{number}")
        for number, setting in enumerate(findings.settings, start=1)
    ]
    overview = _overview(findings, look)
    page = _templates().get_template("page.html")
    text = page.render(
        findings=findings,
        sections=sections,
        overview=overview,
        more_tables=more_tables,
        environment=_environment_rows(findings.environment),
        parts=PARTS,
        light=LIGHT,
        dark=DARK,
        font=PAGE_FONT,
        version=__version__,
        css=_template("page.css"),
        script=_template("page.js"),
        notices=_template("notices.txt"),
        library=library,
        data=script_json(_data(overview, sections)),
    )
    write_atomically(path, text.encode())


def _data(overview: Overview, sections: Sequence[Section]) -> dict[str, Any]:
    """What the page's script draws from; its theme takes colours from the style sheet."""
    colors = {name: f"var(--{name})" for name in LIGHT}
    layers = {section.anchor: asdict(section.layers) for section in sections if section.diagnostics}
    charts = [(overview.anchor, chart) for chart in overview.charts]
    charts += [(section.anchor, chart) for section in sections for chart in _charts(section)]
    return {"config": theme(colors, PAGE_FONT, size=12), **_chart_data(charts), "layers": layers}


def _chart_data(placed: Iterable[tuple[str, Chart]]) -> dict[str, Any]:
    """Every chart by its place in the page, and the rows; charts of the same rows share them."""
    rows: dict[int, list[Row]] = {}
    charts: dict[str, Any] = {}
    for anchor, chart in placed:
        rows.setdefault(id(chart.rows), chart.rows)
        spec = chart.complete("container")
        spec["data"] = {"name": "rows"}
        charts[f"{anchor}-{chart.name}"] = {
            "spec": spec,
            "rows": list(rows).index(id(chart.rows)),
        }
    return {"charts": charts, "rows": list(rows.values())}


def script_json(value: Any) -> str:
    """JSON that may stand in a script element whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
    for letter, escape in escapes.items():
        text = text.replace(letter, escape)
    return text.replace("\u2029", "\\u2029")


def _template(name: str) -> str:
    return (files("federa.report") / "templates" / name).read_text(encoding="utf-8")


def _templates() -> Environment:
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ImportError as error:
        raise ConfigError(
            "jinja2 is not installed; pages need pip install 'federa[report]'"
        ) from error
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tied"] = lambda text: str(text).replace(" %", "\u00a0%")
    return environment


def _overview(findings: Findings, look: Look) -> Overview:
    charts = overview_charts(findings, look)
    drawn = {row["method"] for chart in charts for row in chart.rows}
    return Overview(
        methods=[_swatch(name, look) for name, label in look.labels.items() if label in drawn],
        charts=charts,
        sentences=gap_sentences(findings, look),
        tables=overview_tables(findings),
    )


def _section(findings: Findings, setting: Setting, look: Look, anchor: str) -> Section:
    layers = layer_values(setting, look)
    costs = [make(setting, look) for make in (bytes_chart, energy_chart, memory_chart)]
    singles = (score_chart, client_score_chart, rate_chart)
    present = [name for name in look.labels if any(name == one.method for one in setting.methods)]
    return Section(
        anchor=anchor,
        setting=setting,
        headline=headline(setting, look),
        sentences=cost_sentences(setting, look),
        methods=[_swatch(name, look) for name in present],
        curves=curve_charts(setting, look),
        networks=network_charts(setting, look),
        costs=[chart for chart in costs if chart is not None],
        charts={
            name: make(setting, look)
            for name, make in zip(("scores", "client_scores", "rates"), singles, strict=True)
        },
        clients=client_charts(setting.clients) if setting.clients else [],
        diagnostics=diagnostic_charts(layers, look),
        layers=layers,
        tables={
            table.name.removeprefix(f"{setting.name}-"): table for table in setting_tables(setting)
        },
        failures=[
            f"{look.labels[result.method]}, seed {seed}: {reason}"
            for result in setting.methods
            for seed, reason in sorted(result.failures.items())
        ],
        config=findings.configs.get(setting.name, ""),
    )


def _charts(section: Section) -> list[Chart]:
    found = [*section.curves.values(), *section.networks, *section.costs]
    found += [chart for chart in section.charts.values() if chart is not None]
    return [*found, *section.clients, *section.diagnostics]


def _swatch(method: str, look: Look) -> dict[str, str]:
    """How the legend draws a method."""
    place = look.place(method)
    return {
        "label": look.labels[method],
        "color": look.color(method),
        "dash": " ".join(map(str, DASHES[place % len(DASHES)])),
        "shape": SHAPES[place % len(SHAPES)],
    }


def _environment_rows(environment: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Versions and hardware as name and value; what is nested gets the names above it."""
    rows: list[tuple[str, str]] = []
    for name, value in environment.items():
        if isinstance(value, dict):
            rows += _environment_rows(value, f"{above}{name} ")
        elif value is not None:
            listed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"{above}{name}", listed))
    return rows
