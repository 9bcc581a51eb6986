"""Why runs of a comparison have no result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from federa.errors import RunError

if TYPE_CHECKING:
    from federa.report.findings import Setting
    from federa.report.runs import Run

FAILURES = "failures.json"
"""In the folder of a comparison: reasons by ``<setting>/<method>/seed-<n>``."""
DEPTH = 3
"""How far above a run folder its comparison may be."""
Failures: TypeAlias = dict[tuple[str, str, int], str]


def read_failures(paths: Iterable[Path]) -> Failures:
    """The failures of the comparisons that these run folders lie in, by setting, method and seed.

    Raises: RunError if a file is damaged.
    """
    found: Failures = {}
    for file in _files(paths):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            for key, reason in content.items():
                setting, method, seed = key.rsplit("/", 2)
                found[setting, method, int(seed.removeprefix("seed-"))] = str(reason)
        except (OSError, ValueError, AttributeError) as error:
            raise RunError(f"{file}: damaged or unreadable") from error
    return found


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    homes = dict.fromkeys(home for path in paths for home in list(path.resolve().parents)[:DEPTH])
    return (home / FAILURES for home in homes if (home / FAILURES).is_file())


def failures_of(failures: Failures, runs: Sequence[Run]) -> dict[int, str]:
    """Those of the method and setting of ``runs``, by seed; what was finished since is left out."""
    finished = {run.seed for run in runs if run.summary is not None}
    ours = (runs[0].setting, runs[0].method)
    return {
        seed: reason
        for (setting, method, seed), reason in failures.items()
        if (setting, method) == ours and seed not in finished
    }


def without_result(failures: Failures, settings: Iterable[Setting]) -> list[str]:
    """In words: failures of methods that have no run at all, which no table can show."""
    shown = {(setting.name, result.method) for setting in settings for result in setting.methods}
    return [
        f"{setting}: {method}, seed {seed} failed: {reason}"
        for (setting, method, seed), reason in failures.items()
        if (setting, method) not in shown
    ]
