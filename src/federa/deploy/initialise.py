"""A new deployment on disk, made whole or not at all, and sites that join it later."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from federa.deploy.certificates import (
    AUTHORITY,
    AUTHORITY_KEY,
    SERVER_KEY,
    new_authority,
    new_site_key,
    write_new,
)
from federa.deploy.contents import (
    COMPOSE,
    FLOWER_CONFIG,
    SERVER,
    SITES,
    compose_site,
    federation_yaml,
    flower_config,
    operator_files,
    server_files,
    site_files,
)
from federa.deploy.records import (
    DEFAULT_INTERNAL_PORT,
    DEFAULT_PORT,
    FEDERATION_FILE,
    Federation,
)
from federa.errors import ConfigError, RunError
from federa.files import explained, explained_reading, sync_folder, write_atomically
from federa.yaml_text import parse_yaml

PRIVATE = frozenset({AUTHORITY_KEY, SERVER_KEY, "key"})
"""Names of the files that only their owner may read."""
EXAMPLE_LABELS = ("first label", "second label")


def initialise(
    folder: Path,
    sites: Sequence[str],
    addresses: Sequence[str],
    port: int = DEFAULT_PORT,
    name: str = "federation",
    *,
    internal_port: int = DEFAULT_INTERNAL_PORT,
    data: Mapping[str, Any] | str | None = None,
    labels: Sequence[str] = EXAMPLE_LABELS,
) -> list[Path]:
    """Make the folder of a new deployment; returns the files in it.

    data: the data record in every site's site.yaml, None is an example; labels: in run.yaml.
    Raises: ConfigError; RunError if the folder is there already or cannot be written.
    """
    given = {"name": name, "addresses": list(addresses), "sites": list(sites)}
    federation = Federation.parse(given | {"port": port, "internal_port": internal_port})
    folder = Path(os.path.abspath(folder))
    _require_free(folder)
    authority = new_authority(federation.name)
    server = server_files(federation, authority, folder / SERVER)
    files = operator_files(federation, server, labels)
    files |= {f"{SERVER}/{path}": content for path, content in server.items()}
    for site in federation.sites:
        key = new_site_key(site)
        own = site_files(federation, site, key, authority.public, data)
        files |= {f"{SITES}/{site}/{path}": content for path, content in own.items()}
        files[f"{SERVER}/keys/{site}.pub"] = key.public
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    _create(folder, files)
    return sorted(folder / path for path in files)


def add_site(folder: Path, name: str, data: Mapping[str, Any] | str | None = None) -> list[Path]:
    """Add a site, with the next client id, to the deployment in ``folder``; returns its files.

    Raises: ConfigError; RunError if it is there already or cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    server, place, compose = folder / SERVER, folder / SITES / name, folder / COMPOSE
    old = Federation.load(server)
    if name in old.sites:
        raise ConfigError(f"sites: {name} is in {server / FEDERATION_FILE} already")
    federation = Federation.parse(old.model_dump() | {"sites": [*old.sites, name]})
    public_key = server / "keys" / f"{name}.pub"
    _require_free(place)
    _require_free(public_key)
    with explained_reading(folder):
        authority = (server / AUTHORITY).read_bytes()
        before = {
            path: path.read_bytes()
            for path in (server / FEDERATION_FILE, compose)
            if path.is_file()
        }
    key = new_site_key(name)
    files = site_files(federation, name, key, authority, data)
    with explained(place):
        place.parent.mkdir(mode=0o700, exist_ok=True)
    _create(place, files)
    try:
        if compose in before:
            write_atomically(compose, _with_site(compose, before[compose], federation, name))
        write_atomically(server / FEDERATION_FILE, federation_yaml(federation))
        write_new(public_key, key.public, 0o644)  # last: a running server looks out for it
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        for path, content in before.items():
            with contextlib.suppress(RunError):  # a full disk left the old content there
                write_atomically(path, content)
        raise
    return sorted(place / path for path in files)


def write_flower_config(server: Path) -> Path:
    """Write the config.toml of Flower's home in a server folder, which may have been moved.

    Returns its path. Raises: ConfigError; RunError.
    """
    server = Path(os.path.abspath(server))
    federation = Federation.load(server)
    path = server / FLOWER_CONFIG
    with explained(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, flower_config(federation, server))
    return path


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise RunError(f"{path}: there already; nothing was changed")


def _create(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with all its files, under another name until it is whole.

    Raises: RunError.
    """
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        with explained(folder):
            draft.mkdir(mode=0o700)
            for path in files:
                for parent in reversed(Path(path).parents):
                    (draft / parent).mkdir(mode=0o700, exist_ok=True)
        for path, content in files.items():
            mode = 0o600 if Path(path).name in PRIVATE else 0o644
            write_new(draft / path, content, mode)
        _require_free(folder)  # which another process may have made meanwhile
        with explained(folder):
            draft.rename(folder)
            sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _with_site(path: Path, content: bytes, federation: Federation, site: str) -> bytes:
    """The compose.yaml of a trial with a site at its end.

    Raises: ConfigError if its end is no longer where the services are.
    """
    text = content.decode(errors="replace").rstrip("\n") + "\n" + compose_site(federation, site)
    found = parse_yaml(str(path), text)
    services = found.get("services") if isinstance(found, dict) else None
    if not isinstance(services, dict) or f"site-{site}" not in services:
        raise ConfigError(f"{path}: services is not its last key; move it to the end")
    return text.encode()
