"""What tasks on an executor's workers can open, and what their permissions change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Outcome, Vm, VmError, info
from tests.vm.programs import NIL, pack, program, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(info().landlock_abi == 0, reason="the kernel has no Landlock")

TRY = """
import os

def attempt(action):
    try:
        return action()
    except OSError as error:
        return type(error).__name__

def put(path, text):
    with open(path, "w") as file:
        return file.write(text)

def run(folder):
    return {
        "read": attempt(lambda: open(folder + "/old").read()),
        "list": attempt(lambda: sorted(os.listdir(folder))),
        "write": attempt(lambda: put(folder + "/old", "new")),
        "make": attempt(lambda: put(folder + "/made", "new")),
        "remove": attempt(lambda: os.remove(folder + "/gone")),
        "elsewhere": attempt(lambda: open("/etc/passwd").read()),
        "null": attempt(lambda: put("/dev/null", "x")),
    }
"""
DENIED = "PermissionError"


@pytest.fixture
def executor() -> Iterator[Executor]:
    with Executor(1) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old").write_text("old")
    (tmp_path / "gone").write_text("")
    return tmp_path


def tried(executor: Executor, folder: Path, **permissions: list[str]) -> dict[str, object]:
    task = executor.add(program(TRY, **permissions))
    ended = executor.invoke(task, pack(str(folder)))
    assert ended.outcome is Outcome.DONE, ended.data.decode()
    values: dict[str, object] = unpack(ended.data)
    return values


def test_without_permissions_no_file_can_be_opened(executor: Executor, folder: Path) -> None:
    values = tried(executor, folder)
    assert values.pop("null") == 1
    assert set(values.values()) == {DENIED}
    assert sorted(path.name for path in folder.iterdir()) == ["gone", "old"]


def test_reading_is_not_writing(executor: Executor, folder: Path) -> None:
    values = tried(executor, folder, read=[str(folder)])
    assert (values["read"], values["list"]) == ("old", ["gone", "old"])
    assert {values[key] for key in ("write", "make", "remove", "elsewhere")} == {DENIED}
    assert (folder / "old").read_text() == "old"


def test_writing_is_reading_too(executor: Executor, folder: Path) -> None:
    values = tried(executor, folder, write=[str(folder)])
    assert (values["read"], values["write"], values["make"]) == ("old", 3, 3)
    assert values["remove"] is None
    assert values["elsewhere"] == DENIED
    assert sorted(path.name for path in folder.iterdir()) == ["made", "old"]


def test_one_file_alone(executor: Executor, folder: Path) -> None:
    values = tried(executor, folder, read=[str(folder / "old")])
    assert values["read"] == "old"
    assert values["list"] == DENIED


def test_a_link_out_of_the_folder_is_no_way_out(executor: Executor, folder: Path) -> None:
    (folder / "old").unlink()
    (folder / "old").symlink_to("/etc/passwd")
    assert tried(executor, folder, read=[str(folder)])["read"] == DENIED


def test_tasks_of_other_permissions_side_by_side(executor: Executor, folder: Path) -> None:
    """Each set of permissions has threads of its own; equal sets share them."""
    first = executor.add(program(TRY, name="a", read=[str(folder), "/dev/null"]))
    second = executor.add(program(TRY, name="b"))
    third = executor.add(program(TRY, name="c", read=["/dev/null", str(folder)]))
    ended = [executor.invoke(task, pack(str(folder))) for task in (first, second, third)]
    assert [unpack(each.data)["read"] for each in ended] == ["old", DENIED, "old"]
    assert ended[0].worker == ended[2].worker != ended[1].worker


def test_a_path_that_is_not_there(executor: Executor, folder: Path) -> None:
    with pytest.raises(VmError, match=r"reading is permitted to '.*/none': No such file"):
        executor.add(program(TRY, read=[str(folder / "none")]))
    assert tried(executor, folder)["read"] == DENIED  # the executor goes on


def test_too_many_sets_of_permissions(executor: Executor, tmp_path: Path) -> None:
    for number in range(255):
        (tmp_path / str(number)).mkdir()
        executor.add(program(TRY, read=[str(tmp_path / str(number))]))
    with pytest.raises(VmError, match="let tasks share permissions, or start fewer workers"):
        executor.add(program(TRY, read=[str(tmp_path)]))
    last = executor.add(program("def run(x): return 1", read=[str(tmp_path / "254")]))
    assert unpack(executor.invoke(last, NIL).data) == 1


def test_paths_are_absolute() -> None:
    with pytest.raises(VmError, match="out of its range"):
        program(TRY, read=["etc"])


def test_time_zones_work(executor: Executor) -> None:
    source = """
        import datetime, zoneinfo
        def run(name):
            day = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo(name))
            return day.utcoffset().total_seconds()
    """
    ended = executor.invoke(executor.add(program(source)), pack("Europe/Paris"))
    if b"No time zone found" in ended.data:
        pytest.skip("no time zone database here")
    assert unpack(ended.data) == 7200


def test_confinement_can_be_left_out(folder: Path) -> None:
    with Executor(1, confine=False) as executor:
        assert tried(executor, folder)["read"] == "old"


def test_the_host_is_not_confined(executor: Executor, folder: Path) -> None:
    tried(executor, folder)
    assert (folder / "old").read_text() == "old"
    with Vm() as vm:  # nor is a VM on a thread of the host's
        vm.load(program(TRY))
        outcome, data = vm.call(pack(str(folder)))
    assert (outcome, unpack(data)["read"]) == (Outcome.DONE, "old")
