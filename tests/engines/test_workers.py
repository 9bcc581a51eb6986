"""Forked processes that answer jobs: what they return, how they are lost, and how they end."""

import fcntl
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from federa.engines.workers import Lost, Pool, can_fork, one_line

pytestmark = pytest.mark.skipif(not can_fork(), reason="workers are forked")

PARENT = """
import fcntl, multiprocessing, os, sys, time
from federa.engines.workers import Pool

def target(wanted):
    if not wanted:
        return
    print("busy", os.getpid(), flush=True)
    deadline = time.monotonic() + 60
    while not os.path.exists(wanted) and time.monotonic() < deadline:
        time.sleep(0.01)

held = open(sys.argv[1], "w")
fcntl.flock(held, fcntl.LOCK_EX)
pool = Pool(3, target)
list(pool.run([""] * 3))  # all of them are at work
print(*[child.pid for child in multiprocessing.active_children()], flush=True)
list(pool.run([sys.argv[2]]))
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for is not alive."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in a minute"
        time.sleep(0.01)


def pids() -> set[int]:
    return {child.pid for child in multiprocessing.active_children() if child.pid is not None}


def obey(job: tuple[str, Any]) -> Any:
    """What a job says; its process as the answer of most."""
    kind, value = job
    if kind == "raise":
        raise value
    if kind == "end":
        os.kill(os.getpid(), value)
        time.sleep(60)
    if kind == "sleep":
        time.sleep(value)
    if kind == "call":
        return value * 2
    return os.getpid()


@pytest.fixture
def pool() -> Iterator[Pool]:
    with closing(Pool(2, obey)) as pool:
        yield pool
    assert not pids(), "no process is left"


@pytest.mark.parametrize("num_jobs", [0, 1, 2, 7])
@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_every_job_is_answered_as_here(num_workers: int, num_jobs: int) -> None:
    weight = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))

    def target(job: torch.Tensor) -> torch.Tensor:
        return job @ weight  # what was there when the pool was made

    jobs = [torch.full((2, 5), float(place)) for place in range(num_jobs)]
    with closing(Pool(num_workers, target)) as pool:
        for _ in range(2):
            found = list(pool.run(jobs))
            assert sorted(place for place, _ in found) == list(range(num_jobs))
            assert all(torch.equal(answer, target(jobs[place])) for place, answer in found)


def test_jobs_run_in_other_processes_at_the_same_time(pool: Pool) -> None:
    found = dict(pool.run([("sleep", 1.0), ("sleep", 1.0)]))
    assert set(found.values()) == pids()
    assert os.getpid() not in found.values()


def test_a_long_answer_is_no_obstacle_to_a_long_job(pool: Pool) -> None:
    """Either is many times what a pipe holds."""
    jobs = [("call", torch.arange(1 << 18) + place) for place in range(5)]
    for place, answer in pool.run(jobs):
        assert torch.equal(answer, jobs[place][1] * 2)


def test_a_job_that_raises_is_lost_and_its_process_goes_on(pool: Pool) -> None:
    before = pids()
    jobs = [("raise", ValueError("a row is\nbroken")), ("raise", KeyError()), ("call", 4)]
    found = dict(pool.run(jobs))
    assert found == {0: Lost("ValueError: a row is"), 1: Lost("KeyError: "), 2: 8}
    assert pids() == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_process_that_ends_is_replaced(
    pool: Pool, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = pids()
    jobs = [("call", 1), ("end", number), ("call", 2), ("end", number), ("call", 3)]
    found = dict(pool.run(jobs))
    reason = f"its process ended with {-number}"
    assert found == {0: 2, 1: Lost(reason), 2: 4, 3: Lost(reason), 4: 6}
    assert len(pids()) == 2
    assert pids() != before
    assert dict(pool.run([("call", 5)] * 3)) == dict.fromkeys(range(3), 10)


def test_one_that_ended_between_two_runs_costs_nothing(pool: Pool) -> None:
    assert len(dict(pool.run([("sleep", 0.2)] * 2))) == 2
    victim = min(pids())
    os.kill(victim, signal.SIGKILL)
    until(lambda: not alive(victim))
    found = dict(pool.run([("call", place) for place in range(4)]))
    assert found == {place: 2 * place for place in range(4)}


def test_an_answer_that_cannot_be_sent_is_lost(capfd: pytest.CaptureFixture[str]) -> None:
    with closing(Pool(1, lambda job: (lambda: job) if job else job)) as pool:
        found = dict(pool.run([1, 0]))
    assert isinstance(found[0], Lost)
    assert found[1] == 0


def test_a_caller_that_leaves_early_leaves_a_pool_that_works(pool: Pool) -> None:
    """The answer to a job of the run that was left is never taken for one of the next."""
    jobs = [("call", 1), *[("sleep", 30.0)] * 3]
    began = time.monotonic()
    for place, answer in pool.run(jobs):
        assert (place, answer) == (0, 2)
        break
    assert time.monotonic() - began < 30, "nobody waits for what nobody wants"
    found = dict(pool.run([("call", place) for place in range(6)]))
    assert found == {place: 2 * place for place in range(6)}
    assert len(pids()) == 2


def test_a_job_that_cannot_be_sent_raises_here(pool: Pool) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        list(pool.run([("call", lambda: None)]))
    assert dict(pool.run([("call", 3)])) == {0: 6}


def test_interrupts_are_the_parents(pool: Pool) -> None:
    before = set(dict(pool.run([("sleep", 0.5)] * 2)).values())
    for pid in before:
        os.kill(pid, signal.SIGINT)
    after = set(dict(pool.run([("sleep", 0.5)] * 2)).values())
    assert after == before == pids()


def test_a_child_has_one_thread_and_nothing_open_but_its_pipe(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w"), closing(Pool(2, lambda _: what_is_open())) as pool:
        for _, (threads, names) in pool.run([0, 1]):
            assert threads == 1
            above = [name for number, name in names.items() if number > 2]
            assert len(above) == 1
            assert above[0].startswith("socket:")


def what_is_open() -> tuple[int, dict[int, str]]:
    """torch's threads, and the files of this process by number."""
    names = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            names[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the listing itself
    return torch.get_num_threads(), names


class Owner:
    """An open file in a cycle, which only the collector closes, as such a file object does."""

    def __init__(self, path: Path) -> None:
        self.number, self.cycle = os.open(path, os.O_CREAT | os.O_WRONLY), self

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.number)


