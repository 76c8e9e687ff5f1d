from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from polyvm.host import loader, packer
from polyvm.host.admission import Admission, Policy
from polyvm.host.errors import MissingError
from polyvm.host.watcher import (
    PATIENCE,
    Change,
    Deploy,
    Refused,
    Superseded,
    Watcher,
    Withdraw,
)
from polyvm.vm import info
from tests.host.site import CREATED, Clock, Site

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    return folder


def watch(root: Path) -> Watcher:
    admission = Admission(Policy(), info().bytecode_magic)
    return Watcher(
        root, lambda path: loader.load(path, admission, root.parent / "packed"), admission
    )


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


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def watch_sealed(site: Site, root: Path, clock: Clock | None = None, **policy: bool) -> Watcher:
    admission = site.admission(clock, **policy)
    return Watcher(root, lambda path: site.load(path, admission), admission)


def refusals(changes: list[Change]) -> list[str]:
    return [str(change.error) for change in changes if isinstance(change, Refused)]


def test_sealed_before_plain_and_the_highest_sequence_of_them(
    site: Site, root: Path, version: Callable[[str], Path]
) -> None:
    site.seal(root / "two.bundle", 2, version="1.2")
    site.seal(root / "one.bundle", 1, version="3.0")
    shutil.copy(version("9.0"), root)
    watcher = watch_sealed(site, root)
    assert polled(watcher) == ["+a 1.2"]
    site.seal(root / "three.bundle", 3, version="1.1")
    assert polled(watcher) == ["+a 1.1"]


def test_older_sealed_version_stays_out_when_the_newer_goes(site: Site, root: Path) -> None:
    site.seal(root / "old.bundle", 1)
    newer = site.seal(root / "new.bundle", 2, version="2.0")
    watcher = watch_sealed(site, root)
    assert polled(watcher) == ["+a 2.0"]
    newer.rename(root / "new.away")
    changes = watcher.poll()
    assert told(changes) == ["!old.bundle", "-a"]
    assert "sequence 1 is older than 2" in refusals(changes)[0]
    assert polled(watcher) == []
    (root / "new.away").rename(newer)
    changes = [change for _ in range(3) for change in watcher.poll()]
    assert told(changes) == ["+a 2.0"]
    assert Superseded(root / "old.bundle") in changes


def test_replay_after_a_restart_is_refused_unless_it_is_allowed(site: Site, root: Path) -> None:
    path = site.seal(root / "a.bundle", 1)
    old = path.read_bytes()
    assert polled(watch_sealed(site, root)) == ["+a 1.0"]
    site.seal(path, 2, version="2.0")
    assert polled(watch_sealed(site, root)) == ["+a 2.0"]
    path.write_bytes(old)
    assert polled(watch_sealed(site, root)) == ["!a.bundle"]
    assert polled(watch_sealed(site, root, allow_downgrade=True)) == ["+a 1.0"]
    assert polled(watch_sealed(site, root)) == ["!a.bundle"]


def test_replacement_that_is_older_leaves_the_newer_live(site: Site, root: Path) -> None:
    path = site.seal(root / "a.bundle", 1)
    old = path.read_bytes()
    site.seal(path, 2, version="2.0")
    watcher = watch_sealed(site, root)
    assert polled(watcher) == ["+a 2.0"]
    path.write_bytes(old)
    assert polled(watcher) == ["!a.bundle"]
    site.seal(path, 3, version="3.0")
    assert polled(watcher) == ["+a 3.0"]
    path.write_bytes(old)
    assert polled(watcher) == ["!a.bundle"]
    site.keyring.revoke(site.publisher.id)
    assert "-a" in polled(watcher, 1)


def test_revoked_publisher_s_tasks_are_withdrawn_and_no_others(site: Site, root: Path) -> None:
    other = site.new_publisher()
    site.seal(root / "a.bundle", 1)
    site.seal(root / "b.bundle", 1, name="b", publisher=other)
    watcher = watch_sealed(site, root)
    assert polled(watcher) == ["+a 1.0", "+b 1.0"]
    revocation = site.keyring.revoke(site.publisher.id, "stolen")
    changes = watcher.poll()
    assert told(changes) == ["!a.bundle", "-a"]
    assert "stolen" in refusals(changes)[0]
    assert polled(watcher) == []
    revocation.unlink()
    assert polled(watcher) == ["+a 1.0"]


