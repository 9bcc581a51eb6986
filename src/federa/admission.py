"""What the server accepts from a client: nothing is averaged that has not passed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from federa.types import ClientFailure, ClientSize, Upload

if TYPE_CHECKING:
    from federa.types import Tensors


def well_formed(
    arrivals: Iterable[Upload | ClientFailure],
) -> Iterator[Upload | ClientFailure]:
    """Turn answers whose bytes cannot even be counted into failures; the rest passes on.

    Sound are dense tensors under names, and metrics that are finite numbers.
    """
    import torch

    for arrival in arrivals:
        if isinstance(arrival, ClientFailure):
            yield arrival
            continue
        for name, value in [*arrival.params.items(), *arrival.extra.items()]:
            if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
                yield ClientFailure(arrival.client, f"{name} is not a dense tensor")
                break
        else:
            wrong = [name for name, value in arrival.metrics.items() if not _is_number(value)]
            if wrong:
                yield ClientFailure(arrival.client, f"its {wrong[0]} is not a finite number")
            else:
                yield arrival


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def admit(
    arrivals: Iterable[Upload | ClientFailure],
    expected: Tensors,
    sizes: Mapping[int, ClientSize],
    fault_of_extra: Callable[[Upload], str | None],
) -> Iterator[Upload | ClientFailure]:
    """Pass sound uploads on and turn the others into failures.

    expected: the tensors whose names, shapes and dtypes an upload must have; sizes: what each
    client of the round holds; fault_of_extra: the rule's own check of what else an upload brings.
    """
    answered: set[int] = set()
    for arrival in arrivals:
        if arrival.client in answered:
            yield ClientFailure(arrival.client, "answered a second time in this round")
            continue
        answered.add(arrival.client)
        if isinstance(arrival, ClientFailure):
            yield arrival
            continue
        fault = find_fault(arrival, expected, sizes) or fault_of_extra(arrival)
        yield ClientFailure(arrival.client, fault) if fault else arrival


def find_fault(  # noqa: PLR0911 - one return a rule
    upload: Upload, expected: Tensors, sizes: Mapping[int, ClientSize]
) -> str | None:
    """Why ``upload`` cannot be used, in one line, or None."""
    if upload.client not in sizes:
        return "was not asked to train in this round"
    held = sizes[upload.client].num_examples
    if type(upload.num_examples) is not int or upload.num_examples != held:
        return f"claims {upload.num_examples!r} examples, holds {held}"
    missing = sorted(set(expected) - set(upload.params))
    surplus = sorted(set(upload.params) - set(expected))
    if missing or surplus:
        first = f"lacks {missing[0]}" if missing else f"has an unknown {surplus[0]}"
        return f"wrong names: {first} ({len(missing)} missing, {len(surplus)} unknown)"
    for name, wanted in expected.items():
        given = upload.params[name]
        if given.shape != wanted.shape:
            return f"{name} has shape {tuple(given.shape)}, expected {tuple(wanted.shape)}"
        if given.dtype != wanted.dtype:
            return f"{name} is {given.dtype}, expected {wanted.dtype}"
        if not bool(given.isfinite().all()):
            return f"{name} holds NaN or infinite values"
    for name, given in upload.extra.items():
        if not bool(given.isfinite().all()):
            return f"{name} holds NaN or infinite values"
    return None
