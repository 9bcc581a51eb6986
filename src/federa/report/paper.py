"""FeDeRA's published reduction of training time, beside what was found here, and what differs.

Source of the paper's figures: arXiv 2404.18848, abstract: time to reach a target accuracy on Jetson
AGX Orin, against full fine-tuning, on three tasks. It does not say there which figure is of which
task, nor over what network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from federa.report.cells import NOTHING, percent
from federa.report.findings import Findings, MethodResult, NetworkTime, Setting
from federa.report.reaching import FULL
from federa.report.rendering import Table
from federa.report.statistics import median, spread

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
    results = {result.method: result for result in setting.methods}
    if OURS not in results or FULL not in results:
        return
    place = ("here", setting.description.get("model", NOTHING), setting.name)
    share = results[OURS].time_reduction
    if share is not None:
        yield (
            *place,
            "of the profile",
            _of_seeds(share.reductions),
            percent(_against_others(results)),
            percent(_paired(results[OURS], results[FULL], "compute_seconds")),
        )
    by_network: dict[str, dict[str, NetworkTime]] = {}
    for one in setting.networks:
        by_network.setdefault(one.network, {})[one.method] = one
    for network, methods in by_network.items():
        if OURS in methods and FULL in methods:
            ours, full = methods[OURS], methods[FULL]
            others = [one for name, one in methods.items() if name not in (OURS, FULL)]
            yield (
                *place,
                network,
                percent(ours.reduction),
                percent(_less(_total(ours), min(filter(None, map(_total, others)), default=None))),
                percent(_less(_part(ours), _part(full))),
            )


def _of_seeds(reductions: Mapping[int, float]) -> str:
    """Median over the seeds, least and greatest where there are several."""
    ends = spread(list(reductions.values()))
    if ends is None:
        return "not reached"
    middle = percent(median(list(reductions.values())))
    return (
        middle if len(reductions) == 1 else f"{middle} ({percent(ends[0])} to {percent(ends[1])})"
    )


def _paired(ours: MethodResult, other: MethodResult, what: str) -> float | None:
    """Median of 1 - ours / other over the seeds on which both reached the target."""
    base = {run.seed: getattr(run, what) for run in other.reached}
    found = [_less(getattr(run, what), base.get(run.seed)) for run in ours.reached]
    return median([value for value in found if value is not None])


def _against_others(results: Mapping[str, MethodResult]) -> float | None:
    """Against the method, other than full fine-tuning, with the least median time."""
    times = {
        name: middle
        for name, result in results.items()
        if name not in (OURS, FULL)
        and (middle := median([run.seconds for run in result.reached])) is not None
    }
    if not times:
        return None
    return _paired(results[OURS], results[min(times, key=lambda name: times[name])], "seconds")


def _less(ours: float | None, other: float | None) -> float | None:
    return None if ours is None or not other else 1 - ours / other


def _total(time: NetworkTime) -> float | None:
    return None if time.to_target is None else sum(time.to_target)


def _part(time: NetworkTime) -> float | None:
    return None if time.to_target is None else time.to_target[1]


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
