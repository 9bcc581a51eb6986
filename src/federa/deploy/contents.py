"""What stands in the files of a new deployment, by path."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from federa.deploy.certificates import (
    AUTHORITY,
    AUTHORITY_KEY,
    SERVER_CERTIFICATE,
    SERVER_KEY,
    KeyPair,
    end_of,
    fingerprint,
    new_server_certificate,
)
from federa.deploy.records import FEDERATION_FILE, SITE_FILE, Federation, SiteConfig
from federa.deploy.templates import fill
from federa.version import __version__
from federa.yaml_text import dump_yaml, parse_yaml

SERVER, SITES, COMPOSE = "server", "sites", "compose.yaml"
FLOWER_CONFIG = Path("flower") / "config.toml"
LOWEST_FREE_PORT = 1024
"""Ports below need a capability of the process."""


def server_files(federation: Federation, authority: KeyPair, server: Path) -> dict[str, bytes]:
    """The files of the server's folder, which will be ``server``, without the sites' keys."""
    certificate = new_server_certificate(authority, federation)
    unit = fill(
        "federa-server.service",
        name=federation.name,
        hardening=fill("hardening.conf").rstrip(),
        capabilities=_capabilities(federation.port),
    )
    return {
        FEDERATION_FILE: federation_yaml(federation),
        AUTHORITY_KEY: authority.private,
        AUTHORITY: authority.public,
        SERVER_KEY: certificate.private,
        SERVER_CERTIFICATE: certificate.public,
        "app/pyproject.toml": fill("app_pyproject.toml", version=__version__).encode(),
        "app/LICENSE": fill("app_license.txt").encode(),
        str(FLOWER_CONFIG): flower_config(federation, server),
        "federa-server.service": unit.encode(),
    }


def site_files(
    federation: Federation,
    site: str,
    key: KeyPair,
    authority: bytes,
    data: Mapping[str, Any] | str | None = None,
) -> dict[str, bytes]:
    """The files of a site's folder; data: its data record, None is an example.

    Raises: ConfigError if ``data`` is none.
    """
    facts = {"site": site, "name": federation.name, "version": __version__}
    server = {"server": federation.server, "fingerprint": fingerprint(authority)}
    described = data if data is None or isinstance(data, str) else dict(data)
    site_yaml = fill(
        "site.yaml",
        site=json.dumps(site),
        server=json.dumps(federation.server),
        data=fill("site_data.yaml") if data is None else dump_yaml({"data": described}),
    )
    SiteConfig.parse(parse_yaml(SITE_FILE, site_yaml))  # finds a mistake in data here, not there
    unit = fill("federa-site.service", hardening=fill("hardening.conf").rstrip(), **facts)
    texts = {
        SITE_FILE: site_yaml,
        "README.md": fill("site_readme.md", **facts, **server),
        "data/README.md": fill("data_readme.md"),
        "federa-site.service": unit,
        COMPOSE: fill("site_compose.yaml"),
        **_image(),
    }
    keys = {AUTHORITY: authority, "key": key.private, "key.pub": key.public}
    return {path: text.encode() for path, text in texts.items()} | keys


def operator_files(
    federation: Federation, server: Mapping[str, bytes], labels: Sequence[str]
) -> dict[str, bytes]:
    """The files beside the folder ``server``, with these files, and those of the sites."""
    readme = fill(
        "operator_readme.md",
        name=federation.name,
        port=federation.port,
        internal_port=federation.internal_port,
        address=federation.server,
        fingerprint=fingerprint(server[AUTHORITY]),
        server_ends=f"{end_of(server[SERVER_CERTIFICATE], SERVER_CERTIFICATE):%Y-%m-%d}",
        version=__version__,
    )
    run = fill(
        "run.yaml",
        name=json.dumps(federation.name),
        labels=json.dumps(list(labels), ensure_ascii=False),
        min_uploads=min(2, len(federation.sites)),
    )
    compose = fill("compose.yaml", network=_network(federation)) + "".join(
        compose_site(federation, site) for site in federation.sites
    )
    texts = {"README.md": readme, "run.yaml": run, COMPOSE: compose, **_image()}
    return {path: text.encode() for path, text in texts.items()}


def federation_yaml(federation: Federation) -> bytes:
    """federation.yaml with its comments."""
    return (fill("federation.yaml") + federation.to_yaml()).encode()


def flower_config(federation: Federation, server: Path) -> bytes:
    """config.toml of Flower's home, which takes absolute paths only."""
    return fill(
        "flower_config.toml",
        internal_port=federation.internal_port,
        authority=json.dumps(str(server / AUTHORITY), ensure_ascii=False),
    ).encode()


def compose_site(federation: Federation, site: str) -> str:
    """The lines of a site in the compose.yaml of a trial."""
    text = fill("compose_site.yaml", site=site, file=json.dumps(f"{SITES}/{site}/{COMPOSE}"))
    return text if _is_name(federation.addresses[0]) else text + "    network_mode: host\n"


def _image() -> dict[str, str]:
    """How the image is built: from nothing in the folder, which holds keys."""
    return {"Dockerfile": fill("Dockerfile", version=__version__), ".dockerignore": "*\n"}


def _is_name(address: str) -> bool:
    """Whether a network of containers can give this address to one of them."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return address != "localhost"
    return False


def _network(federation: Federation) -> str:
    if not _is_name(federation.addresses[0]):
        return f"network_mode: host            # sites reach it at {federation.server}"
    aliases = json.dumps([address for address in federation.addresses if _is_name(address)])
    return (
        f'ports: ["{federation.port}:{federation.port}"]\n'
        f"    networks: {{default: {{aliases: {aliases}}}}}"
    )


def _capabilities(port: int) -> str:
    if port >= LOWEST_FREE_PORT:
        return "CapabilityBoundingSet="
    allowed = "CAP_NET_BIND_SERVICE"  # for a low port
    return f"CapabilityBoundingSet={allowed}\nAmbientCapabilities={allowed}"
