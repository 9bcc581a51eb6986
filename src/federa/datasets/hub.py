"""Copies of public data sets on the Hugging Face hub, or in a folder laid out like one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from federa.datasets.lines import value_of
from federa.errors import DataError
from federa.files import user_path
from federa.registry import nearest, shown

Rows: TypeAlias = Iterator[tuple[str, dict[str, Any]]]
"""Where a row stands, for errors, and its values by column; classes as their names."""

_SECONDS = 8.0
"""How long to wait for the hub to answer at all."""


def read_hub(
    place: str, splits: tuple[str, ...], columns: Mapping[str, type], optional: tuple[str, ...] = ()
) -> dict[str, Rows]:
    """The rows of each split, of which only ``columns`` are read, each value of its type.

    place: a hub id, or a local folder that ``datasets.load_dataset`` reads; optional: splits that
    may be absent. Data from the hub is kept in the cache of ``datasets``.
    Raises: DataError if there is no such data, the hub cannot be reached, or the columns differ.
    """
    loaded = _load(place)
    found: dict[str, Rows] = {}
    for split in (*splits, *optional):
        if split not in loaded:
            if split in splits:
                raise DataError(
                    f"data.hub: {place} has no split {split!r}; it has {', '.join(loaded)}"
                )
            continue
        for column in columns:
            if column not in loaded[split].column_names:
                hint = nearest(column, loaded[split].column_names)
                raise DataError(f"data.hub: {place} has no column {column!r} ({split}); {hint}")
        found[split] = _rows(f"{place} [{split}]", loaded[split], columns)
    return found


def _load(place: str) -> Any:
    import datasets

    folder = user_path(place)
    local = os.path.isdir(folder)
    if not local:
        _require_answer(place)
    source = str(folder) if local else place
    quiet = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # they would stand beside our own lines
    try:
        try:
            return datasets.load_dataset(source)
        except RuntimeError as error:
            if local or "script" not in str(error):
                raise
            # the hub's own conversion of what is still written as a script
            return datasets.load_dataset(source, revision="refs/convert/parquet")
    except Exception as error:  # datasets raises many kinds
        raise DataError(f"data.hub: {place} cannot be read ({_first_line(error)})") from error
    finally:
        if not quiet:
            datasets.enable_progress_bars()


def _require_answer(place: str) -> None:
    """Ask the hub for the data set once: ``datasets`` alone would try for half a minute."""
    import huggingface_hub
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        huggingface_hub.HfApi().dataset_info(place, timeout=_SECONDS)
    except OfflineModeIsEnabled:
        return  # then datasets answers from its cache, or fails at once
    except HFValidationError as error:
        raise DataError(f"data.hub: neither a folder nor a hub id: {shown(place)}") from error
    except GatedRepoError as error:
        raise DataError(f"data.hub: {place} needs a login with access (hf auth login)") from error
    except RepositoryNotFoundError as error:
        raise DataError(f"data.hub: there is no data set {place} on the hub") from error
    except Exception as error:  # its HTTP library's own kinds
        raise DataError(
            f"data.hub: {place}: the hub does not answer ({_first_line(error)}); if it was "
            "fetched before, set HF_HUB_OFFLINE=1, else get the files and set data.folder"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _rows(place: str, table: Any, columns: Mapping[str, type]) -> Rows:
    import datasets

    named: dict[str, Callable[[Any], Any]] = {}
    rows = table.select_columns(list(columns))
    for column, feature in rows.features.items():
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, datasets.ClassLabel):
            named[column] = inner.int2str
    try:
        for number, row in enumerate(rows, start=1):
            where = f"{place}, row {number}"
            for column, kind in columns.items():
                if column in named and row[column] is not None:
                    row[column] = named[column](row[column])
                if kind is not object:
                    value_of(row, column, kind, where)
            yield where, row
    except (ValueError, OSError) as error:
        raise DataError(f"{place}: damaged ({_first_line(error)})") from error
