"""The numbers of a round and of a finished run, under flat names that every tracker takes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from federa.measure import RoundRecord

NOT_IN_NAMES = re.compile(r"[^\w.-]+")


def round_values(record: RoundRecord, down_bytes: int, up_bytes: int) -> dict[str, float]:
    """Everything in ``record`` that is one number, by name; what is missing or not finite is not.

    down_bytes, up_bytes: the traffic of the run up to and with this round.
    """
    content: dict[str, Any] = {
        **record.scores,
        "train": {"loss": record.train_loss, "learning_rate": record.learning_rate},
        "traffic": {
            "down_bytes": record.down.serialised_bytes,
            "up_bytes": record.up.serialised_bytes,
            "total_down_bytes": down_bytes,
            "total_up_bytes": up_bytes,
            "evaluation_down_bytes": record.evaluation_bytes[0],
            "evaluation_up_bytes": record.evaluation_bytes[1],
        },
        "measured_seconds": record.measured_seconds,
        "round": {
            "num_clients": len(record.clients),
            "num_failures": len(record.failures),
            "averaging_error": record.averaging_error,
            "peak_memory_bytes": record.peak_memory_bytes,
        },
        "diagnostics": _means(record.diagnostics or {}),
    }
    return _numbers(content)


def final_values(summary: Mapping[str, Any]) -> dict[str, float]:
    """The scores in a run's summary: of the best and the latest state, and of guessing."""
    content: dict[str, Any] = {
        name: {"round": summary[name]["round"], **summary[name]["scores"]}
        for name in ("best", "latest")
        if name in summary
    }
    content["baseline"] = summary.get("baseline", {})
    content["learning_rate"] = summary.get("learning_rate")
    return _numbers({"final": content})


def tidy(name: str) -> str:
    """``name`` without what some tracker cannot have in a name."""
    return NOT_IN_NAMES.sub("_", name).strip(".") or "_"


def _means(diagnostics: Mapping[str, Any]) -> dict[str, float]:
    """Of each quantity, the mean over the layers that have it."""
    found = {}
    for quantity, column in diagnostics.items():
        known = [value for value in column if isinstance(value, int | float)]
        if known:
            found[quantity] = sum(known) / len(known)
    return found


def _numbers(nested: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Finite numbers by name, levels divided by /, but for the one score of every client."""
    flat: dict[str, float] = {}
    for key, value in nested.items():
        part = tidy(key)
        if isinstance(value, Mapping):
            kept = {k: v for k, v in value.items() if key != "per_client" or k != "scores"}
            flat |= _numbers(kept, f"{prefix}{part}/")
        elif isinstance(value, int | float) and math.isfinite(value):
            flat[prefix + part] = value
    return flat
