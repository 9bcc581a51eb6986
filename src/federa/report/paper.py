"""FeDeRA's published reduction of training time, beside what was found here, and what differs.

Source of the paper's figures: arXiv 2404.18848, abstract: time to reach a target accuracy on Jetson
AGX Orin, against full fine-tuning, on three tasks. It does not say there which figure is of which
task, nor over what network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from federa.report.cells import NOTHING, percent, saved
from federa.report.findings import Findings, Setting
from federa.report.reaching import FULL, Parts, parts_of, totals
from federa.report.rendering import Table
from federa.report.statistics import median, reductions

PartsBySeed: TypeAlias = Mapping[int, Parts | None]
OURS = "federa"
REDUCTIONS = {"RoBERTa": (0.959, 0.979, 0.969), "DeBERTaV3": (0.973, 0.965, 0.965)}
"""By model; the order of the three tasks is the paper's."""
AGAINST_PEFT = 0.746
"""The most time that the same paper saved against its fastest parameter-efficient baseline."""
DEVICE = "jetson_agx_orin"
COLUMNS = (
    "of",
    "model",
    "task or setting",
    "network",
    "less time than full (%)",
    "less time than the fastest other method (%)",
    "less computing than full (%)",
)


def paper_table(findings: Findings) -> Table:
    """The paper's reductions, then ours in every setting over every network."""
    theirs = [
        ("paper", model, "three tasks", "unknown", ", ".join(map(percent, found)), NOTHING, NOTHING)
        for model, found in REDUCTIONS.items()
    ]
    most = f"up to {percent(AGAINST_PEFT)}"
    over_all = ("paper", "either", "all", "unknown", NOTHING, most, NOTHING)
    ours = [row for setting in findings.settings for row in _rows(setting)]
    return Table(
        name="paper",
        title="Time to the target that FeDeRA saves: the paper and here",
        columns=COLUMNS,
        rows=(*theirs, over_all, *ours),
        note=" ".join(what_differs(findings)),
    )


def _rows(setting: Setting) -> Iterator[tuple[str, ...]]:
    """One row for the profile as it is, and one for every network."""
    if not {OURS, FULL} <= {result.method for result in setting.methods}:
        return
    place = ("here", setting.description.get("model", NOTHING), setting.name)
    if any(result.method == OURS and result.time_reduction for result in setting.methods):
        of_profile = {
            result.method: {run.seed: parts_of(run) for run in result.reached}
            for result in setting.methods
        }
        yield (*place, "of the profile", *_saved(of_profile))
    by_network: dict[str, dict[str, PartsBySeed]] = {}
    for one in setting.networks:
        by_network.setdefault(one.network, {})[one.method] = one.by_seed
    for network, methods in by_network.items():
        if OURS in methods and FULL in methods:
            yield (*place, network, *_saved(methods))


def _saved(methods: Mapping[str, PartsBySeed]) -> tuple[str, str, str]:
    """Less time than full, than the fastest other method by its median, less computing than full;
    all paired by seed."""
    times = {name: totals(parts) for name, parts in methods.items()}
    middles = {
        name: middle
        for name, of_seeds in times.items()
        if name not in (OURS, FULL) and (middle := median(list(of_seeds.values()))) is not None
    }
    fastest = min(middles, key=lambda name: middles[name], default=None)
    computing = {
        name: {seed: part and part[1] for seed, part in methods[name].items()}
        for name in (OURS, FULL)
    }
    return (
        saved(reductions(times[OURS], times[FULL])),
        saved(reductions(times[OURS], times[fastest])) if fastest else NOTHING,
        saved(reductions(computing[OURS], computing[FULL])),
    )


def what_differs(findings: Findings) -> list[str]:
    """A sentence on each difference between the paper's figures and ours, as far as is known."""
    settings = findings.settings
    counts = sorted({len(result.reached) for setting in settings for result in setting.methods})
    seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}" if counts else "0"
    return [
        "The paper's order of its three tasks is not given with its figures, so that rows cannot "
        "be matched.",
        f"Model: RoBERTa and DeBERTaV3 (base) there, {_said(settings, 'model')} here.",
        f"Data here: {_said(settings, 'data')}.",
        _on_device(findings),
        "Network: not known of the paper; here every preset stands beside the other, since a slow "
        "enough link alone brings such a reduction, and computing is compared by itself.",
        f"Target: not known of the paper; here {_targets(settings)}.",
        f"Clients, split, rounds and learning rates are not known of the paper; here "
        f"{_said(settings, 'clients')}; {_said(settings, 'split')}; {_said(settings, 'rounds')} "
        "rounds.",
        f"Trained here by {OURS}: {_shares(settings)} of the parameters; about 1 % there.",
        f"Seeds here: {seeds}; not known of the paper.",
    ]


def _said(settings: Iterable[Setting], key: str) -> str:
    """What the settings say under a key of their description, each once."""
    found = dict.fromkeys(setting.description.get(key, "not stated") for setting in settings)
    return " / ".join(found)


def _on_device(findings: Findings) -> str:
    device = findings.profile.get("device") or findings.profile.get("fleet")
    if device is None:
        return (
            "Time: measured on Jetson AGX Orin there; nothing is modelled here without a profile."
        )
    same = "the same device" if device.startswith(DEVICE) else f"another device ({device})"
    return (
        f"Time: measured on Jetson AGX Orin there; modelled here for {same} from counted "
        "operations and bytes, at the efficiency that the profile states."
    )


def _targets(settings: Iterable[Setting]) -> str:
    found = (
        f"{percent(setting.target)} % in {setting.name} ({setting.target_source})"
        for setting in settings
    )
    return ", ".join(found)


def _shares(settings: Iterable[Setting]) -> str:
    shares = [
        result.num_trained_parameters / result.num_parameters
        for setting in settings
        for result in setting.methods
        if result.method == OURS
    ]
    return " / ".join(dict.fromkeys(f"{100 * share:.2g} %" for share in shares)) or "nothing"
