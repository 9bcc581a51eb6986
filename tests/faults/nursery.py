"""Commands of federa in processes of their own, started quickly; what they leave is compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faults.injection import Fault

MEASURED = ("measured_seconds", "peak_memory_bytes")
ERROR = "federa: error: "
STOPPED = "stopped; go on with: federa run --resume "


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Child(NamedTuple):
    """A command at work."""

    pid: int
    output: Path
    errors: Path


class Nursery:
    """Runs ``federa`` in forks of one warmed-up process; see ``worker.py``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0
        with (folder / "worker.err").open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("worker.py"))],
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
            )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and read the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (self.folder / "worker.err").read_text()
        return dict(json.loads(line))

    def start(
        self,
        *arguments: object,
        fault: Fault | None = None,
        file_bytes: int | None = None,
        clock: bool = False,
        output: str | None = None,
    ) -> Child:
        """Begin a command; ``file_bytes`` is the largest file, ``clock`` turns the clock back."""
        self.number += 1
        out = Path(output) if output else self.folder / f"{self.number}.out"
        errors = self.folder / f"{self.number}.err"
        answer = self.ask(
            do="start",
            arguments=[str(argument) for argument in arguments],
            fault=asdict(fault) if fault else None,
            file_bytes=file_bytes,
            clock=clock,
            output=str(out),
            errors=str(errors),
        )
        return Child(answer["pid"], out, errors)

    def wait(self, child: Child, seconds: float = 60) -> Outcome:
        """The end of a command."""
        code = self.ask(do="wait", pid=child.pid, seconds=seconds)["code"]
        out = child.output.read_text() if child.output.is_file() else ""
        outcome = Outcome(code, out, child.errors.read_text())
        child.errors.unlink()
        if child.output.is_file():
            child.output.unlink()
        return outcome

    def run(self, *arguments: object, **options: Any) -> Outcome:
        """A command from beginning to end."""
        return self.wait(self.start(*arguments, **options))

    def close(self) -> None:
        """End the worker."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


def require_one_line(outcome: Outcome, *codes: int) -> str:
    """The line on stderr of a command that ended as it should with one of ``codes``."""
    assert outcome.code in codes, outcome
    assert "Traceback" not in outcome.out + outcome.err, outcome.err
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome
    assert lines[0].startswith((ERROR, STOPPED)), outcome
    return lines[0]


def contents(folder: Path, *, partial: bool = False) -> dict[str, Any]:
    """All files of a run folder, without what is measured and how the run was called.

    partial: of a folder that a fault has left; of what is temporary only the names count.
    """
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        temporary = re.sub(r"\.\d+\.(tmp|old)", r".N.\1", name)
        if partial and temporary != name:
            found[temporary] = None
        else:
            found[name] = None if path.is_dir() else _content(path, partial)
    return found


def _content(path: Path, partial: bool) -> Any:
    content = path.read_bytes()
    try:
        if path.name == "rounds.jsonl":
            return [_unmeasured(json.loads(line)) for line in content.splitlines()]
        if path.name in ("summary.json", "search.json"):
            return _unmeasured(json.loads(content))
        if path.name == "environment.json":
            return json.loads(content) | {"command": ""}
    except ValueError:
        if not partial:
            raise
    return content


def _unmeasured(content: Any) -> Any:
    """``content`` without what is measured, at any depth."""
    if isinstance(content, dict):
        return {name: _unmeasured(v) for name, v in content.items() if name not in MEASURED}
    return [_unmeasured(inner) for inner in content] if isinstance(content, list) else content


def require_same(found: dict[str, Any], expected: dict[str, Any], where: object) -> None:
    """Compare two run folders, and name the first file that differs."""
    assert sorted(found) == sorted(expected), where
    for name, content in expected.items():
        if found[name] != content:  # the contents themselves would be pages of bytes
            pytest.fail(f"{name} differs; {where}")
