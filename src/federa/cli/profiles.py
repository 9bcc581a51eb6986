"""Commands about devices and networks: list, show, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from federa.cli.options import print_note
from federa.errors import RunError

app = typer.Typer(
    name="profile",
    help="Devices and networks that time and energy are modelled on.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
DEFAULT_OUT = Path("my-machine.yaml")


@app.command("list")
def list_profiles() -> None:
    """List the devices and networks, with their sources and what of them is assumed."""
    from federa.profiles import DEVICES, NETWORKS
    from federa.registry import describe

    presets: dict[str, tuple[Any, ...]] = {"Devices": DEVICES, "Networks": NETWORKS}
    for title, registry in presets.items():
        print(f"{title}:")
        for preset, (name, summary) in zip(registry, describe(registry), strict=True):
            record = preset()
            print(f"  {name}: {summary}")
            print(f"    source: {record.source}")
            if getattr(record, "assumed", ""):
                print(f"    assumed: {record.assumed}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Of a device or network.", show_default=False)],
) -> None:
    """Print a device or network as YAML, to start figures of one's own from."""
    from federa.profiles import DEVICES, NETWORKS
    from federa.registry import canonical, names
    from federa.yaml_text import dump_yaml

    presets: tuple[type[Any], ...] = (*DEVICES, *NETWORKS)
    preset = presets[names(presets).index(canonical("profile", name, presets))]
    print(dump_yaml(preset().model_dump(mode="json")), end="")


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="Where to write, a new .yaml file.")] = DEFAULT_OUT,
    model: Annotated[str, typer.Option(help="What to train: alias, hub id or folder.")] = "minilm",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the CPU; all that there are by default.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0, help="How long, beside loading and reading the power.")
    ] = 30.0,
) -> None:
    """Measure this machine, for profile: {device: my-machine.yaml}."""
    from federa.calibration import calibrate as measure
    from federa.files import write_atomically
    from federa.profiles.fleet import FILES
    from federa.yaml_text import dump_yaml

    if out.exists():
        raise RunError(f"{out}: already exists; name another with --out")
    if out.suffix not in FILES:
        raise RunError(f"{out}: must end in {' or '.join(FILES)}, to be known as a file")
    device = measure(out.stem, model, threads, seconds, print_note)
    text = dump_yaml(device.model_dump(mode="json"))
    write_atomically(out, text.encode())
    print(text, end="")
    print_note(f"wrote {out}; use it with profile: {{device: {out}, network: wifi_50}}")
