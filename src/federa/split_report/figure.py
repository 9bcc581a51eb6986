"""A split as a picture: a heat map of clients by labels, the sizes beside it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.errors import ConfigError
from federa.files import write_atomically
from federa.split_report.numbers import SplitReport, plural

if TYPE_CHECKING:
    import numpy
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

SUFFIXES = (".png", ".svg", ".pdf")
MOST_LABELS, MOST_BARS, MOST_ROWS = 60, 120, 1000
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "federa",  # ids that do not change from one time to the next
    "pdf.fonttype": 42,
}
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
_TICKS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
_INK, _BAR = "#333333", "#5b6770"


def draw(report: SplitReport, path: Path, title: str = "") -> None:
    """Write a picture of the split as PNG, SVG or PDF, by the suffix of ``path``.

    Colour is a label's share of a client's labels, on a square-root scale; white is none at all.
    The same split gives the same bytes.
    Raises: ConfigError for another suffix; RunError if the file cannot be written.
    """
    import matplotlib

    require_drawable(path)
    suffix = path.suffix.lower()
    content = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = _figure(report, title)
        figure.savefig(content, format=suffix[1:], dpi=200, metadata=_METADATA[suffix])
    write_atomically(path, content.getvalue())


def require_drawable(path: Path) -> None:
    """Raises: ConfigError unless the suffix of ``path`` is that of a picture."""
    if path.suffix.lower() not in SUFFIXES:
        given = path.suffix.lower() or "a name without a suffix"
        raise ConfigError(f"{path}: pictures are {', '.join(SUFFIXES)}, not {given}")


def _figure(report: SplitReport, title: str) -> Figure:
    """Rows: all clients together, then each; columns: the labels, then the sizes."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    num_clients = len(report.sizes)
    columns = _columns(report)
    height = min(
        8.0, max(1.2, 0.22 * num_clients if num_clients < 30 else 5.4 + 0.006 * num_clients)
    )
    row = height / max(num_clients, 1)
    pooled = min(0.22, max(0.12, row))
    width = min(9.0, max(2.2, 0.24 * len(columns)))
    figure = Figure(
        figsize=(width + 2.9, height + pooled + 2.4),
        layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02),
    )
    grid = figure.add_gridspec(
        2, 3, height_ratios=[pooled, height], width_ratios=[width, 1.1, 0.12]
    )
    top = figure.add_subplot(grid[0, 0])
    body = figure.add_subplot(grid[1, 0])
    side = figure.add_subplot(grid[1, 1])
    scale = figure.add_subplot(grid[1, 2])
    most = _most(report)
    _heat(top, report.pool[None, columns], most)
    image = _heat(body, report.shares[:, columns], most)
    _label_axes(top, body, report, columns)
    _sizes(side, report)
    _scale(scale, image, report, most)
    _texts(figure, report, columns, title)
    return figure


def _columns(report: SplitReport) -> list[int]:
    """The labels that are drawn: all, or the commonest."""
    everything = range(len(report.labels))
    if len(everything) <= MOST_LABELS:
        return list(everything)
    return sorted(everything, key=lambda label: (-report.pool[label], label))[:MOST_LABELS]


def _heat(axes: Axes, shares: numpy.ndarray, most: float) -> AxesImage:
    import numpy
    from matplotlib.colors import PowerNorm

    num_clients = len(shares)
    if not shares.shape[1]:
        shares = numpy.zeros((num_clients, 1))
    if num_clients > MOST_ROWS:  # a row of the picture is the mean of neighbours
        borders = numpy.linspace(0, num_clients, MOST_ROWS + 1).astype(int)
        shares = numpy.add.reduceat(shares, borders[:-1]) / numpy.diff(borders)[:, None]
    image = axes.imshow(
        numpy.ma.masked_equal(shares, 0),
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, shares.shape[1] - 0.5, num_clients - 0.5, -0.5),
        cmap=_colours(),
        norm=PowerNorm(0.5, vmin=0, vmax=most),
    )
    axes.set_facecolor("white")
    for spine in axes.spines.values():
        spine.set_color(_INK)
    return image


def _colours() -> ListedColormap:
    """One hue whose lightness falls evenly; without the palest tenth, which looks like paper."""
    import matplotlib
    import numpy
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps["Blues"](numpy.linspace(0.1, 1, 256)))


def _most(report: SplitReport) -> float:
    """The top of the scale: everything, so that pictures compare, unless all shares are tiny."""
    largest = float(report.shares.max(initial=0))
    return 1.0 if largest > 0.1 else next(tick for tick in _TICKS if largest <= tick)


def _label_axes(top: Axes, body: Axes, report: SplitReport, columns: list[int]) -> None:
    names = [_short(report.labels[label]) for label in columns]
    places = range(len(columns))
    upright = max(map(len, names), default=0) > 3
    body.set_xticks(places, names, parse_math=False)
    body.tick_params(axis="x", labelsize=7 if len(names) <= 40 else 5.5)
    if upright:
        for text in body.get_xticklabels():
            text.set(rotation=45, ha="right", rotation_mode="anchor", va="center")
    body.set_ylabel("client")
    num_clients = len(report.sizes)
    if num_clients <= 30:
        body.set_yticks(range(num_clients))
    body.set_ylim(num_clients - 0.5, -0.5)
    top.set_xticks([])
    top.set_yticks([0], ["all"])
    if num_clients <= 60:  # lines between the cells
        for axes, rows in ((top, 1), (body, num_clients)):
            axes.set_xticks([place - 0.5 for place in range(1, len(columns))], minor=True)
            axes.set_yticks([place - 0.5 for place in range(1, rows)], minor=True)
            axes.grid(which="minor", color="white", linewidth=0.6)
            axes.tick_params(which="minor", length=0)


def _sizes(axes: Axes, report: SplitReport) -> None:
    from matplotlib.ticker import MaxNLocator

    num_clients = len(report.sizes)
    if num_clients <= MOST_BARS:
        axes.barh(range(num_clients), report.sizes, height=0.8, color=_BAR, linewidth=0)
    else:  # gaps would be finer than a point
        edges = [place - 0.5 for place in range(num_clients + 1)]
        axes.stairs(report.sizes, edges, orientation="horizontal", fill=True, color=_BAR)
    axes.set_xlim(0, float(report.sizes.max()) * 1.05 or 1)
    axes.set_ylim(num_clients - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xlabel("examples")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _scale(axes: Axes, image: AxesImage, report: SplitReport, most: float) -> None:
    bar = axes.figure.colorbar(image, cax=axes)
    ticks = [tick for tick in _TICKS if tick <= most]
    bar.set_ticks(ticks, labels=[f"{tick:.0%}" for tick in ticks])
    bar.set_label(f"share of a client's {plural(report.axis)} (white: none)")
    bar.outline.set_linewidth(0.6)


def _texts(figure: Figure, report: SplitReport, columns: list[int], title: str) -> None:
    num_clients, num_labels = report.counts.shape
    nouns = plural(report.axis)
    figure.suptitle(
        (f"{title}: " if title else "") + report.title,
        x=0.01,
        ha="left",
        fontsize=9,
        fontweight="bold",
        parse_math=False,
    )
    lines = [f"{what}: {text}" for what, text in report.sentences()]
    if len(columns) < num_labels:
        lines.append(f"shown: the {len(columns)} commonest of {num_labels:,} {nouns}")
    if num_clients > MOST_ROWS:
        lines.append(f"a row: the mean of about {num_clients / MOST_ROWS:.1f} neighbouring clients")
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7, color=_INK)


def _short(name: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return plain if len(plain) <= 32 else plain[:31] + "…"
