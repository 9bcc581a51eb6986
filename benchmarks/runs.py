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
    up = max(client.up.serialised_bytes for client in later if client.up)
    usual = max(c.down.serialised_bytes for c in later if not c.first_contact)
    first = max((c.down.serialised_bytes for c in later if c.first_contact), default=usual)
    return up, usual, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    runs = {folder.name: load(folder) for folder in parser.parse_args().folders}
    print(
        "| run | trained parameters | of them head | bytes up | bytes down | down at first contact "
        "| clients' up, whole run | best round | validation | test | macro-F1 |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, (facts, summary, records) in runs.items():
        up, usual, first = bytes_of(records)
        scores = summary["best"]["scores"]
        print(
            f"| {name} | {facts['num_trained_parameters']:,} | {facts['num_head_parameters']:,} "
            f"| {up:,} | {usual:,} | {first:,} | {summary['bytes']['up']['serialised_bytes']:,} "
            f"| {summary['best']['round']} | {scores['validation']['accuracy']:.4f} "
            f"| {scores['test']['accuracy']:.4f} | {scores['test']['macro_f1']:.4f} |"
        )
    rounds = sorted({r.round for _, _, records in runs.values() for r in records if r.scores})
    for split in ("validation", "test"):
        rows = {
            name: {r.round: r.scores[split] for r in records if split in r.scores}
            for name, (_, _, records) in runs.items()
        }
        if not any(rows.values()):
            continue
        print(f"\n{split} accuracy by round (standard error where a subset was scored)\n")
        print("| run | " + " | ".join(map(str, rounds)) + " |")
        print("|---|" + "--:|" * len(rounds))
        for name, scored in rows.items():
            cells = [cell(scored.get(number)) for number in rounds]
            print(f"| {name} | " + " | ".join(cells) + " |")


def cell(scores: dict[str, Any] | None) -> str:
    if scores is None:
        return ""
    error = scores.get("standard_error")
    return f"{scores['accuracy']:.3f}" + (f" ± {error:.3f}" if error else "")


if __name__ == "__main__":
    main()
