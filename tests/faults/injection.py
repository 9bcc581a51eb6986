"""Faults at the k-th file-system operation below a folder, set up inside a forked process.

Python's own operations are met through an audit hook, which cannot be removed again, and through
wrapped ``open``, ``os.fsync`` and safetensors' writer: this is for a process that is about to end.
"""

from __future__ import annotations

import builtins
import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PATHS = {"os.mkdir": "mkdir", "os.remove": "remove", "os.rmdir": "rmdir"}
LISTS = ("os.listdir", "os.scandir")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NEEDS_SPACE = frozenset({"open", "mkdir", "write", "fsync", "weights"})
HALF_DONE = frozenset({"write", "weights"})  # what a sudden death leaves half of
READS = frozenset({"read", "list"})
WITHOUT_NAME = frozenset({"write", "fsync"})  # whose errors do not say which file they mean
KILLED = 137


@dataclass(frozen=True)
class Fault:
    """What happens at operation number ``at`` (from 1; 0 never) below the folder ``place``.

    action: ``once`` (this operation fails with errno ``number``), ``full`` (this and all later
    ones that need space fail), ``read_only`` (this and all later changes fail), ``kill`` (the
    process is gone, a write half done), ``power_cut`` (and what was not synced is lost),
    ``signal`` (``number`` arrives), ``vanish`` (``targets`` are removed), ``pause`` (wait until
    the file ``targets[0]`` is there, after making ``targets[1]``);
    trace: a file that gets a line for each operation.
    """

    place: str
    action: str = "count"
    at: int = 0
    number: int = 0
    targets: tuple[str, ...] = ()
    trace: str = ""


class Watch:
    """Counts the operations and strikes when it is time."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.count = 0
        self.striking = False
        self.synced: dict[int, bytes] = {}
        self.trace = os.open(fault.trace, os.O_WRONLY | os.O_CREAT) if fault.trace else None

    def place_of(self, path: Any, folder: int = -1) -> str | None:
        """The absolute path, if it is below the watched folder."""
        if isinstance(path, int):
            path = _path_of_descriptor(path)
        path = os.fsdecode(path)
        if folder >= 0:
            path = os.path.join(_path_of_descriptor(folder), path)
        path = os.path.abspath(path)
        inside = path == self.fault.place or path.startswith(self.fault.place + os.sep)
        return path if inside else None

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Meet what Python is about to do."""
        if self.striking:
            return
        if event == "open" and not isinstance(arguments[0], int):
            kind = "open" if arguments[2] & WRITES else "read"
            self.meet(kind, self.place_of(arguments[0]))
        elif event in PATHS:
            self.meet(PATHS[event], self.place_of(arguments[0], arguments[-1]))
        elif event == "os.rename":
            self.meet("rename", self.place_of(arguments[1], arguments[3]))
        elif event in LISTS and arguments[0] is not None:
            self.meet("list", self.place_of(arguments[0]))

    def meet(self, kind: str, path: str | None, half: Callable[[], object] = lambda: None) -> None:
        """Count an operation on ``path`` and strike; ``half`` does a part of it.

        Raises: OSError where the operation is to fail.
        """
        if path is None:
            return
        self.count += 1
        if self.trace is not None:
            os.write(self.trace, f"{kind} {path}\n".encode())
        fault = self.fault
        lasting = (fault.action == "full" and kind in NEEDS_SPACE) or (
            fault.action == "read_only" and kind not in READS
        )
        if not fault.at or not (self.count == fault.at or (lasting and self.count > fault.at)):
            return
        self.striking = True
        try:
            self.strike(kind, path, half)
        finally:
            self.striking = False

    def strike(self, kind: str, path: str, half: Callable[[], object]) -> None:
        """Let it happen."""
        fault = self.fault
        if fault.action in ("kill", "power_cut"):
            half()
            if fault.action == "power_cut":
                self.lose_unsynced()
            os._exit(KILLED)
        elif fault.action == "signal":
            os.kill(os.getpid(), fault.number)
        elif fault.action == "vanish":
            for target in fault.targets:
                remove(target)
        elif fault.action == "pause":
            os.close(os.open(fault.targets[1], os.O_CREAT | os.O_WRONLY))
            while not os.path.exists(fault.targets[0]):
                time.sleep(0.01)
        else:
            half()
            what = os.strerror(fault.number)
            if kind == "weights":
                from safetensors import SafetensorError

                raise SafetensorError(f"I/O error: {what} (os error {fault.number})")
            name = () if kind in WITHOUT_NAME else (path,)
            raise OSError(fault.number, what, *name)

    def remember(self, descriptor: int) -> None:
        """Note the content of a file that is now safe on the disk."""
        path = _path_of_descriptor(descriptor)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                self.synced[os.fstat(descriptor).st_ino] = file.read()

    def remember_all(self) -> None:
        """Take what is there already as safe."""
        for path in _files(self.fault.place):
            with open(path, "rb") as file:
                self.synced[os.fstat(file.fileno()).st_ino] = file.read()

    def lose_unsynced(self) -> None:
        """Put every file back to what was synced of it: nothing, for one that never was."""
        for path in _files(self.fault.place):
            content = self.synced.get(os.stat(path).st_ino, b"")
            with open(path, "rb+") as file:
                file.truncate()
                file.write(content)


def install(fault: Fault) -> None:
    """Set the fault up in this process, for good."""
    import safetensors.torch

    watch = Watch(fault)
    if fault.action == "power_cut":
        watch.remember_all()
    open_file, sync, serialise = io.open, os.fsync, safetensors.torch.serialize_file

    def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        stream = open_file(file, mode, *rest, **options)
        path = None if isinstance(file, int) else watch.place_of(file)
        if path is not None and not watch.striking and set(mode) & set("wax+"):
            write = stream.write

            def counted(content: Any) -> Any:
                def half() -> None:
                    write(content[: len(content) // 2])
                    stream.flush()

                watch.meet("write", path, half)
                return write(content)

            stream.write = counted
        return stream

    def synced(descriptor: int) -> None:
        watch.meet("fsync", watch.place_of(descriptor))
        sync(descriptor)
        if fault.action == "power_cut":
            watch.striking = True
            watch.remember(descriptor)
            watch.striking = False

    def serialised(tensors: Any, filename: Any, *rest: Any, **options: Any) -> None:
        def half() -> None:
            with open_file(filename, "wb") as file:
                file.write(b"half")

        watch.meet("weights", watch.place_of(filename), half)
        serialise(tensors, filename, *rest, **options)

    io.open = builtins.open = opened  # type: ignore[assignment]
    os.fsync = synced  # type: ignore[assignment]
    safetensors.torch.serialize_file = serialised
    signal.siginterrupt(signal.SIGTERM, False)
    sys.addaudithook(watch.audit)


def remove(target: str) -> None:
    """Remove a file or a folder, if it is there."""
    if os.path.isdir(target):
        shutil.rmtree(target)
    elif os.path.exists(target):
        os.unlink(target)


def _path_of_descriptor(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def _files(folder: str) -> list[str]:
    return [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
