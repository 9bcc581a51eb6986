"""Run folders under bad conditions."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import tiny_config
from federa import run
from federa.checkpoint import RunFolder
from federa.errors import RunError


@pytest.fixture(scope="module")
def finished(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    config = tiny_config(
        tiny_model("bert"), tiny_table, federation={"num_clients": 3, "num_rounds": 2}
    )
    return run(config, folder=tmp_path_factory.mktemp("runs")).folder


def copy(folder: Path, target: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, target / "copy"))


def test_a_folder_that_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not a run folder \(no config\.yaml\)"):
        run(resume=tmp_path)
    with pytest.raises(RunError, match="no such folder"):
        run(resume=tmp_path / "absent")


@pytest.mark.parametrize(
    "name", ["latest.safetensors", "start.safetensors", "facts.json", "environment.json"]
)
def test_a_damaged_file_is_named(finished: Path, tmp_path: Path, name: str) -> None:
    folder = copy(finished, tmp_path)
    (folder / name).write_bytes(b"{}")
    with pytest.raises(RunError, match=f"{name}: damaged") as caught:
        run(resume=folder)
    assert "\n" not in str(caught.value)


def test_a_torn_last_record_is_dropped(finished: Path, tmp_path: Path) -> None:
    folder = copy(finished, tmp_path)
    path = folder / "rounds.jsonl"
    text = path.read_text()
    path.write_text(text + text.splitlines()[-1][:40])
    assert len(run(resume=folder).records) == 2
    assert path.read_text().count("\n") == 2


def test_what_a_killed_process_left_is_removed(finished: Path, tmp_path: Path) -> None:
    folder = copy(finished, tmp_path)
    (folder / ".latest.safetensors.123.tmp").write_bytes(b"half")
    (folder / "export" / ".peft.123.tmp").mkdir()
    (folder / "export" / "peft").rename(folder / "export" / ".peft.123.old")
    run(resume=folder)
    assert not list(folder.rglob(".*.tmp")) + list(folder.rglob(".*.old"))
    assert (folder / "export" / "peft" / "adapter_model.safetensors").is_file()


def test_two_processes_cannot_share_a_run(finished: Path) -> None:
    home = RunFolder.open(finished)
    with home.locked(), pytest.raises(RunError, match="another process"):
        run(resume=finished)
    with home.locked():
        assert home.facts().num_clients == 3
    with pytest.raises(BrokenPipeError), home.locked():
        raise BrokenPipeError(32, "an error inside is not the lock's")


def test_the_state_survives_the_disk(finished: Path, tmp_path: Path) -> None:
    import torch

    home = RunFolder.open(copy(finished, tmp_path))
    state = home.load_state()
    home.save_state(state, "latest.safetensors")
    again = home.load_state()
    assert again.layout == state.layout
    assert again.contacted == state.contacted == {0, 1, 2}
    for name, value in state.params.items():
        assert torch.equal(value, again.params[name])
    # sums over all tensors (the clipped norm) depend on their order in the last bit
    assert tuple(state.params) == state.layout.shared
    assert tuple(again.params) == tuple(again.start) == state.layout.shared


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte; needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_no_half_written_run(
    tiny_model: Callable[[str], str], tiny_table: Path, small_disk: Path
) -> None:
    (small_disk / "filler").write_bytes(b"0" * 490_000)
    config = tiny_config(tiny_model("bert"), tiny_table)
    with pytest.raises(RunError, match="the disk is full"):
        run(config, folder=small_disk / "runs")
    assert list((small_disk / "runs").iterdir()) == []


def test_a_disk_that_fills_up_leaves_a_run_that_resumes(
    tiny_model: Callable[[str], str], tiny_table: Path, small_disk: Path, tmp_path: Path
) -> None:
    federation = {"num_clients": 3, "num_rounds": 4}
    config = tiny_config(tiny_model("bert"), tiny_table, federation=federation)

    class Filling:
        """Fills the disk after the second round."""

        def started(self, *_: object) -> None: ...
        def clients(self, arrivals: object, round: int, total: int) -> object:
            return arrivals

        def note(self, text: str) -> None: ...
        def finished_round(self, record: object, score: object) -> None:
            if record.round == 2:
                with (small_disk / "filler").open("wb", buffering=0) as file:
                    try:
                        while True:
                            file.write(b"0" * 1024)
                    except OSError:
                        pass

    with pytest.raises(RunError, match="the disk is full"):
        run(config, folder=small_disk, progress=Filling())
    folder = small_disk / "tiny"
    assert RunFolder.open(folder).load_state().round == 2
    (small_disk / "filler").unlink()
    assert not list(folder.glob(".*.tmp"))
    import shutil

    moved = shutil.copytree(folder, tmp_path / "moved")
    result = run(resume=moved)
    whole = run(config, folder=tmp_path / "whole")
    assert (result.folder / "latest.safetensors").read_bytes() == (
        whole.folder / "latest.safetensors"
    ).read_bytes()
