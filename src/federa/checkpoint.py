"""Run folders: created whole, written atomically, locked while in use, resumed exactly."""

from __future__ import annotations

import fcntl
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from federa.config import RunConfig
from federa.environment import environment
from federa.errors import RunError
from federa.files import (
    append_line,
    explained,
    explained_reading,
    sync_folder,
    write_atomically,
)
from federa.measure import RoundRecord, finite, read_records
from federa.state_file import layout_of, pack, unpack
from federa.training_cost import TrainingCost
from federa.types import Plan, ServerState
from federa.yaml_text import read_yaml

if TYPE_CHECKING:
    from federa.types import Tensors

CONFIG, ENVIRONMENT, FACTS = "config.yaml", "environment.json", "facts.json"
SPLIT, CLIENTS = "split.json", "clients.json"
RECORDS, SUMMARY = "rounds.jsonl", "summary.json"
END = "...\n"  # of a YAML document
START, LATEST, BEST = "start.safetensors", "latest.safetensors", "best.safetensors"


@dataclass(frozen=True)
class RunFacts:
    """What was found out when a run began, and is held to when it is resumed.

    source: folder or hub id of the model; base_sha256: of its encoder; data_sha256: of the encoded
    examples and their split; the parameter counts are numbers of scalars; cost: of a client's
    training, or None where it cannot be counted, or was not yet.
    """

    source: str
    labels: tuple[str, ...]
    base_sha256: str
    data_sha256: str
    num_clients: int
    num_train_examples: int
    num_parameters: int
    num_trained_parameters: int
    num_head_parameters: int
    plan: Plan
    cost: TrainingCost | None = None

    @classmethod
    def from_json(cls, text: str) -> RunFacts:
        """The facts that ``to_json`` wrote."""
        content = json.loads(text)
        plan = content["plan"] | {"reasons": tuple(content["plan"]["reasons"])}
        cost = content.get("cost")
        read = {
            "labels": tuple(content["labels"]),
            "plan": Plan(**plan),
            "cost": None if cost is None else TrainingCost(**cost),
        }
        return cls(**content | read)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), indent=2)