def test_revoking_works_while_the_tasks_folder_is_away(site: Site, root: Path) -> None:
    site.seal(root / "a.bundle", 1)
    watcher = watch_sealed(site, root)
    watcher.poll()
    root.rename(root.parent / "moved")
    site.keyring.revoke(site.publisher.id)
    assert told(watcher.poll()) == ["!a.bundle", "!tasks", "-a"]


def test_bundle_of_an_unknown_publisher_is_taken_once_it_is_trusted(site: Site, root: Path) -> None:
    stranger = site.new_publisher(trusted=False)
    site.seal(root / "a.bundle", 1, publisher=stranger)
    watcher = watch_sealed(site, root)
    assert polled(watcher, 10) == ["!a.bundle"]
    site.new_publisher()
    assert polled(watcher, 10) == []
    site.trust(stranger)
    assert polled(watcher) == ["+a 1.0"]


def test_nothing_sealed_runs_while_the_key_folder_is_open_to_others(
    site: Site, root: Path, make_task: Callable[..., Path]
) -> None:
    site.seal(root / "a.bundle", 1)
    make_task("plain")
    watcher = watch_sealed(site, root)
    assert polled(watcher) == ["+a 1.0", "+plain 1.0.0"]
    (site.keys / "trusted").chmod(0o777)
    changes = watcher.poll()
    assert told(changes) == ["!a.bundle", "-a"]
    assert "run `chmod go-w" in refusals(changes)[0]
    assert polled(watcher) == []
    (site.keys / "trusted").chmod(0o700)
    assert polled(watcher) == ["+a 1.0"]


def test_bundle_that_expires_while_live_is_withdrawn(site: Site, root: Path) -> None:
    clock = Clock()
    site.seal(root / "a.bundle", 1, expires=CREATED + 60)
    watcher = watch_sealed(site, root, clock)
    assert polled(watcher) == ["+a 1.0"]
    clock.seconds += 59
    assert polled(watcher) == []
    clock.seconds += 1
    changes = watcher.poll()
    assert told(changes) == ["!a.bundle", "-a"]
    assert "expired on" in refusals(changes)[0]
    clock.seconds -= 60
    assert polled(watcher) == []
    site.seal(root / "a.bundle", 2, expires=CREATED + 61)
    assert polled(watcher) == ["+a 1.0"]


def test_what_cannot_be_remembered_does_not_go_live_until_it_can(site: Site, root: Path) -> None:
    site.seal(root / "a.bundle", 1)
    watcher = watch_sealed(site, root)
    site.state.write_text("a file where the folder belongs")
    assert polled(watcher) == ["!a.bundle"]
    site.state.unlink()
    assert polled(watcher) == ["+a 1.0"]


def test_same_sequence_twice(site: Site, root: Path) -> None:
    """A copy is the same bundle; another bundle with its sequence cannot follow it."""
    first = site.seal(root / "a.bundle", 5)
    watcher = watch_sealed(site, root)
    assert polled(watcher) == ["+a 1.0"]
    copy = Path(shutil.copy(first, root / "copy.bundle"))
    assert {word for word in polled(watcher) if word != "+a 1.0"} == set()
    first.unlink()
    assert {word for word in polled(watcher) if word != "+a 1.0"} == set()
    site.seal(root / "other.bundle", 5, version="2.0")
    assert polled(watcher) == ["!other.bundle"]
    copy.unlink()
    assert polled(watcher) == ["-a"]


def test_plain_tasks_are_refused_where_sealed_ones_are_required(
    site: Site, root: Path, version: Callable[[str], Path], make_task: Callable[..., Path]
) -> None:
    shutil.copy(version("2.0"), root / "a.bundle")
    make_task("source")
    site.seal(root / "sealed.bundle", 1, name="b")
    watcher = watch_sealed(site, root, require_sealed=True)
    assert polled(watcher, 10) == ["+b 1.0", "!a.bundle", "!source"]


def test_half_written_sealed_file_is_no_error_once_it_is_whole(site: Site, root: Path) -> None:
    content = site.seal(root / "a.away", 1).read_bytes()
    watcher = watch_sealed(site, root)
    watcher.poll()
    said = []
    with (root / "a.bundle").open("wb", buffering=0) as file:
        for start in range(0, len(content), 50):
            file.write(content[start : start + 50])
            said += told(watcher.poll())
    assert said == []
    assert polled(watcher) == ["+a 1.0"]
