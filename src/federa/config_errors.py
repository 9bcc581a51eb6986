"""What pydantic finds wrong with a configuration, in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from federa.registry import names, nearest, shown
from federa.train_config import SEARCH, LearningRateGrid

Registry: TypeAlias = tuple[type[BaseModel], ...]


def explain(
    error: ValidationError, root: type[BaseModel], registries: Mapping[str, Registry]
) -> str:
    """The first problem in one line: key, value, what is allowed; and how many more there are."""
    found: dict[str, list[Any]] = {}  # a union of types brings one problem for each of them
    for problem in error.errors(include_url=False):
        found.setdefault(".".join(_owner(problem["loc"], root, registries)[1]), []).append(problem)
    # a misspelt key explains a missing one, so it comes first
    key = min(found, key=lambda key: found[key][0]["type"] != "extra_forbidden")
    problems, more = found[key], len(found) - 1
    first = problems[0]
    owner, path = _owner(first["loc"], root, registries)
    key = _printable(key) or "configuration"
    if first["type"] == "extra_forbidden":
        text = f"{key}: unknown key; {nearest(path[-1], owner.model_fields if owner else [])}"
    elif first["type"] == "missing":
        text = f"{key}: missing"
        if path[-1] in registries:
            text += f"; one of {', '.join(names(registries[path[-1]]))}"
    else:
        reasons = list(dict.fromkeys(map(_reason, problems)))
        reasons[1:] = [reason.removeprefix("must ").removeprefix("be ") for reason in reasons[1:]]
        text = f"{key}: {' or '.join(reasons)}, not {shown(first['input'])}"
        field = owner.model_fields.get(path[-1]) if owner and path else None
        several = len(reasons) > 1 or isinstance(first["input"], list)
        if field is not None and field.description and several:
            text += f" ({field.description})"
    return text + (f" (and {more} more)" if more else "")


def _reason(problem: Any) -> str:
    message = str(problem["msg"])
    message = message[0].lower() + message[1:]
    if problem["type"] == "model_type":
        return "must be a mapping of keys"
    message = message.removeprefix("value error, ").partition(" after validation, ")[0]
    return re.sub(r"^(input|string|list) should", "must", message)


def _printable(key: str) -> str:
    """A key of the user's, which may hold anything, on one line."""
    short = key if len(key) <= 100 else key[:97] + "..."
    return short if short.isprintable() else repr(short)[1:-1]


def _owner(
    place: tuple[int | str, ...], root: type[BaseModel], registries: Mapping[str, Registry]
) -> tuple[type[BaseModel] | None, list[str]]:
    """The record that holds the last key of a pydantic location, and the user's own keys."""
    path: list[str] = []
    owner: type[BaseModel] | None = root
    inside: type[BaseModel] | None = root
    for part in map(str, place):
        if len(path) == 1 and path[0] in registries and inside is None:
            records = dict(zip(names(registries[path[0]]), registries[path[0]], strict=True))
            if part in records and len(records) > 1:
                inside = records[part]  # pydantic names the chosen member of the union here
                continue
            inside = next(iter(records.values()))
        if path and path[-1] == "learning_rate" and part == SEARCH:
            inside = LearningRateGrid  # likewise, the kind of value
            continue
        if inside is None:
            break  # below a field's own value: members of a union of types, indices
        owner = inside
        path.append(part)
        annotation = inside.model_fields[part].annotation if part in inside.model_fields else None
        inside = (
            annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel)
            else None
        )
    return owner, path
