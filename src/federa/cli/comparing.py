"""Commands that compare: compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federa.cli.options import Changes
from federa.errors import ConfigError

if TYPE_CHECKING:
    from federa.compare import Comparison


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
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="SCORE", help="To be reached; or SETTING=SCORE, several times."),
    ] = None,
    changes: Changes = None,
    out: Annotated[Path, typer.Option(help="The comparison's folder, new or to go on in.")] = Path(
        "comparison"
    ),
) -> None:
    """Run every method with every seed in every setting; the same command again goes on."""
    from federa.compare import compare as run_comparison
    from federa.compare.overview import GridDisplay
    from federa.yaml_text import apply_changes, read_yaml

    comparison = _comparison(
        apply_changes(read_yaml(file), changes or []),
        [name.strip() for name in methods.split(",") if name.strip()],
        grid or [],
        target or [],
        {
            "num_seeds": seeds,
            "num_rates": rates,
            "search_rounds": search_rounds,
            "pooled": pooled,
        },
    )
    display = GridDisplay()
    with display.live():
        outcome = run_comparison(comparison, out, display)
    display.console.print(display.table())
    if outcome.failures:
        raise typer.Exit(1)


def _comparison(
    base: dict[str, Any],
    methods: list[str],
    grid: list[str],
    targets: list[str],
    fields: dict[str, Any],
) -> Comparison:
    """What the options describe.

    Raises: ConfigError.
    """
    from federa.compare import Comparison
    from federa.yaml_text import parse_yaml

    values: dict[str, list[Any]] = {}
    for entry in grid:
        key, equals, text = entry.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--grid {entry}: expected KEY=VALUES, such as seed=1,2")
        listed = text if text.lstrip().startswith("[") else f"[{text}]"
        values[key.strip()] = parse_yaml(f"--grid {key}", listed)
    reached: dict[str, Any] = {}
    for entry in targets:
        setting, _, text = entry.rpartition("=")
        reached[setting] = parse_yaml("--target", text)
    return Comparison.make(base, methods, values, targets=reached, **fields)
