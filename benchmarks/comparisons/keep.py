"""Keep the records of finished runs without their models: what a report, and going on, needs.

python benchmarks/comparisons/keep.py COMPARISONS benchmarks/results/comparisons

A comparison whose kept records are copied back goes on: finished runs are not repeated. Places on
the machine are left out: paths are below the present folder or that of COMPARISONS.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

OF_COMPARISON = ("comparison.yaml", "failures.json")
OF_RUN = (
    *("config.yaml", "facts.json", "environment.json", "comparison.json", "clients.json"),
    *("rounds.jsonl", "search.json", "summary.json"),
)


def keep(comparison: Path, out: Path) -> int:
    """Copy the small files of every finished run; how many there are."""
    finished = [path.parent for path in sorted(comparison.glob("runs/*/summary.json"))]
    if not finished:
        return 0
    out.mkdir(parents=True, exist_ok=True)
    copy(comparison, out, OF_COMPARISON)
    for run in finished:
        kept = out / "runs" / run.name
        kept.mkdir(parents=True, exist_ok=True)
        copy(run, kept, OF_RUN)
        environment = (kept / "environment.json").read_text(encoding="utf-8")
        for place in (Path.cwd(), comparison.resolve().parents[1]):
            environment = environment.replace(f"{place}/", "")
        (kept / "environment.json").write_text(environment, encoding="utf-8")
        facts = json.loads((kept / "facts.json").read_text(encoding="utf-8"))
        facts["source"] = Path(facts["source"]).name
        (kept / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return len(finished)


def copy(source: Path, out: Path, names: tuple[str, ...]) -> None:
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    for comparison in sorted(path.parent for path in folder.glob("*/comparison.yaml")):
        print(f"{comparison.name}: {keep(comparison, out / comparison.name)} finished runs")


if __name__ == "__main__":
    main()
