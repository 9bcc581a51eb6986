"""Nothing that a supervisor started outlives it: ended in order, by signal, or killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from federa.deploy.guard import marked
from federa.deploy.processes import EndedError, Processes, stop_requested
from federa.errors import RunError

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")

FAMILY = """
    import os, signal, subprocess, sys, time

    {before}
    grandchild = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", grandchild], start_new_session=True)
    if os.fork() == 0:  # one more, whose parent ends at once
        os.setsid()
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(600)
        os._exit(0)
    print(os.getpid(), flush=True)
    time.sleep(600)
"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def family(before: str = "") -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(FAMILY).format(before=before)]


def alive(process: int) -> bool:
    try:
        state = Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def members(log: Path, number: int = 3) -> list[int]:
    """The process ids in a log, once there are ``number``."""

    def found() -> list[int]:
        lines = log.read_text().splitlines() if log.exists() else []
        return [int(line) for line in lines if line.isdigit()]

    until(lambda: len(found()) == number)
    return found()


def test_the_whole_family_ends_with_the_block(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes:
        child = processes.start("family", family())
        pids = members(child.log)
        assert all(map(alive, pids))
        assert sorted(marked(processes.mark)) == sorted(pids)
        processes.check()
    assert not any(map(alive, pids))
    assert child.process.returncode == -signal.SIGTERM
    assert not processes.scratch.exists()


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs", grace_seconds=0.5) as processes:
        child = processes.start("deaf", family(DEAF))
        pids = members(child.log)
    assert not any(map(alive, pids))
    assert child.process.returncode == -signal.SIGKILL


def test_each_is_asked_once(tmp_path: Path) -> None:
    """A second SIGTERM would cut short what the first one began."""
    script = """
        import signal, sys, time

        def end(*_):
            print("asked", flush=True)
            time.sleep(0.5)
            sys.exit(7)

        signal.signal(signal.SIGTERM, end)
        print("1", flush=True)
        time.sleep(600)
    """
    with Processes(tmp_path / "logs") as processes:
        child = processes.start("orderly", [sys.executable, "-c", textwrap.dedent(script)])
        members(child.log, 1)
    assert child.process.returncode == 7
    assert child.log.read_text().count("asked") == 1


SUPERVISOR = """
    import sys
    from pathlib import Path
    from federa.deploy.processes import Processes, stop_requested

    with stop_requested() as stop, Processes(Path(sys.argv[1])) as processes:
        processes.start("family", sys.argv[2:])
        print(processes.scratch, processes._guard.pid, flush=True)
        stop.wait()
        print("in order", flush=True)
"""


def supervise(logs: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(SUPERVISOR), str(logs), *family()]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_supervisor_in_order(tmp_path: Path, signum: signal.Signals) -> None:
    supervisor = supervise(tmp_path)
    pids = members(tmp_path / "family.log")
    supervisor.send_signal(signum)
    output, _ = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert "in order" in output
    assert not any(map(alive, pids))


def test_the_family_of_a_killed_supervisor_ends_too(tmp_path: Path) -> None:
    supervisor = supervise(tmp_path)
    pids = members(tmp_path / "family.log")
    assert supervisor.stdout is not None
    scratch, guard = supervisor.stdout.readline().split()
    assert Path(scratch).is_dir()
    supervisor.kill()
    supervisor.communicate(timeout=30)
    until(lambda: not any(map(alive, [*pids, int(guard)])))
    until(lambda: not Path(scratch).exists())


def test_the_guard_outlives_a_signal_to_all(tmp_path: Path) -> None:
    """As a service manager sends it, which must not leave the rest unguarded."""
    supervisor = supervise(tmp_path)
    pids = members(tmp_path / "family.log")
    assert supervisor.stdout is not None
    guard = int(supervisor.stdout.readline().split()[1])
    os.kill(guard, signal.SIGTERM)
    time.sleep(0.2)
    assert alive(guard)
    supervisor.kill()
    supervisor.communicate(timeout=30)
    until(lambda: not any(map(alive, [*pids, guard])))


def test_a_child_that_ends_is_noticed(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes:
        command = [sys.executable, "-c", "print('no room'); raise SystemExit(3)"]
        child = processes.start("brief", command)
        until(lambda: child.ended)
        with pytest.raises(EndedError) as caught:
            processes.check()
        assert caught.value.exit_code == 1
        assert str(caught.value).startswith("brief ended (exit code 3; ")
        assert str(caught.value).endswith("brief.log: no room)")
        processes.forget(child)
        processes.check()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with (
        Processes(tmp_path / "logs") as processes,
        pytest.raises(RunError, match="nowhere/at-all: cannot start"),
    ):
        processes.start("missing", ["nowhere/at-all"])


def test_a_long_log_begins_anew_while_it_is_written(tmp_path: Path) -> None:
    script = "import time\nwhile True:\n    print('x' * 99, flush=True)\n    time.sleep(0.001)"
    with Processes(tmp_path / "logs") as processes:
        child = processes.start("talker", [sys.executable, "-c", script])
        until(lambda: child.log.stat().st_size > 5000)
        processes.trim_logs(limit=5000)
        assert child.log.stat().st_size < 5000
        old = child.log.with_suffix(".old.log")
        assert old.stat().st_size > 5000
        until(lambda: child.log.stat().st_size > 500)
        assert b"\0" not in child.log.read_bytes(), "no hole where the old text was"


def test_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_requested() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGTERM) is before
