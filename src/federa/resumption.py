"""Going on with a stopped run, bit for bit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from federa.checkpoint import ENVIRONMENT, SPLIT, RunFacts, RunFolder
from federa.environment import versions
from federa.errors import ConfigError, RunError
from federa.partition.saved import read_split
from federa.preparation import prepare_again

if TYPE_CHECKING:
    from federa.config import RunConfig
    from federa.local import RunSetup
    from federa.types import ServerState

MAY_GROW = "federation.num_rounds"


def reopen(
    home: RunFolder, asked: RunConfig | None
) -> tuple[RunConfig, RunSetup, ServerState, RunFacts, list[str]]:
    """What a stopped run needs to go on, and notes for the user.

    asked: the configuration wanted now; it may differ from the stored one in more rounds alone.
    Raises: ConfigError for any other changed key; DataError if the data changed; RunError.
    """
    config, facts, state = home.config(), home.facts(), home.load_state()
    if asked is not None:
        require_only_more_rounds(config, asked)
        config = asked
    outside = config.partition.reads in ("file", "cluster")  # which may be gone or have changed
    saved = read_split(home.path / SPLIT) if outside else None
    setup = prepare_again(config, facts, state, saved)
    home.replace_config(config)
    return config, setup, state, facts, _changed_versions(home)


def _changed_versions(home: RunFolder) -> list[str]:
    try:
        content = json.loads((home.path / ENVIRONMENT).read_text(encoding="utf-8"))
        then = dict(content["versions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{home.path / ENVIRONMENT}: damaged or unreadable") from error
    changed = [
        f"{name} {then.get(name)} -> {now}"
        for name, now in versions().items()
        if then.get(name) != now
    ]
    if not changed:
        return []
    return [f"versions changed, so results may differ slightly: {', '.join(changed)}"]


def require_only_more_rounds(stored: RunConfig, asked: RunConfig) -> None:
    """Refuse a resumed run under another configuration; who is told of its rounds may change.

    Raises: ConfigError naming the first changed key.
    """
    before, after = flatten(stored.model_dump(mode="json")), flatten(asked.model_dump(mode="json"))
    for name in sorted(before.keys() | after.keys()):
        if name not in (MAY_GROW, "tracking") and before.get(name) != after.get(name):
            raise ConfigError(
                f"{name}: {before.get(name)!r} in the run, {after.get(name)!r} now; on resume only "
                f"{MAY_GROW} may grow"
            )
    if after[MAY_GROW] > before[MAY_GROW] and asked.train.schedule != "constant":
        raise ConfigError(
            f"{MAY_GROW}: train.schedule {asked.train.schedule} spans the rounds that the run "
            "began with; only a constant one can go on for more"
        )
    if after[MAY_GROW] < before[MAY_GROW]:
        raise ConfigError(
            f"{MAY_GROW}: {after[MAY_GROW]} is less than the run's {before[MAY_GROW]}; it may only "
            "grow"
        )


def flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys of a nested mapping."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