def test_what_the_parent_has_thrown_away_closes_nothing_of_the_child(tmp_path: Path) -> None:
    """Nobody collected it when the child was forked, whose own files then get the same numbers."""

    def target(_: int) -> str:
        files = [(tmp_path / f"own {number}").open("w") for number in range(40)]
        gc.collect()
        for file in files:
            file.write("kept")
            file.close()
        return "all could be written"

    gc.disable()
    try:
        for number in range(40):
            Owner(tmp_path / f"thrown {number}")
        pool = Pool(1, target)
    finally:
        gc.enable()
    with closing(pool):
        assert dict(pool.run([0])) == {0: "all could be written"}


def test_children_of_a_parent_that_is_killed_end_and_hold_nothing(tmp_path: Path) -> None:
    held, wanted = tmp_path / "held", tmp_path / "wanted"
    command = [sys.executable, "-c", PARENT, str(held), str(wanted)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = sorted(process.stdout.readline() for _ in range(2))  # in either order
        children, busy = set(map(int, said[0].split())), int(said[1].split()[1])
        assert busy in children
        with held.open("w") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.kill()
        process.wait()
        with held.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        until(lambda: not any(map(alive, children - {busy})))
        assert alive(busy), "it was the lock's owner that ended"
        wanted.touch()
        until(lambda: not alive(busy))


def test_a_failure_is_told_in_one_line() -> None:
    assert one_line(ValueError("a\nb")) == "ValueError: a"
    assert one_line(KeyError()) == "KeyError: "


def test_what_a_job_takes_is_measured() -> None:
    def take(size: int) -> int:
        return int(torch.ones(size, dtype=torch.uint8)[0])

    with closing(Pool(1, take)) as pool:
        list(pool.run([1]))
        small = pool.peak_bytes
        list(pool.run([64 << 20]))
        assert small < 32 << 20
        assert 60 << 20 < pool.peak_bytes < 200 << 20
