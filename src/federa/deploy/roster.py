"""Which sites Flower lets in: those whose public key is in the server's folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from federa.deploy.control import Control, Node, public_key_pem
from federa.deploy.records import FEDERATION_FILE, Federation
from federa.errors import ConfigError
from federa.files import write_atomically

KEYS, ROSTER = "keys", "roster.json"


class Roster:
    """Registers keys, and keeps ``roster.json``: the site of each of Flower's nodes."""

    def __init__(self, folder: Path, control: Control, say: Callable[[str], None]) -> None:
        self.folder, self.control, self.say = folder, control, say
        self._seen: object = None
        self._online: set[str] = set()
        self._sites: dict[int, str] = {}

    def look(self) -> None:
        """Register keys that are new.

        Raises: ConfigError, RunError.
        """
        seen = self._signature()
        if seen != self._seen:
            self._register()
            self._seen = seen

    def watch(self) -> None:
        """Say which sites came and went.

        Raises: RunError.
        """
        online = {
            self._sites[node.id]
            for node in self.control.nodes()
            if node.online and node.id in self._sites
        }
        for site in sorted(online - self._online):
            self.say(f"site {site}: connected")
        for site in sorted(self._online - online):
            self.say(f"site {site}: gone")
        self._online = online

    def _signature(self) -> object:
        """What changes when keys or the federation do."""
        paths = [*sorted((self.folder / KEYS).glob("*.pub")), self.folder / FEDERATION_FILE]
        return [(path.name, path.stat().st_mtime_ns) for path in paths if path.exists()]

    def _register(self) -> None:
        nodes = {node.key: node for node in self.control.nodes()}
        sites: dict[int, str] = {}
        for name, key in self._keys().items():
            node = nodes.get(key)
            if node is None:
                number = self.control.register(key, name)
                nodes[key] = Node(number, name, key, online=False, gone=False)
                sites[number] = name
                self.say(f"site {name}: registered")
            elif node.gone:
                self.say(f"site {name}: its key was unregistered from Flower; it needs a new one")
            elif node.id in sites:
                self.say(f"site {name}: has the same key as {sites[node.id]}; left out")
            else:
                sites[node.id] = name
        self._sites = sites
        content = json.dumps({str(node): name for node, name in sites.items()}, indent=1)
        write_atomically(self.folder / ROSTER, content.encode())

    def _keys(self) -> dict[str, bytes]:
        """The public key of every site that has one, in the order of the federation."""
        found = {}
        for name in Federation.load(self.folder).sites:
            path = self.folder / KEYS / f"{name}.pub"
            try:
                if path.is_file():
                    found[name] = public_key_pem(path)
                else:
                    self.say(f"site {name}: no key yet ({path})")
            except ConfigError as error:
                self.say(f"site {name}: {error}")
        return found
