"""Who holds what: a heat map of clients by labels, and their sizes beside it."""

from __future__ import annotations

import json

from federa.report.charts import Chart, Row, Spec, quantity, rounded, shown
from federa.report.findings import Clients

MOST_LABELS, MOST_CLIENTS = 60, 150
ROW_PIXELS, LEAST_ROW_PIXELS, MOST_PIXELS = 18, 5, 620


def client_charts(clients: Clients) -> list[Chart]:
    """The heat map and the sizes, whose rows stand beside one another."""
    return [_heat(clients), _sizes(clients)]


def shown_labels(clients: Clients) -> list[int]:
    """The labels that are drawn: all, or the commonest."""
    totals = [sum(column) for column in zip(*clients.counts, strict=True)]
    everything = range(len(clients.labels))
    if len(everything) <= MOST_LABELS:
        return list(everything)
    return sorted(everything, key=lambda label: (-totals[label], label))[:MOST_LABELS]


def _height(clients: Clients) -> int:
    rows = min(len(clients.sizes), MOST_CLIENTS)
    return rows * max(LEAST_ROW_PIXELS, min(ROW_PIXELS, MOST_PIXELS // max(rows, 1)))


def _axis(clients: Clients, title: str | None) -> Spec:
    rows = min(len(clients.sizes), MOST_CLIENTS)
    every = next(step for step in (1, 2, 5, 10) if rows <= 25 * step)
    return {
        "field": "client",
        "type": "ordinal",
        "scale": {"domain": list(range(rows)), "padding": 0},
        "axis": {"values": list(range(0, rows, every)), "title": title, "grid": False},
    }


def _heat(clients: Clients) -> Chart:
    labels = shown_labels(clients)
    rows = _cells(clients, labels)
    names = [clients.labels[label] for label in labels]
    x: Spec = {
        "field": "label",
        "type": "ordinal",
        "scale": {"domain": labels, "padding": 0},
        "axis": {
            **{"title": clients.axis, "grid": False, "labelAngle": -90, "labelLimit": 110},
            **{"labelOverlap": "greedy", "labelFlush": False},
            "labelExpr": f"{json.dumps(names)}[indexof({labels}, datum.value)]",
        },
    }
    top = _top([row["share"] for row in rows])
    share: Spec = {"domain": [0, top], "type": "sqrt", "range": [0.04, 1]}
    legend: Spec = {"title": f"share of a client's {clients.axis}s", "format": ".2~%"}
    legend |= {"values": [top * part for part in (0.05, 0.25, 0.5, 1)], "orient": "bottom"}
    tooltip = [shown("client", "client"), shown("name", clients.axis)]
    tooltip += [shown("count", "count", ","), shown("share", "share of the client's", ".1%")]
    return Chart(
        name="clients-by-label",
        title=f"Clients by {clients.axis}",
        alt=_alt(clients),
        spec={
            "height": _height(clients),
            "mark": {"type": "rect", "style": "heat"},
            "encoding": {
                **{"x": x, "y": _axis(clients, "client"), "tooltip": tooltip},
                "opacity": quantity("share", None, scale=share, legend=legend),
            },
        },
        rows=rows,
        note=_note(clients),
    )


def _cells(clients: Clients, labels: list[int]) -> list[Row]:
    rows: list[Row] = []
    for client, counts in enumerate(clients.counts[:MOST_CLIENTS]):
        total = sum(counts)
        rows += [
            {"client": client, "label": label, "name": clients.labels[label]}
            | {"count": counts[label], "share": rounded(counts[label] / total, 4)}
            for label in labels
            if counts[label]  # no cell: none at all
        ]
    return rows


def _top(shares: list[float]) -> float:
    """The end of the scale: everything, so that pictures compare, unless all shares are tiny."""
    largest = max(shares, default=1.0)
    return 1.0 if largest > 0.1 else next(end for end in (0.01, 0.02, 0.05, 0.1) if largest <= end)


def _sizes(clients: Clients) -> Chart:
    rows: list[Row] = [
        {"client": client, "size": size} for client, size in enumerate(clients.sizes[:MOST_CLIENTS])
    ]
    x = quantity("size", "examples", axis={"tickCount": 3, "format": "~s"})
    tooltip = [shown("client", "client"), shown("size", "examples", ",")]
    low, high = min(clients.sizes), max(clients.sizes)
    return Chart(
        name="client-sizes",
        title="Examples of every client",
        alt=f"Bar chart of the examples of every client, from {low:,} to {high:,}.",
        spec={
            "height": _height(clients),
            "mark": {"type": "bar", "style": ["quiet", "separated"]},
            "encoding": {"x": x, "y": _axis(clients, None), "tooltip": tooltip},
        },
        rows=rows,
    )


def _alt(clients: Clients) -> str:
    return (
        f"Heat map of {len(clients.sizes)} clients by {len(clients.labels)} {clients.axis}s. The "
        f"mean Jensen-Shannon distance of a client to all together is {clients.distance:.2f}; "
        f"dealt at random it would be {clients.random_distance:.2f}."
    )


def _note(clients: Clients) -> str:
    notes = [
        f"Mean Jensen-Shannon distance of a client to all together: {clients.distance:.2f} "
        f"(dealt at random: {clients.random_distance:.2f})."
    ]
    if len(clients.labels) > MOST_LABELS:
        notes.append(f"The {MOST_LABELS} commonest of {len(clients.labels):,} {clients.axis}s.")
    if len(clients.sizes) > MOST_CLIENTS:
        notes.append(f"The first {MOST_CLIENTS} of {len(clients.sizes):,} clients.")
    return " ".join(notes)
