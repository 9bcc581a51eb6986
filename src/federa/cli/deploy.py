"""Commands of a deployment: a server, sites that keep their data, and the runs between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from federa.cli.options import Changes
from federa.errors import ConfigError

if TYPE_CHECKING:
    from federa.config import RunConfig

app = typer.Typer(
    name="deploy",
    help="Federate over machines that keep their own data: one server and its sites.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
Server = Annotated[Path, typer.Argument(help="The server's folder.", show_default=False)]
Job = Annotated[str, typer.Argument(help="The job's number.", show_default=False)]
DEFAULT_PORT = 8443


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    sites: Annotated[str, typer.Option(help="Names of the sites, with commas between.")],
    address: Annotated[
        list[str], typer.Option(help="Host name or IP address of the server, as sites see it.")
    ],
    port: Annotated[int, typer.Option(help="Where sites connect to.")] = DEFAULT_PORT,
    name: Annotated[str, typer.Option(help="Of the federation.")] = "federation",
    label: Annotated[
        list[str] | None, typer.Option(help="A label of the task, for run.yaml; once for each.")
    ] = None,
) -> None:
    """Make the folders of a server and its sites, with certificates and keys."""
    from federa.deploy.initialise import initialise

    names = [site.strip() for site in sites.split(",") if site.strip()]
    if label:
        initialise(folder, names, address, port, name, labels=label)
    else:
        initialise(folder, names, address, port, name)
    print(f"wrote {folder}; what to do with it is in {folder / 'README.md'}")


@app.command("add-site")
def add_site(
    folder: Annotated[Path, typer.Argument(help="What init has made.", show_default=False)],
    name: Annotated[str, typer.Argument(help="Of the new site.", show_default=False)],
) -> None:
    """Make the folder of one more site; a server that runs lets it in."""
    from federa.deploy.initialise import add_site as add

    add(folder, name)
    print(f"wrote {folder / 'sites' / name}; give it to the site, whole")


@app.command()
def renew(folder: Server) -> None:
    """Replace the server's certificate, for the addresses in federation.yaml; needs ca.key."""
    from federa.deploy.certificates import renew_server_certificate

    ends = renew_server_certificate(folder)
    print(f"the server's certificate now ends {ends:%Y-%m-%d}; start the server again")


@app.command()
def server(folder: Server) -> None:
    """Run the server until it is stopped (Ctrl-C or SIGTERM); submitted jobs go on then."""
    from federa.deploy.server import serve

    serve(folder)


@app.command()
def site(
    folder: Annotated[Path, typer.Argument(help="The site's folder.", show_default=False)],
) -> None:
    """Run a site until it is stopped (Ctrl-C or SIGTERM)."""
    from federa.deploy.server import announce
    from federa.deploy.site import run_site

    run_site(folder, announce)


@app.command()
def submit(
    folder: Server,
    file: Annotated[Path | None, typer.Argument(help="What to run: YAML.")] = None,
    changes: Changes = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this job.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it ends.")] = False,
) -> None:
    """Have a configuration run by the sites, or go on with a job that ended."""
    from federa.deploy import jobs
    from federa.deploy.server import announce
    from federa.deploy.server_lock import is_running
    from federa.deploy.status import follow

    config = _config(folder, file, changes or [], resume)
    if resume is not None:
        job = jobs.resume(folder, resume, config)
    elif config is not None:
        job = jobs.create(folder, config)
    else:
        raise ConfigError("name a configuration, or a job to go on with: --resume ID")
    announce(f"job {job.id}: submitted, {job.num_rounds} rounds")
    if wait:
        raise typer.Exit(follow(folder, job.id, announce))
    if not is_running(folder):
        announce(f"it starts with the server: federa deploy server {folder}")
    announce(f"follow it with: federa deploy status {folder}")


def _config(
    folder: Path, file: Path | None, changes: list[str], resume: str | None
) -> RunConfig | None:
    """What is asked for, which for a job that goes on may be what it has."""
    from federa.config import RunConfig

    if file is not None:
        return RunConfig.load(file, changes)
    if resume is not None and changes:
        from federa.deploy import jobs
        from federa.yaml_text import apply_changes

        job = jobs.config_of(folder, resume)
        return RunConfig.parse(apply_changes(job.model_dump(mode="json"), changes))
    return None


@app.command()
def status(
    folder: Server,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the sites, the jobs and the last round."""
    from rich.console import Console

    from federa.deploy.status import gather, show

    facts = gather(folder)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        show(Console(highlight=False, soft_wrap=True, markup=False), facts)


@app.command()
def stop(folder: Server, id: Job) -> None:
    """Stop a job; it can go on later (submit --resume)."""
    from federa.deploy.job_queue import stop_job

    job = stop_job(folder, id)
    print(f"job {job.id}: stopped after round {job.round}")
