"""Tables of what methods cost: to the target, over every network, and in size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from federa.report.cells import (
    NOTHING,
    OPERATIONS,
    in_words,
    middle_and_spread,
    number,
    percent,
    saved,
    unit_of_column,
)
from federa.report.findings import MethodResult, Reached, Setting, Share
from federa.report.reaching import middle, parts_of
from federa.report.rendering import Column, Table, setting_table
from federa.report.statistics import median
from federa.report.units import BYTES, JOULES, SECONDS, Unit

MEDIANS = (
    "Median over the seeds (least to greatest, where they differ); a seed that did not reach the "
    "target counts as later than all that did. Reductions are paired by seed: the least where full "
    "alone reached the target, the greatest where the method alone did, none where neither did."
)
MODELLED = "Seconds and energy are modelled, not measured."


def cost_table(setting: Setting) -> Table:
    """What it took to reach the target."""
    target = "no target"
    if setting.target is not None:
        reach = f"target {in_words(setting.score)} {percent(setting.target)} %"
        target = f"{reach}, {setting.target_source}"
    runs = [result.reached for result in setting.methods]
    columns: list[Column] = [
        ("method", [result.method for result in setting.methods]),
        ("seeds that reached it", [_how_many(of_one) for of_one in runs]),
        ("rounds", [_rounds(of_one) for of_one in runs]),
        _to_target("sent and received", runs, lambda run: run.bytes, BYTES),
    ]
    modelled = any(run.seconds is not None for of_one in runs for run in of_one)
    if modelled:
        unit = unit_of_column(SECONDS, (run.seconds for of_one in runs for run in of_one))
        columns += [_to_target("time", runs, lambda run: run.seconds, (unit,)), *_parts(runs, unit)]
    if any(run.joules is not None for of_one in runs for run in of_one):
        columns.append(_to_target("energy", runs, lambda run: run.joules, JOULES))
    columns += [
        (f"{what} than full (%)", [saved(share.reductions if share else {}) for share in shares])
        for what, shares in _shares(setting.methods).items()
        if any(share is not None and share.reductions for share in shares)
    ]
    title, note = f"cost to the target ({target})", " ".join(_cost_notes(setting, modelled))
    return setting_table(setting.name, "cost", title, columns, note)


def _cost_notes(setting: Setting, modelled: bool) -> Iterator[str]:
    several = any(len(result.reached) > 1 for result in setting.methods)
    if several:
        yield MEDIANS
    if modelled:
        yield MODELLED
    if modelled and several:
        yield "Download, compute and upload are those of the run in the middle."
    if any(result.tried for result in setting.methods):
        yield "What it took to choose a learning rate is not counted."
    unfit = [result.method for result in setting.methods if result.fits is False]
    if unfit:
        yield f"Would not fit the memory of the devices: {', '.join(unfit)}."


def _parts(runs: Sequence[Sequence[Reached]], unit: Unit) -> list[Column]:
    found = [middle([parts_of(run) for run in of_one]) for of_one in runs]
    return [
        (
            f"{name} ({unit.symbol})",
            [number(parts[place] if parts else None, unit.size) for parts in found],
        )
        for place, name in enumerate(("download", "compute", "upload"))
    ]


def _how_many(runs: Sequence[Reached]) -> str:
    return f"{sum(run.round is not None for run in runs)} of {len(runs)}"


def _rounds(runs: Sequence[Reached]) -> str:
    rounds = [run.round for run in runs]
    if not runs:
        return "no run is over"
    if median(rounds) is None:
        lengths = sorted({run.num_rounds for run in runs})
        return f"not in {' or '.join(map(str, lengths))} rounds"
    return middle_and_spread(rounds, whole=True)


def _to_target(
    name: str,
    runs: Sequence[Sequence[Reached]],
    what: Callable[[Reached], float | None],
    scale: tuple[Unit, ...],
) -> Column:
    unit = unit_of_column(scale, (what(run) for of_one in runs for run in of_one))
    cells = [middle_and_spread([what(run) for run in of_one], unit.size) for of_one in runs]
    return f"{name} ({unit.symbol})", cells


def _shares(methods: Iterable[MethodResult]) -> dict[str, list[Share | None]]:
    results = list(methods)
    return {
        "less time": [result.time_reduction for result in results],
        "fewer bytes": [result.bytes_reduction for result in results],
        "less energy": [result.energy_reduction for result in results],
    }


def networks_table(setting: Setting) -> Table:
    """Modelled time over every network."""
    found = setting.networks
    totals = [sum(one.to_target) if one.to_target else None for one in found]
    unit = unit_of_column(SECONDS, totals)
    rounds = [sum(one.of_round) for one in found]
    round_unit = unit_of_column(SECONDS, rounds)
    parts: list[Column] = [
        (
            f"{name} ({unit.symbol})",
            [number(one.to_target[place] if one.to_target else None, unit.size) for one in found],
        )
        for place, name in enumerate(("download", "compute", "upload"))
    ]
    columns: list[Column] = [
        ("network", [one.network for one in found]),
        ("method", [one.method for one in found]),
        *parts,
        (f"to the target ({unit.symbol})", [number(total, unit.size) for total in totals]),
        ("less than full (%)", [percent(one.reduction) for one in found]),
        (f"mean round ({round_unit.symbol})", [number(total, round_unit.size) for total in rounds]),
    ]
    note = (
        "The parts are those of the run in the middle by its time. On a slow enough link any "
        f"method that sends little looks fast. {MODELLED}"
    )
    return setting_table(setting.name, "networks", "modelled time over each network", columns, note)


def sizes_table(setting: Setting) -> Table:
    """What a method trains, sends, computes and holds."""
    results = setting.methods
    columns: list[Column] = [
        ("method", [result.method for result in results]),
        ("trained parameters", [f"{result.num_trained_parameters:,}" for result in results]),
        ("of them in the head", [f"{result.num_head_parameters:,}" for result in results]),
        (
            "of all parameters (%)",
            [number(100 * one.num_trained_parameters / one.num_parameters) for one in results],
        ),
        *_uploads(results),
        _in_unit("first download", BYTES, [result.first_contact_bytes for result in results]),
    ]
    notes = ["Uploads are the mean of one client's in a round."]
    flops = [result.flops_per_round for result in results]
    if any(flops):
        columns.append(_in_unit("training", OPERATIONS, flops))
        notes.append("So is training, counted in floating-point operations.")
    peaks = [result.peak_bytes for result in results]
    if any(peaks):
        columns.append(_in_unit("memory", BYTES, peaks))
        notes.append("Memory is modelled, of a full batch at the greatest length.")
    if any(result.fits is not None for result in results):
        columns.append(("fits the devices", [_yes_or_no(result.fits) for result in results]))
    title = "what a client trains, sends and holds"
    return setting_table(setting.name, "sizes", title, columns, " ".join(notes))


def _uploads(results: Sequence[MethodResult]) -> list[Column]:
    unit = unit_of_column(BYTES, (result.update_bytes for result in results))
    return [
        (
            f"upload ({unit.symbol})",
            [number(result.update_bytes, unit.size) for result in results],
        ),
        (
            f"head in it ({unit.symbol})",
            [number(result.update_head_bytes, unit.size) for result in results],
        ),
    ]


def _in_unit(name: str, scale: tuple[Unit, ...], values: Sequence[float | None]) -> Column:
    unit = unit_of_column(scale, values)
    return f"{name} ({unit.symbol})", [number(value, unit.size) for value in values]


def _yes_or_no(value: bool | None) -> str:
    return NOTHING if value is None else ("yes" if value else "no")