class RunFolder:
    """One run on disk. The order of writes makes any moment a safe one to stop at: a round's
    record first, then the best state, then the latest state; resuming drops records that are
    ahead of the latest state and computes those rounds again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(
        cls,
        parent: Path,
        config: RunConfig,
        facts: RunFacts,
        state: ServerState,
        save_split: Callable[[Path], None] | None = None,
    ) -> RunFolder:
        """A new folder ``parent/<name>``, with a suffix where that is taken, complete or not there.

        Raises: RunError.
        """
        with explained(parent):
            parent.mkdir(parents=True, exist_ok=True)
            draft = parent / f".{config.name}.{uuid.uuid4().hex}.tmp"
            draft.mkdir()
        try:
            folder = cls(draft)
            folder.replace_config(config)
            write_atomically(
                draft / ENVIRONMENT,
                json.dumps(environment(config.seed, facts.plan.threads), indent=2).encode(),
            )
            write_atomically(draft / FACTS, facts.to_json().encode())
            if save_split is not None:
                save_split(draft)
            folder.save_start(state)
            folder.save_state(state, LATEST)
            return cls(_settle(draft, parent, config.name))
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run.

        Raises: RunError if ``path`` is not a run folder.
        """
        for name in (CONFIG, FACTS, START, LATEST):
            if not (path / name).is_file():
                what = "no such folder" if not path.is_dir() else f"not a run folder (no {name})"
                raise RunError(f"{path}: {what}")
        return cls(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against other processes inside the block.

        Raises: RunError if another process holds it.
        """
        with explained(self.path / ".lock"):
            file = (self.path / ".lock").open("w")
        with file:
            try:
                with explained(self.path / ".lock"):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except RunError as error:
                if not isinstance(error.__cause__, BlockingIOError):
                    raise
                raise RunError(f"{self.path}: another process is working on this run") from error
            yield

    def tidy(self) -> None:
        """Remove what a killed process left half written; for the holder of the lock."""
        for pattern in (".*.tmp", ".*.old"):
            for path in list(self.path.rglob(pattern)):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def config(self) -> RunConfig:
        """The resolved configuration.

        Raises: ConfigError; RunError if it was cut off, since what is left may be valid YAML.
        """
        config = RunConfig.parse(read_yaml(self.path / CONFIG))
        with explained_reading(self.path / CONFIG):
            content = (self.path / CONFIG).read_bytes()
        if not content.endswith(END.encode()):
            raise RunError(f"{self.path / CONFIG}: damaged; its last line is not {END.strip()}")
        return config

    def facts(self) -> RunFacts:
        """What was found out at the start.

        Raises: RunError if the file is damaged.
        """
        try:
            return RunFacts.from_json((self.path / FACTS).read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunError(f"{self.path / FACTS}: damaged or unreadable") from error

    def replace_config(self, config: RunConfig) -> None:
        """Write the configuration of a new run, or one that allows more rounds."""
        write_atomically(self.path / CONFIG, (config.to_yaml() + END).encode())

    def save_start(self, state: ServerState) -> None:
        """Write the immutable start, once."""
        write_atomically(self.path / START, pack(state.start, {}))

    def save_state(self, state: ServerState, name: str = LATEST) -> None:
        """Write ``state`` as LATEST or BEST, without its immutable start."""
        groups = {
            "params": state.params,
            "base_change": state.base_change,
            "memory": state.memory,
        }
        flat = {
            f"{group}/{key}": value for group, part in groups.items() for key, value in part.items()
        }
        facts = {
            "round": state.round,
            "contacted": sorted(state.contacted),
            "layout": asdict(state.layout),
        }
        write_atomically(self.path / name, pack(flat, facts))

    def load_state(self, name: str = LATEST) -> ServerState:
        """The state in LATEST or BEST, with the start.

        Raises: RunError if a file is damaged.
        """
        flat, facts = unpack(self.path / name)
        start, _ = unpack(self.path / START)
        groups: dict[str, Tensors] = {"params": {}, "base_change": {}, "memory": {}}
        try:
            for key, value in flat.items():
                group, _, rest = key.partition("/")
                groups[group][rest] = value
            return ServerState(
                round=facts["round"],
                layout=layout_of(facts["layout"]),
                start=start,
                contacted=frozenset(facts["contacted"]),
                **groups,
            )
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{self.path / name}: damaged or not a state") from error

    def has_best(self) -> bool:
        """Whether a best state was written."""
        return (self.path / BEST).is_file()

    def load_best(self) -> ServerState:
        """The best state, or the latest of a run that has not been scored.

        Raises: RunError if a file is damaged or the best state is gone.
        """
        if not self.has_best():
            latest = self.load_state(LATEST)
            if not self.has_best():  # looked at again, since a run may be writing
                done = [record for record in self.records() if record.round <= latest.round]
                self.require_best(done)
                return latest
        return self.load_state(BEST)

    def require_best(self, records: Sequence[RoundRecord]) -> None:
        """Refuse to go on where ``records`` were scored and the best state is gone.

        Raises: RunError.
        """
        if not self.has_best() and any("validation" in record.scores for record in records):
            raise RunError(f"{self.path / BEST}: missing, though rounds were scored")

    def append(self, record: RoundRecord) -> None:
        """Add one round's line.

        Raises: RunError if the earlier lines are gone or the disk is full.
        """
        if not (self.path / RECORDS).is_file():  # made when the run began or went on
            raise RunError(f"{self.path / RECORDS}: missing; it was removed during the run")
        append_line(self.path / RECORDS, record.to_json(), make=False)

    def records(self) -> list[RoundRecord]:
        """All records."""
        return read_records(self.path / RECORDS)

    def drop_after(self, round: int) -> list[RoundRecord]:
        """Keep the records of finished rounds only, and return them.

        Raises: RunError if one of them is missing, or the best state is.
        """
        kept = [record for record in self.records() if record.round <= round]
        if [record.round for record in kept] != list(range(1, round + 1)):
            raise RunError(
                f"{self.path / RECORDS}: damaged; the latest state is of round {round}, and "
                f"{len(kept)} records of rounds up to it are there"
            )
        self.require_best(kept)
        text = "".join(record.to_json() + "\n" for record in kept)
        write_atomically(self.path / RECORDS, text.encode())
        return kept

    def summary(self) -> dict[str, Any] | None:
        """The summary of a finished run, or None.

        Raises: RunError if the file is damaged.
        """
        if not (self.path / SUMMARY).is_file():
            return None
        try:
            content = json.loads((self.path / SUMMARY).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / SUMMARY}: damaged") from error
        return dict(content)

    def save_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file; what is not finite becomes null."""
        text = json.dumps(finite(content), indent=2, allow_nan=False)
        write_atomically(self.path / name, text.encode())


def _settle(draft: Path, parent: Path, name: str) -> Path:
    with explained(parent):
        number = 1
        while True:
            path = parent / (name if number == 1 else f"{name}-{number}")
            number += 1
            if path.exists():
                continue
            try:
                draft.rename(path)
            except FileExistsError:  # another process was quicker
                continue
            except OSError as error:
                if path.exists():
                    continue
                raise error
            sync_folder(parent)
            return path
