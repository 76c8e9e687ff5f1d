from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polyvm.host import loader, packer
from polyvm.host.errors import MissingError
from polyvm.host.watcher import PATIENCE, Change, Deploy, Refused, Watcher, Withdraw
from polyvm.vm import info

if TYPE_CHECKING:
    from collections.abc import Callable

    from polyvm.host.bundle import Bundle


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    return folder


def watch(root: Path) -> Watcher:
    def load(path: Path) -> Bundle:
        return loader.load(path, info().bytecode_magic, root.parent / "packed")

    return Watcher(root, load)


def told(changes: list[Change]) -> list[str]:
    """Changes in short: +name version, -name, !file."""
    words = []
    for change in changes:
        match change:
            case Deploy(bundle):
                words.append(f"+{bundle.manifest.name} {bundle.manifest.version}")
            case Withdraw(name):
                words.append(f"-{name}")
            case Refused(path, _):
                words.append(f"!{path.name}")
    return sorted(words)


def polled(watcher: Watcher, times: int = PATIENCE + 2) -> list[str]:
    return [word for _ in range(times) for word in told(watcher.poll())]


def packed(folder: Path, output: Path) -> Path:
    return packer.pack(folder, output)


@pytest.fixture
def version(tmp_path: Path) -> Callable[[str], Path]:
    """A bundle of task ``a`` of some version, outside the watched folder."""
    from tests.conftest import write_task

    def make(number: str) -> Path:
        source = write_task(
            tmp_path / f"source-{number}", "def run(p): return p\n", name="a", version=number
        )
        return packed(source, tmp_path)

    return make


def test_appear_replace_withdraw(root: Path, version: Callable[[str], Path]) -> None:
    watcher = watch(root)
    assert polled(watcher) == []
    shutil.copy(version("1.0"), root / "a.bundle")
    assert polled(watcher) == ["+a 1.0"]
    shutil.copy(version("1.1"), root / "a.bundle")
    assert polled(watcher) == ["+a 1.1"]
    (root / "a.bundle").unlink()
    assert polled(watcher) == ["-a"]


def test_what_is_there_at_the_start_is_taken_at_once(
    root: Path, version: Callable[[str], Path], make_task: Callable[..., Path]
) -> None:
    shutil.copy(version("1.0"), root / "a.bundle")
    make_task("from-source")
    assert told(watch(root).poll()) == ["+a 1.0", "+from-source 1.0.0"]


def test_highest_version_is_live_and_taking_it_out_rolls_back(
    root: Path, version: Callable[[str], Path]
) -> None:
    shutil.copy(version("1.9"), root)
    watcher = watch(root)
    assert polled(watcher) == ["+a 1.9"]
    newer = shutil.copy(version("1.10"), root)
    assert polled(watcher) == ["+a 1.10"]
    shutil.copy(version("1.2"), root)
    assert polled(watcher) == []
    Path(newer).unlink()
    assert polled(watcher) == ["+a 1.9"]


def test_half_written_file_is_no_error_once_it_is_whole(
    root: Path, version: Callable[[str], Path]
) -> None:
    content = version("1.0").read_bytes()
    watcher = watch(root)
    watcher.poll()
    with (root / "a.bundle").open("wb", buffering=0) as file:
        said = []
        for byte in content:
            file.write(bytes([byte]))
            said += told(watcher.poll())
    assert said == []
    assert polled(watcher) == ["+a 1.0"]


def test_faulty_file_is_reported_once_and_taken_when_mended(
    root: Path, version: Callable[[str], Path]
) -> None:
    (root / "a.bundle").write_bytes(b"not a zip")
    watcher = watch(root)
    assert polled(watcher, 10) == ["!a.bundle"]
    assert not watcher.unsettled
    shutil.copy(version("1.0"), root / "a.bundle")
    assert polled(watcher) == ["+a 1.0"]


def test_faulty_replacement_leaves_the_old_version_live(
    root: Path, version: Callable[[str], Path]
) -> None:
    shutil.copy(version("1.0"), root / "a.bundle")
    watcher = watch(root)
    watcher.poll()
    (root / "a.bundle").write_bytes(b"not a zip")
    assert polled(watcher) == ["!a.bundle"]
    (root / "a.bundle").unlink()
    assert polled(watcher) == ["-a"]


def test_source_folder_is_packed_anew_when_a_file_changes(
    root: Path, make_task: Callable[..., Path]
) -> None:
    folder = make_task("a")
    watcher = watch(root)
    assert polled(watcher) == ["+a 1.0.0"]
    (folder / "main.py").write_text("def run(payload):\n    return 2\n")
    assert polled(watcher) == ["+a 1.0.0"]
    (folder / "main.py").write_text("def run(payload:\n")
    assert polled(watcher) == ["!a"]
    (folder / "test_more.py").write_text("")
    assert (root.parent / "packed" / "a-1.0.0.bundle").is_file()


def test_folder_of_bytecode(root: Path, version: Callable[[str], Path]) -> None:
    shutil.unpack_archive(version("1.0"), root / "a", "zip")
    assert polled(watch(root)) == ["+a 1.0"]


def test_same_version_twice_the_newer_file_is_live(
    root: Path, make_task: Callable[..., Path]
) -> None:
    folder = make_task("a")
    made = packed(folder, root)
    os.utime(made, ns=(1, 1))
    deployed = [change for change in watch(root).poll() if isinstance(change, Deploy)]
    assert [change.bundle.source for change in deployed] == [folder]


def test_one_task_can_be_watched(root: Path, make_task: Callable[..., Path]) -> None:
    folder = make_task("a")
    assert polled(watch(folder)) == ["+a 1.0.0"]
    assert polled(watch(packed(folder, root))) == ["+a 1.0.0"]


def test_forgotten_manifest_is_told_other_folders_are_left_alone(root: Path) -> None:
    (root / "data").mkdir()
    (root / "data" / "x.jsonl").write_text("1")
    (root / ".git").mkdir()
    (root / "forgot").mkdir()
    (root / "forgot" / "main.py").write_text("")
    watcher = watch(root)
    changes = [change for _ in range(PATIENCE) for change in watcher.poll()]
    (refused,) = changes
    assert isinstance(refused, Refused)
    assert "holds no task.toml" in str(refused.error)


def test_caches_and_hidden_folders_are_no_tasks(root: Path) -> None:
    for name in ("__pycache__", ".git"):
        (root / name).mkdir()
        (root / name / "conftest.cpython-311.pyc").write_bytes(b"")
    assert polled(watch(root)) == []


def test_root_that_goes_away_withdraws_nothing(root: Path, version: Callable[[str], Path]) -> None:
    shutil.copy(version("1.0"), root)
    watcher = watch(root)
    watcher.poll()
    root.rename(root.parent / "moved")
    assert polled(watcher) == ["!tasks"]
    (root.parent / "moved").rename(root)
    assert polled(watcher) == []


def test_root_that_never_was(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file or folder"):
        watch(tmp_path / "none")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(MissingError, match=r"neither a folder nor a \.bundle file"):
        watch(tmp_path / "x.txt")
