"""What a setting, a profile and an environment are, in words for a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from federa.yaml_text import dump_yaml

if TYPE_CHECKING:
    from federa.config import RunConfig
    from federa.profiles import Device, Network, Profile
    from federa.report.runs import Run

OF_ONE_RUN = ("seed", "command")
"""Of an environment: what belongs to a run and not to the machine."""


def description(runs: Sequence[Run]) -> dict[str, str]:
    """Model, data, split and training of a setting, as its first run says them."""
    config, facts = runs[0].config, runs[0].facts
    per_round = config.federation.clients_per_round or facts.num_clients
    return {
        "model": config.model,
        "task": config.task.name.replace("_", " "),
        "data": f"{config.data.name}, {facts.num_train_examples:,} training examples",
        "split": _in_words(config.partition),
        "clients": f"{facts.num_clients:,}, {per_round:,} a round",
        "rounds": f"{config.federation.num_rounds:,}",
        "aggregation": _in_words(config.rule),
        "local training": _training(config),
        "scored on the way": _scoring(runs),
        "seeds": ", ".join(str(seed) for seed in sorted({run.seed for run in runs})),
    }


def data_in_words(config: RunConfig) -> str:
    """The data set and what was chosen of it."""
    return _in_words(config.data)


def _scoring(runs: Sequence[Run]) -> str:
    """How often and on what a run is scored while it goes on, and how sure such a score is."""
    every = runs[0].config.evaluation.every
    often = "every round" if every == 1 else f"every {every} rounds"
    last = next((one for run in runs for one in reversed(run.records) if one.scores), None)
    scores = {} if last is None else last.scores.get("validation", {})
    if "num_examples" not in scores:
        return often
    said = f"{often}, on {scores['num_examples']:,} validation examples"
    error = scores.get("standard_error")
    return said if error is None else f"{said}, standard error {100 * error:.2g} points at the end"


def _in_words(record: Any) -> str:
    """A registered record: its name and the fields that were set to something."""
    fields = record.model_dump(mode="json")
    name = str(fields.pop("name"))
    said = [
        f"{key.replace('_', ' ')} {value}" for key, value in fields.items() if value is not None
    ]
    return ", ".join([name, *said])


def _training(config: RunConfig) -> str:
    train = config.train
    span = [
        f"{number} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((train.epochs, "epoch"), (train.max_steps, "step"))
        if number is not None
    ]
    return (
        f"{train.optimizer}, {' or '.join(span)} a round, batch {train.batch_size}, "
        f"up to {train.max_length} tokens, {train.schedule} rate"
    )


def shared_config(runs: Iterable[Run]) -> str:
    """The keys that have the same value in all runs of a setting, as YAML."""
    return dump_yaml(_shared([run.config.model_dump(mode="json") for run in runs]))


def _shared(contents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, found = contents[0], {}
    for key, value in first.items():
        if any(key not in other for other in contents):
            continue
        values = [content[key] for content in contents]
        if all(isinstance(one, dict) for one in values):
            if inner := _shared(values):
                found[key] = inner
        elif all(one == value for one in values):
            found[key] = value
    return found


def environment(runs: Iterable[Run]) -> dict[str, Any]:
    """What all runs have in common of versions and hardware; what differs is listed."""
    known = [run.environment for run in runs if run.environment]
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for one in known for key in one if key not in OF_ONE_RUN):
        values: list[Any] = []
        for one in known:
            if key in one and one[key] not in values:
                values.append(one[key])
        found[key] = values[0] if len(values) == 1 else values
    return found


def profile_in_words(profile: Profile) -> dict[str, str]:
    """The figures of a profile, and what of them is assumed, by key."""
    devices, networks = profile.devices, profile.networks
    found = {
        "device" if len(devices) == 1 else "fleet": _mixed(
            list(map(_device, devices)), [share.weight for share in profile.fleet]
        ),
        "network": _mixed(
            list(map(_network, networks)), [share.weight for share in profile.network]
        ),
    }
    if profile.dropout:
        found["dropout"] = f"{profile.dropout:.3g} of the clients of a round return nothing"
    if profile.straggler_fraction:
        found["stragglers"] = (
            f"{profile.straggler_fraction:.3g} of the clients of a round train "
            f"{profile.straggler_slowdown:g} times as long"
        )
    if profile.deadline_seconds is not None:
        found["deadline"] = f"{profile.deadline_seconds:g} s, after which an update is not used"
    for device in devices:
        if device.assumed:
            found[f"assumed of {device.name}"] = device.assumed
        found[f"source of {device.name}"] = device.source
    found |= {f"source of {network.name}": network.source for network in networks}
    return found


def _mixed(parts: Sequence[str], weights: Sequence[float]) -> str:
    if len(parts) == 1:
        return parts[0]
    return "; ".join(
        f"{100 * weight / sum(weights):.3g} % {part}"
        for part, weight in zip(parts, weights, strict=True)
    )


def _device(device: Device) -> str:
    power = "power unknown"
    if device.power_watts is not None and device.idle_watts is not None:
        power = f"{device.power_watts:g} W in training, {device.idle_watts:g} W idle"
    return (
        f"{device.name}: {device.peak_flops_per_second / 1e12:.3g} TFLOP/s ({device.precision}), "
        f"of which training reaches {100 * device.efficiency:.3g} %, "
        f"{device.memory_bytes / 1e9:.3g} GB, {power}"
    )


def _network(network: Network) -> str:
    down, up = network.down_bits_per_second / 1e6, network.up_bits_per_second / 1e6
    return (
        f"{network.name}: {down:.4g} Mbit/s down, {up:.4g} up, round trip "
        f"{1000 * network.round_trip_seconds:.3g} ms, {100 * network.overhead:.2g} % of bytes added"
    )
