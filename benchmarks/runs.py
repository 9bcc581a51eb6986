"""Markdown tables from finished run folders: what was trained, sent, and reached.

python benchmarks/runs.py runs/a runs/b ...
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from federa.checkpoint import FACTS, RECORDS, SUMMARY
from federa.measure import RoundRecord, read_records


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Any], list[RoundRecord]]:
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    return facts, summary, read_records(folder / RECORDS)


def bytes_of(records: list[RoundRecord]) -> tuple[int, int, int]:
    """Serialised bytes up per client and round; down likewise; down at a later first contact."""
    later = [client for record in records for client in record.clients if record.round > 1]
    later = later or [client for record in records for client in record.clients]
    up = max(client.up.serialised_bytes for client in later if client.up)
    usual = min(c.down.serialised_bytes for c in later)
    first = max((c.down.serialised_bytes for c in later if c.first_contact), default=usual)
    return up, usual, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    runs = {folder.name: load(folder) for folder in parser.parse_args().folders}
    print(
        "| run | trained parameters | without the head | learning rate | bytes up | bytes down "
        "| down at first contact | best round | validation | test | test, last round "
        "| guess that ignores the input, test |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, (facts, summary, records) in runs.items():
        up, usual, first = bytes_of(records)
        best, latest = summary["best"]["scores"], summary.get("latest", {}).get("scores")
        split = "test" if "test" in best else "validation"
        print(
            f"| {name} | {facts['num_trained_parameters']:,} "
            f"| {facts['num_trained_parameters'] - facts['num_head_parameters']:,} "
            f"| {records[-1].learning_rate:g} | {up:,} | {usual:,} | {first:,} "
            f"| {summary['best']['round']} | {shown(summary, best['validation'])} "
            f"| {shown(summary, best[split])} "
            f"| {shown(summary, latest[split]) if latest else 'not scored'} "
            f"| {summary['baseline'][split]:.4f} ({summary['baseline_name']}) |"
        )
    print_searches({name: summary["search"] for name, (_, summary, _) in runs.items()})
    rounds = sorted({r.round for _, _, records in runs.values() for r in records if r.scores})
    for split in ("validation", "test"):
        rows = {
            name: {
                r.round: main_score(summary, r.scores[split]) for r in records if split in r.scores
            }
            for name, (_, summary, records) in runs.items()
        }
        if not any(rows.values()):
            continue
        print(f"\n{split}: main score by round (standard error where a subset was scored)\n")
        print("| run | " + " | ".join(map(str, rounds)) + " |")
        print("|---|" + "--:|" * len(rounds))
        for name, scored in rows.items():
            cells = [cell(scored.get(number)) for number in rounds]
            print(f"| {name} | " + " | ".join(cells) + " |")


def print_searches(searches: dict[str, dict[str, Any] | None]) -> None:
    """The best validation score of each short run, the chosen one in bold."""
    found = {name: search for name, search in searches.items() if search}
    if not found:
        return
    rates = sorted({entry["learning_rate"] for s in found.values() for entry in s["tries"]})
    length = max(search["num_rounds"] for search in found.values())
    print(f"\nbest validation score within the first {length} rounds, by learning rate\n")
    print("| run | " + " | ".join(f"{rate:g}" for rate in rates) + " |")
    print("|---|" + "--:|" * len(rates))
    for name, search in found.items():
        best = {entry["learning_rate"]: entry["best"] for entry in search["tries"]}
        shown = {
            rate: "failed" if best.get(rate) is None else f"{best[rate]:.3f}" for rate in rates
        }
        shown[search["chosen"]] = f"**{shown[search['chosen']]}**"
        print(f"| {name} | " + " | ".join(shown.values()) + " |")


def shown(summary: dict[str, Any], scores: dict[str, Any]) -> str:
    """The scores that people look at first, by name."""
    return ", ".join(f"{name} {scores[name]:.4f}" for name in summary["shown_scores"])


def main_score(summary: dict[str, Any], scores: dict[str, Any]) -> tuple[float, float | None]:
    return scores[summary["main_score"]], scores.get("standard_error")


def cell(scored: tuple[float, float | None] | None) -> str:
    if scored is None:
        return ""
    score, error = scored
    return f"{score:.3f}" + (f" ± {error:.3f}" if error else "")


if __name__ == "__main__":
    main()
