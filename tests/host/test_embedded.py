"""A host inside this process, with a real executor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options
from polyvm.host.errors import MissingError, WriteError
from polyvm.host.invocations import Invocation, NoSuchTask, NotDone, Stopping
from polyvm.host.switches import Disabled, Verb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def options(tmp_path: Path, make_task: Callable[..., Path]) -> Options:
    make_task("echo")
    make_task("fail", "def run(payload):\n    raise ValueError(payload)\n")
    make_task("spin", "def run(payload):\n    while True: pass\n")
    return Options(
        tasks=tmp_path / "tasks",
        workers=1,
        packed=tmp_path / "packed",
        policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
    )


def test_values_go_in_and_come_out(options: Options) -> None:
    with Host(options) as host:
        asked = [host.submit("echo", {"n": number, "raw": b"\0"}) for number in range(100)]
        assert [each.result() for each in asked] == [
            {"n": number, "raw": b"\0"} for number in range(100)
        ]
        with pytest.raises(NotDone, match="ValueError: why") as caught:
            host.submit("fail", "why").result()
        assert caught.value.outcome == "failed"
        with pytest.raises(NotDone) as caught:
            host.submit("spin", None, deadline="20ms").result()
        assert caught.value.outcome == "timed_out"
        with pytest.raises(NoSuchTask):
            host.submit("nope", None)
        host.switches.turn("task", "echo", Verb.DISABLE)
        with pytest.raises(Disabled):
            host.submit("echo", None)
    with pytest.raises(Stopping):
        host.submit("echo", None)


def test_await(options: Options) -> None:
    async def ask(host: Host) -> list[object]:
        return list(await asyncio.gather(*(host.submit("echo", n) for n in range(20))))

    with Host(options) as host:
        assert asyncio.run(ask(host)) == list(range(20))


def test_cancel(options: Options) -> None:
    with Host(options) as host:
        endless, queued = host.submit("spin", None), host.submit("echo", 1)
        assert queued.cancel()
        with pytest.raises(NotDone, match=r"cancelled before it ran|stopped: it was cancelled"):
            queued.result()
        assert endless.cancel()
        with pytest.raises(NotDone) as caught:
            endless.result()
        assert caught.value.outcome == "cancelled"
        assert not endless.cancel()
        assert host.submit("echo", 2).result() == 2


def test_a_task_group_that_fails_cancels_the_others(options: Options) -> None:
    async def ask(host: Host) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait(host.submit("fail", "why")))
            group.create_task(wait(host.submit("spin", None)))

    async def wait(invocation: Invocation) -> None:
        await invocation

    with Host(options) as host:
        with pytest.raises(ExceptionGroup) as caught:
            asyncio.run(ask(host))
        assert [type(each) for each in caught.value.exceptions] == [NotDone]
        assert host.submit("echo", 1).result() == 1  # the only worker is free again


def test_callbacks(options: Options) -> None:
    values: list[object] = []
    errors: list[str] = []
    with Host(options) as host:
        for number in range(5):
            host.submit("echo", number, on_complete=values.append)
        host.submit("fail", "why", on_error=lambda error: errors.append(error.outcome))
        host.submit("spin", 0, deadline="5ms", on_error=lambda error: errors.append(error.outcome))
        host.submit("fail", "nobody listens", on_complete=values.append)
        host.submit("echo", 5, on_complete=lambda value: value // 0)
    assert sorted(values) == list(range(5))
    assert sorted(errors) == ["failed", "timed_out"]


def test_close_finishes_or_cancels(options: Options) -> None:
    host = Host(options)
    asked = [host.submit("echo", number) for number in range(50)]
    host.close()
    assert [each.result(0) for each in asked] == list(range(50))
    host.close()

    host = Host(options)
    endless = host.submit("spin", None)
    host.close(cancel=True)
    with pytest.raises(NotDone) as caught:
        endless.result(0)
    assert caught.value.outcome == "cancelled"


def test_what_ends_a_host_early_is_raised(options: Options, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file or folder"):
        Host(Options(tasks=tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError, match="holds no task that can run"):
        Host(Options(tasks=tmp_path / "empty", input="/dev/null", policy=options.policy))
    with pytest.raises(WriteError):
        Host(Options(tasks=options.tasks, output="/dev/full/x", policy=options.policy))
