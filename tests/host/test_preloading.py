"""Triggers that make tasks ready for what comes next: VMs, chains, models."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import manifest
from polyvm.host.admission import Policy
from polyvm.host.deferred_models import DeferredModels
from polyvm.host.deployment import Deployment, State
from polyvm.host.embedded import Host, Options
from polyvm.host.errors import BundleError, ManifestError
from polyvm.host.models import Entry
from polyvm.host.preloader import Preloader
from polyvm.host.switches import Verb
from tests.conftest import write_task
from tests.e2e.conftest import wait_for
from tests.host.test_events import Stage
from tests.host.test_model_preloading import TASK, dense

if TYPE_CHECKING:
    from collections.abc import Iterator

VIEW = '[[triggers]]\nname = "view"\naction = "preload"\nsequence = [{type = "view"}]\n'
BUY = '[[triggers]]\nname = "buy"\nsequence = [{type = "buy"}]\n'


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.processes.stop(0)
    made.executor.close()


def vms(stage: Stage, task: str) -> int:
    (row,) = (row for row in stage.registry.snapshot() if row.name == task)
    return row.vms


def test_an_event_makes_the_task_ready_for_the_next_one(stage: Stage) -> None:
    stage.deploy("a", VIEW + BUY)
    assert stage.put("view") == ["a.view"]
    assert stage.registry.pending == 1
    assert stage.drain() == []  # it is no result
    assert vms(stage, "a") == 1
    (row,) = stage.registry.snapshot()
    assert (row.runs, row.failures) == (0, 0)
    assert stage.put("view", "buy") == ["a.view", "a.buy"]
    assert stage.registry.pending == 1  # there was nothing to be made ready
    assert [value["trigger"] for value in stage.drain()] == ["buy"]


def test_a_task_that_is_only_preloaded_still_takes_lines(stage: Stage) -> None:
    stage.deploy("a", VIEW)
    assert stage.registry.targets("anything") == ("a",)


def test_the_whole_chain_is_made_ready(stage: Stage) -> None:
    stage.deploy("first", VIEW)
    stage.deploy("second", 'after = ["first"]\n')
    stage.put("view")
    assert stage.drain() == []
    assert (vms(stage, "first"), vms(stage, "second")) == (1, 1)
    stage.registry.withdraw("second")
    stage.deploy("second", 'after = ["first"]\n' + VIEW)
    stage.put("view")
    assert stage.drain() == []


def test_what_is_not_to_be_made_ready(stage: Stage) -> None:
    stage.deploy("a", VIEW)
    stage.deploy("p", 'isolation = "process"\n' + VIEW)
    stage.switches.turn("task", "a", Verb.PAUSE)
    stage.put("view")
    assert stage.registry.pending == 0
    assert stage.registry.firing.refusals() == {("a", "preload"): 1}


def test_a_timer_preloads(stage: Stage) -> None:
    stage.deploy("a", '[[triggers]]\naction = "preload"\nevery = "1h"\nat_start = true\n')
    started, _, _ = stage.registry.firing.tick()
    assert [start.error for start in started] == [None]
    assert stage.drain() == []
    assert vms(stage, "a") == 1


def deployment(number: int = 1) -> Deployment:
    text = 'name = "net"\nversion = "1"\nentry = "main:run"\n'
    return Deployment(number, manifest.parse(text.encode(), "f"))


def deferred(**fields: Any) -> DeferredModels:
    return DeferredModels([Entry(file="m.onnx", **fields)], {"m.onnx": dense()}, Path("net"))


def test_models_are_kept_for_a_while() -> None:
    now = [0]
    preloader = Preloader(threading.Event(), lambda: now[0])
    one, models = deployment(), deferred(keep="10s")
    preloader.want(one, models)
    assert preloader.loaded == []
    preloader.look()
    assert preloader.loaded == ["net"]
    now[0] = 9 * 10**9
    preloader.want(one, models)
    now[0] = 18 * 10**9
    preloader.look()
    assert preloader.loaded == ["net"]
    now[0] = 19 * 10**9
    preloader.look()
    assert preloader.loaded == []
    preloader.want(one, models)
    preloader.look()
    one.state = State.DRAINING
    preloader.look()
    assert preloader.loaded == []


def test_a_model_that_cannot_be_loaded_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    preloader = Preloader(threading.Event())
    broken = DeferredModels([Entry(file="m.onnx")], {"m.onnx": b"nothing"}, Path("net"))
    preloader.want(deployment(), broken)
    preloader.look()
    assert preloader.loaded == []
    assert "models not preloaded" in "".join(capsys.readouterr())
    with pytest.raises(BundleError, match="no such file"):
        DeferredModels([Entry(file="m.onnx")], {}, Path("net"))


def test_an_event_loads_a_model(tmp_path: Path) -> None:
    folder = write_task(tmp_path / "tasks" / "net", TASK)
    (folder / "net").mkdir()
    (folder / "net" / "dense.onnx").write_bytes(dense())
    with (folder / "task.toml").open("a") as file:
        file.write(VIEW + '[[models]]\nfile = "net/dense.onnx"\nload = "preload"\n')
    options = Options(
        tasks=tmp_path / "tasks",
        workers=1,
        packed=tmp_path / "packed",
        policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
    )
    with Host(options) as host:
        preloader = host._service._preloader
        assert preloader.loaded == []
        assert host.event({"event": "view"}).accepted == 1
        wait_for(lambda: preloader.loaded == ["net"], "the model")
        back = host.submit("net", {"x": [[0.0] * 40]}).result()
        assert back["y"] == [[1.0] * 24]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[models]]\nfile = "m"\nload = "later"\n', "one of deploy, preload"),
        ('[[models]]\nfile = "m"\nkeep = "long"\n', "keep of the model 'm' 'long' must be"),
    ],
)
def test_mistakes(text: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        manifest.parse(f'name = "t"\nversion = "1"\nentry = "m:run"\n{text}'.encode(), "f")
