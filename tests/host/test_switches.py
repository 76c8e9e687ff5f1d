from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from polyvm.host.errors import MissingError, SwitchFileError
from polyvm.host.registry import Registry
from polyvm.host.switches import Disabled, Paused, Setting, Switches, SwitchFile, Verb
from tests.conftest import Seeded
from tests.host.runner import ManualRunner
from tests.host.test_registry import bundle


def test_verbs_are_two_switches() -> None:
    switches = Switches()
    assert switches.turn("task", "a", Verb.DISABLE) == Setting(enabled=False)
    assert switches.turn("task", "a", Verb.PAUSE) == Setting(enabled=False, paused=True)
    assert switches.turn("task", "a", Verb.RESUME) == Setting(enabled=False)
    assert switches.turn("task", "a", Verb.ENABLE) == Setting()
    assert not switches.is_off("task", "a")


def test_what_is_off_takes_no_work() -> None:
    switches = Switches()
    runner = ManualRunner()
    registry = Registry(runner, switches)
    registry.deploy(bundle("a"))
    registry.deploy(bundle("b"))
    assert registry.targets(None) == ("a", "b")

    switches.turn("task", "a", Verb.PAUSE)
    with pytest.raises(Paused, match="task a is paused"):
        registry.submit("a", b"", 1)
    assert registry.submit("b", b"", 2)
    assert registry.targets(None) == ("a", "b")  # whoever feeds it waits

    switches.turn("task", "a", Verb.DISABLE)
    with pytest.raises(Disabled, match="task a is disabled"):
        registry.submit("a", b"", 3)
    assert registry.targets(None) == ("b",)

    registry.deploy(bundle("a", version="2.0"))
    assert registry.targets(None) == ("b",)
    switches.turn("task", "a", Verb.ENABLE)
    switches.turn("task", "a", Verb.RESUME)
    assert set(registry.targets(None)) == {"a", "b"}

    switches.turn("lane", "regular", Verb.DISABLE)
    assert registry.targets(None) == ()
    with pytest.raises(Disabled, match="lane regular is disabled"):
        registry.submit("b", b"", 4)
    assert registry.pending == 1  # what was accepted goes on
    assert [completion.tag for completion, _ in registry.settle(runner.finish())] == [2]


def test_switches_turn_safely_from_many_threads(rand: Seeded) -> None:
    switches = Switches()
    registry = Registry(ManualRunner(), switches)
    names = [f"t{number}" for number in range(8)]
    for name in names:
        registry.deploy(bundle(name))
    seeds = [rand.random() for _ in names]

    def turn(name: str, seed: float) -> None:
        mine = Seeded(int(seed * 2**32))
        for _ in range(200):
            switches.turn("task", name, mine.choice(list(Verb)))
            registry.targets(None)
        switches.turn("task", name, Verb.DISABLE)

    threads = [threading.Thread(target=turn, args=pair) for pair in zip(names, seeds, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(switches.setting("task", name).enabled for name in names)
    assert registry.targets(None) == ()


def write(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)


def test_a_changed_file_sets_all_anew(tmp_path: Path) -> None:
    path, switches = tmp_path / "switches.toml", Switches()
    write(path, "[tasks.a]\nenabled = false\n[lanes.low]\npaused = true\n")
    file = SwitchFile(path, switches)
    assert switches.setting("task", "a") == Setting(enabled=False)
    assert switches.setting("lane", "low") == Setting(paused=True)

    switches.turn("task", "b", Verb.PAUSE)
    assert not file.poll()
    assert switches.is_off("task", "b")

    write(path, "[tasks.a]\npaused = true\n")
    assert file.poll()
    assert switches.setting("task", "a") == Setting(paused=True)
    assert not switches.is_off("task", "b")
    assert not switches.is_off("lane", "low")


@pytest.mark.parametrize(
    "text",
    [
        "tasks = [",
        "[tasks.a]\nenabled = 1\n",
        "[tasks.a]\non = true\n",
        "[lanes.fast]\npaused = true\n",
        "[task.a]\npaused = true\n",
    ],
)
def test_a_bad_file_changes_nothing_and_is_told_once(tmp_path: Path, text: str) -> None:
    path, switches = tmp_path / "switches.toml", Switches()
    write(path, "[tasks.a]\nenabled = false\n")
    file = SwitchFile(path, switches)
    write(path, text)
    with pytest.raises(SwitchFileError, match=r"switches\.toml"):
        file.poll()
    assert not file.poll()
    assert switches.setting("task", "a") == Setting(enabled=False)
    with pytest.raises(SwitchFileError):
        SwitchFile(path, switches)


def test_a_lost_file_changes_nothing_and_is_told_once(tmp_path: Path) -> None:
    path, switches = tmp_path / "switches.toml", Switches()
    write(path, "[tasks.a]\nenabled = false\n")
    file = SwitchFile(path, switches)
    path.unlink()
    with pytest.raises(MissingError, match="switches stay as they are"):
        file.poll()
    assert not file.poll()
    assert switches.is_off("task", "a")
    write(path, "")
    assert file.poll()
    assert not switches.is_off("task", "a")
