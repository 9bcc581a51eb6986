"""Modelled time over every network: what a method owes to its size alone, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from federa.profiles import NETWORKS, Network, RoundSeconds
from federa.report.costs import run_costs
from federa.report.findings import NetworkTime, Reached
from federa.report.reaching import FULL, Parts, added, mean_parts, middle, totals
from federa.report.statistics import median, reductions

if TYPE_CHECKING:
    from federa.profiles import Profile
    from federa.report.runs import Run


def network_times(
    by_method: Mapping[str, Sequence[Run]],
    reached: Mapping[str, Sequence[Reached]],
    profile: Profile,
) -> list[NetworkTime]:
    """Every method over every preset network and the profile's own, on the profile's devices.

    Methods whose runs do not say what was computed are left out.
    """
    return [
        time
        for network in networks_of(profile)
        for time in _over(network, by_method, reached, profile)
    ]


def _over(
    network: Network,
    by_method: Mapping[str, Sequence[Run]],
    reached: Mapping[str, Sequence[Reached]],
    profile: Profile,
) -> list[NetworkTime]:
    """Every method over one network."""
    rounds: dict[str, dict[int, list[Parts]]] = {}
    for method, runs in by_method.items():
        found = {run.seed: _seconds(run, profile, network) for run in runs}
        known = {seed: costs for seed, costs in found.items() if costs is not None}
        if len(known) == len(found):
            rounds[method] = known
    to_target = {
        method: {one.seed: _until(one, of_runs[one.seed]) for one in reached[method]}
        for method, of_runs in rounds.items()
    }
    full = to_target.get(FULL, {})
    return [
        NetworkTime(
            network=network.name,
            method=method,
            to_target=middle(list(to_target[method].values())),
            of_round=mean_parts([one for of_run in of_runs.values() for one in of_run]),
            reduction=None if method == FULL else _reduction(to_target[method], full),
            by_seed=to_target[method],
        )
        for method, of_runs in rounds.items()
    ]


def networks_of(profile: Profile) -> list[Network]:
    """The presets and the profile's own, which stand for presets of the same name."""
    presets: dict[str, Network] = {preset().name: preset() for preset in NETWORKS}
    return list({**presets, **{network.name: network for network in profile.networks}}.values())


def _seconds(run: Run, profile: Profile, network: Network) -> list[Parts] | None:
    costs = run_costs(run, profile, network)
    return None if costs is None else [_parts(cost.seconds) for cost in costs]


def _parts(seconds: RoundSeconds) -> Parts:
    return seconds.download, seconds.compute, seconds.upload


def _until(reached: Reached, rounds: Sequence[Parts]) -> Parts | None:
    """The sum of each part up to the round in which the target was reached."""
    if reached.round is None:
        return None
    return added(rounds[: reached.round])


def _reduction(ours: Mapping[int, Parts | None], full: Mapping[int, Parts | None]) -> float | None:
    """Of all seconds, the median over the seeds."""
    return median(list(reductions(totals(ours), totals(full)).values()))
