from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest

from polyvm.host import invocations
from polyvm.host.invocations import Invocation, Invocations, NoSuchTask, NotDone, Stopping
from polyvm.host.registry import Registry
from polyvm.host.switches import Paused, Switches, Verb
from polyvm.vm import Outcome, QueueFull
from tests.host.runner import ManualRunner
from tests.host.test_registry import bundle


class Site:
    """A registry with one task, and invocations of it."""

    def __init__(self, room: int = 10**9) -> None:
        self.runner = ManualRunner(room)
        self.switches = Switches()
        self.registry = Registry(self.runner, self.switches)
        self.registry.deploy(bundle("a"))
        self.stopping = threading.Event()
        self.invocations = Invocations(self.registry, self.stopping.is_set)

    def finish(self, outcome: Outcome = Outcome.DONE, count: int = 10**9) -> list[int]:
        """End what is pending; the tags of what nobody here has submitted."""
        settled = self.registry.settle(self.runner.finish(count, outcome))
        return [completion.tag for completion, _ in self.invocations.hand_out(settled)]


def test_result_and_callback() -> None:
    site = Site()
    invocation = site.invocations.submit("a", {"x": 1})
    called: list[Invocation] = []
    invocation.add_done_callback(called.append)
    assert not invocation.done()
    with pytest.raises(TimeoutError):
        invocation.result(0)
    assert site.finish() == []
    assert invocation.result() == {"x": 1}
    assert called == [invocation]
    invocation.add_done_callback(called.append)
    assert called == [invocation, invocation]


def test_any_other_outcome_raises() -> None:
    site = Site()
    invocation = site.invocations.submit_packed("a", b"why")
    site.finish(Outcome.TIMED_OUT)
    with pytest.raises(NotDone, match="why") as caught:
        invocation.result()
    assert caught.value.outcome == "timed_out"


def test_await_from_a_loop_while_another_thread_collects() -> None:
    site = Site()

    async def ask() -> list[object]:
        asked = [site.invocations.submit("a", number) for number in range(50)]
        threading.Thread(target=site.finish).start()
        return list(await asyncio.gather(*asked))

    assert asyncio.run(ask()) == list(range(50))


def test_giving_up_the_wait_leaves_the_invocation() -> None:
    site = Site()
    invocation = site.invocations.submit("a", 7)

    async def give_up() -> None:
        async with asyncio.timeout(0):
            await invocation.wait()

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    site.finish()
    assert invocation.result() == 7


def test_cancelling_who_awaits_it_cancels_it() -> None:
    site = Site()
    invocation, other = (site.invocations.submit("a", number) for number in range(2))

    async def give_up() -> None:
        async with asyncio.timeout(0):
            await invocation

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    site.finish()
    with pytest.raises(NotDone) as caught:
        invocation.result()
    assert caught.value.outcome == "cancelled"
    assert other.result() == 1


def test_cancel() -> None:
    site = Site()
    invocation = site.invocations.submit("a", 7)
    assert invocation.cancel()
    assert invocation.cancel()  # it has not ended yet
    assert not invocation.done()
    site.finish()
    assert not invocation.cancel()
    with pytest.raises(NotDone) as caught:
        invocation.result()
    assert caught.value.outcome == "cancelled"
    done = site.invocations.submit("a", 8)
    site.finish()
    assert not done.cancel()
    assert done.result() == 8


@pytest.mark.parametrize("error", [ValueError("why"), SystemExit(3)])
def test_a_callback_that_raises_hurts_nobody(
    error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    site = Site()
    first, second = (site.invocations.submit("a", number) for number in range(2))
    called: list[Invocation] = []

    def bad(invocation: Invocation) -> None:
        del invocation
        raise error

    first.add_done_callback(bad)
    first.add_done_callback(called.append)
    second.add_done_callback(called.append)
    site.finish()
    assert called == [first, second]
    assert (first.result(), second.result()) == (0, 1)
    out = capfd.readouterr().out
    assert f"id={first.id}" in out
    assert repr(error) in out


def test_completions_of_others_are_left() -> None:
    site = Site()
    site.registry.submit("a", b"", 1)
    mine = site.invocations.submit("a", None)
    site.registry.submit("a", b"", 2)
    assert site.finish() == [1, 2]
    assert mine.done()


def test_a_refusal_leaves_nothing_behind() -> None:
    site = Site(room=1)
    site.invocations.submit("a", 1)
    with pytest.raises(QueueFull):
        site.invocations.submit("a", 2)
    site.switches.turn("task", "a", Verb.PAUSE)
    with pytest.raises(Paused):
        site.invocations.submit("a", 3)
    with pytest.raises(NoSuchTask, match="'b'"):
        site.invocations.submit("b", 4)
    site.stopping.set()
    with pytest.raises(Stopping):
        site.invocations.submit("a", 5)
    assert site.registry.pending == 1
    assert site.invocations.rejections() == {("a", "full"): 1, ("a", "paused"): 1}


def test_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocations, "KEPT", 3)
    monkeypatch.setattr(invocations, "KEPT_BYTES", 100)
    site = Site()
    asked = [site.invocations.submit("a", number) for number in range(5)]
    assert [site.invocations.find(each.id) for each in asked] == asked
    site.finish()
    assert [site.invocations.find(each.id) for each in asked] == [None, None, *asked[2:]]
    big = site.invocations.submit("a", b"x" * 90)
    site.finish()
    assert [site.invocations.find(each.id) for each in asked] == [None] * 3 + asked[3:]
    assert site.invocations.find(big.id) is big
    huge = site.invocations.submit("a", b"x" * 200)
    site.finish()
    assert site.invocations.find(huge.id) is None
    assert msgspec.msgpack.decode(huge.ended().completion.data) == b"x" * 200


def test_ids_are_not_used_twice() -> None:
    first, second = Site(), Site()
    ids = [site.invocations.submit("a", 0).id for site in (first, second) for _ in range(100)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert max(ids) < 2**64
