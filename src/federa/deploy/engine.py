"""The engine of a deployment's server: opened by Flower's ServerApp, which has the grid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from federa.engines.flower_link import GridLink
from federa.engines.flower_sites import SitesSession, Welcome

if TYPE_CHECKING:
    from flwr.serverapp import Grid

    from federa.config import RunConfig
    from federa.engines.flower import Flower
    from federa.engines.interface import Session
    from federa.local import RunSetup

TOLD = ("model", "seed", "task", "method", "rule", "train")
"""Of the configuration, what a site is told; the rest is the server's business or its own."""
ROSTER = "roster.json"


class Deployment:
    """Sites that the SuperLink knows by their keys.

    server: its folder, with ``roster.json`` (the site of each Flower node); run: which run it is,
    the same after a restart.
    """

    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "real sites"
    name = "flower"

    def __init__(self, grid: Grid, server: Path, config: RunConfig, run: str) -> None:
        self.grid, self.server, self.config, self.run = grid, server, config, run
        self.device: str = config.engine.device
        self.threads: Literal["auto"] | int = config.engine.threads

    def open(self, setup: RunSetup) -> Session:
        """Look who is there."""
        from federa.deploy.records import Federation
        from federa.models import hash_tokenizer, load_tokenizer

        sites = Federation.load(self.server).sites
        tokenizer = load_tokenizer(setup.source, setup.task.special_tokens)
        told = self.config.model_dump(mode="json", include=set(TOLD))
        welcome = Welcome(
            run=self.run,
            config=told | {"num_rounds": setup.num_rounds},
            tokenizer_hash=hash_tokenizer(tokenizer),
            names=dict(enumerate(sites)),
            counts=self.server / "jobs" / f"{self.run}.sites.json",
        )
        settings: Flower = self.config.engine  # type: ignore[assignment]
        return SitesSession(settings, setup, GridLink(self.grid, self._nodes), welcome)

    def _nodes(self) -> Mapping[int, int]:
        """The node of each site that is online; its number is its place in the federation."""
        from federa.deploy.records import Federation

        try:
            roster = json.loads((self.server / ROSTER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # no site is registered yet
        place = {name: number for number, name in enumerate(Federation.load(self.server).sites)}
        online = set(self.grid.get_node_ids())
        return {
            place[name]: int(node)
            for node, name in roster.items()
            if name in place and int(node) in online
        }
