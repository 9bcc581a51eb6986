"""Sites in this process, behind a grid that carries Flower's own messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flwr.app import Message
from flwr.supercore.task_identity import TaskIdentity

from federa.config import RunConfig
from federa.deploy.engine import ROSTER, Deployment
from federa.deploy.participant import Participant
from federa.engines.flower_link import from_content, to_content
from federa.flower_app import KINDS

LABELS = ["password", "printer", "screen"]
Answer = tuple[dict[str, Any], bytes]
NODE = 1000
"""The number of the first site's node."""


class LocalGrid:
    """Delivers at once. ``spoil[site]`` may change an answer, or return None to lose it."""

    def __init__(self, sites: dict[int, Participant]) -> None:
        self.sites = {NODE + number: site for number, site in sites.items()}
        self.spoil: dict[int, Callable[[str, dict[str, Any], Answer], Answer | None]] = {}
        self.replies: dict[str, Message] = {}
        self.asked: list[tuple[str, int]] = []
        self.sent_bytes = 0
        self.number = 0
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1

    def get_node_ids(self) -> list[int]:
        return list(self.sites)

    def push_messages(self, messages: Iterable[Message]) -> list[str | None]:
        numbers: list[str | None] = []
        for message in messages:
            self.number += 1
            number = f"letter {self.number}"
            message.metadata.__dict__["_message_id"] = number
            node = message.metadata.dst_node_id
            kind = KINDS[message.metadata.message_type]
            self.asked.append((kind, node - NODE))
            numbers.append(number)
            header, blob = from_content(message.content)
            self.sent_bytes += len(blob)
            answer: Answer | None = self.sites[node].answer(kind, header, blob)
            if node - NODE in self.spoil and answer is not None:
                answer = self.spoil[node - NODE](kind, header, answer)
            if answer is not None:
                self.replies[number] = Message(to_content(*answer), reply_to=message)
        return numbers

    def pull_messages(self, numbers: Iterable[str]) -> list[Message]:
        return [self.replies.pop(number) for number in numbers if number in self.replies]


def write_sites(folder: Path, table: Path, number: int = 3) -> list[Path]:
    """Site folders that share out the rows of a table, every tenth of them to validate on."""
    header, *lines = table.read_text(encoding="utf-8").splitlines()
    places = []
    for site in range(number):
        place = folder / f"site{site}"
        place.mkdir(parents=True)
        own = lines[site::number]
        held, kept = own[::4], [line for row, line in enumerate(own) if row % 4]
        for name, rows in (("train", kept), ("validation", held)):
            (place / f"{name}.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        content = {
            "site": f"site{site}",
            "server": "127.0.0.1:8443",
            "data": {"name": "files", "train": "train.csv", "validation": "validation.csv"},
            "device": "cpu",
            "threads": 1,
            "limits": {"min_evaluation_examples": 5},
        }
        (place / "site.yaml").write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
        places.append(place)
    return places


def change_site(place: Path, **changes: Any) -> None:
    content = json.loads((place / "site.yaml").read_text(encoding="utf-8"))
    (place / "site.yaml").write_text(json.dumps(content | changes), encoding="utf-8")


def sites_config(model: str, **changes: Any) -> RunConfig:
    content: dict[str, Any] = {
        "name": "sites",
        "seed": 3,
        "model": model,
        "task": "text_classification",
        "data": {"name": "sites", "labels": LABELS},
        "method": {"name": "federa", "rank": 4},
        "federation": {"num_rounds": 3, "min_uploads": 2},
        "engine": {
            "name": "flower",
            "mode": "deployment",
            "device": "cpu",
            "threads": 1,
            "round_timeout_seconds": 5,
            "wait_seconds": 1,
        },
    }
    for key, value in changes.items():
        content[key] = {**content[key], **value} if isinstance(content.get(key), dict) else value
    content["train"] = {
        "precision": "fp32",
        "max_steps": 2,
        "batch_size": 4,
        "max_length": 24,
        "learning_rate": 0.01,
        **changes.get("train", {}),
    }
    return RunConfig.parse(content)


def deployment(folder: Path, grid: LocalGrid, config: RunConfig, run: str = "run1") -> Deployment:
    """The server's engine, with a federation of all sites of the grid (more may come)."""
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    names = [f"site{number}" for number in range(5)]
    content = {"addresses": ["127.0.0.1"], "sites": names}
    (folder / "federation.yaml").write_text(json.dumps(content), encoding="utf-8")
    roster = {str(NODE + number): name for number, name in enumerate(names)}
    (folder / ROSTER).write_text(json.dumps(roster), encoding="utf-8")
    return Deployment(grid, folder, config, run)  # type: ignore[arg-type]
