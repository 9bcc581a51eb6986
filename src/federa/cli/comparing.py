"""Commands that compare: compare, report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federa.cli.options import Changes, interruptible, print_note
from federa.errors import ConfigError

if TYPE_CHECKING:
    from federa.profiles import Profile

DEFAULT_NETWORK = "wifi_50"
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", metavar="SCORE", help="To be reached; or SETTING=SCORE, several times."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="DEVICE",
        help="To model seconds and energy on: a device (federa profile list), a file of federa "
        "profile calibrate, or a whole profile: {fleet: {phone: 3, laptop: 1}, network: lte}.",
    ),
]
Link = Annotated[
    str | None, typer.Option("--network", help=f"Of the device; {DEFAULT_NETWORK} by default.")
]


def compare(
    file: Annotated[Path, typer.Argument(help="A run's configuration: YAML.")],
    methods: Annotated[
        str, typer.Option(help="With commas between.")
    ] = "federa,lora,bitfit,houlsby,full",
    seeds: Annotated[int, typer.Option(help="How many, from the file's own upwards.")] = 3,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="Settings to compare in, such as partition='[iid, {name: dirichlet, alpha: 0.1}]';"
            " train.learning_rate=1e-3,5e-3 names the rates to choose from.",
        ),
    ] = None,
    rates: Annotated[
        int, typer.Option(help="Learning rates tried for each method around its default, 1 to 4.")
    ] = 3,
    search_rounds: Annotated[
        int | None, typer.Option(help="Rounds of each try; a fifth of the run's by default.")
    ] = None,
    pooled: Annotated[
        bool, typer.Option("--pooled", help="Also full fine-tuning on pooled data, the ceiling.")
    ] = False,
    target: Targets = None,
    profile: Device = None,
    network: Link = None,
    changes: Changes = None,
    out: Annotated[Path, typer.Option(help="The comparison's folder, new or to go on in.")] = Path(
        "comparison"
    ),
) -> None:
    """Run every method with every seed in every setting, and report; again: go on."""
    from federa.compare import Comparison
    from federa.compare import compare as run_comparison
    from federa.compare.overview import GridDisplay
    from federa.yaml_text import apply_changes, read_yaml

    comparison = Comparison.make(
        apply_changes(read_yaml(file), changes or []),
        [name.strip() for name in methods.split(",") if name.strip()],
        _grid(grid or []),
        num_seeds=seeds,
        num_rates=rates,
        search_rounds=search_rounds,
        pooled=pooled,
        targets=_targets(target or []),
        profile=_profile(profile, network),
    )
    display = GridDisplay()
    with interruptible(lambda: "the same command goes on"), display.live():
        outcome = run_comparison(comparison, out, display)
    display.console.print(display.table())
    if outcome.finished:
        kept = comparison.targets_by_setting()
        _report([out], out / "report", out.resolve().name, {}, kept, comparison.profile)
    raise typer.Exit(1 if outcome.failures else 0)


def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Comparisons, run folders, or folders of either.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where to write; report in the first folder by default.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    target: Targets = None,
    profile: Device = None,
    network: Link = None,
) -> None:
    """Write a page, figures and tables on runs: scores, time, bytes and energy to a target."""
    targets, kept = _kept(folders)
    chosen = _profile(profile, network) or kept
    name = title or ", ".join(folder.resolve().name for folder in folders)
    given = _targets(target or [])
    _report(folders, out or folders[0] / "report", name, given, targets, chosen)


def _report(
    folders: Sequence[Path],
    out: Path,
    title: str,
    targets: Mapping[str, float],
    kept_targets: Mapping[str, float],
    profile: Profile | None,
) -> None:
    """Write it and say where; without the library of the page, its tables."""
    from federa.report.making import make_report

    command = shlex.join(["federa", *sys.argv[1:]])
    written = make_report(
        folders,
        out,
        title=title,
        target=targets,
        kept_targets=kept_targets,
        profile=profile,
        commands=[command] if sys.argv[1:2] == ["report"] else [],
    )
    if profile is None:
        print_note("no --profile, so seconds and energy on devices are not modelled")
    print(f"wrote {written[-1]}, with figures and tables beside it")


def _kept(folders: Sequence[Path]) -> tuple[dict[str, float], Profile | None]:
    """Targets, by setting, and profile of the comparisons in the folders; the first counts."""
    from federa.compare import Comparison
    from federa.compare.plan import FILE

    files = (file for folder in folders for file in sorted(folder.rglob(FILE)))
    found = [Comparison.load(file.parent) for file in files]
    targets: dict[str, float] = {}
    for one in reversed(found):
        targets |= one.targets_by_setting()
    return targets, next((one.profile for one in found if one.profile is not None), None)


def _grid(given: Sequence[str]) -> dict[str, list[Any]]:
    from federa.yaml_text import parse_yaml

    values: dict[str, list[Any]] = {}
    for entry in given:
        key, equals, text = entry.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--grid {entry}: expected KEY=VALUES, such as method.rank=4,8")
        listed = text if text.lstrip().startswith("[") else f"[{text}]"
        values[key.strip()] = parse_yaml(f"--grid {key}", listed)
    return values


def _targets(given: Sequence[str]) -> dict[str, Any]:
    from federa.yaml_text import parse_yaml

    targets = {}
    for entry in given:
        setting, _, text = entry.rpartition("=")
        score = parse_yaml("--target", text)
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise ConfigError(f"--target {entry}: expected a score, such as 0.75")
        targets[setting] = float(score)
    return targets


def _profile(device: str | None, network: str | None) -> Profile | None:
    """The profile that the options describe.

    Raises: ConfigError.
    """
    from federa.profiles import Profile
    from federa.yaml_text import parse_yaml

    if device is None:
        if network is not None:
            raise ConfigError("--network: needs --profile, the device that is connected by it")
        return None
    given = parse_yaml("--profile", device)
    if not isinstance(given, dict) or "peak_flops_per_second" in given:
        given = {"device": given}
    link = None if network is None else parse_yaml("--network", network)
    if link is not None or "network" not in given:
        given = {**given, "network": link or DEFAULT_NETWORK}
    return Profile.model_validate(given)
