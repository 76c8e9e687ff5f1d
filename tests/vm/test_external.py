"""Invocations of tasks that the host runs itself: accepted, told of and collected like all others."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host.journal import read
from polyvm.vm import (
    BreakerOpen,
    Executor,
    ExternalTasks,
    Lane,
    Limits,
    Outcome,
    QueueFull,
    RateLimited,
    StateError,
    Ticket,
    UnknownTask,
    VmError,
)
from tests.vm.programs import ECHO, NIL, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Seeded

HOUR = 3600 * 10**9
PATIENCE = 60
RULES = {"consecutive": 3, "trials": 1, "open_ns": HOUR, "max_open_ns": HOUR}


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Executor, ExternalTasks]]]:
    made: list[Executor] = []

    def start(**options: Any) -> tuple[Executor, ExternalTasks]:
        made.append(Executor(1, **options))
        return made[-1], ExternalTasks(made[-1])

    yield start
    for executor in made:
        executor.close()


def end(external: ExternalTasks, ticket: Ticket, outcome: Outcome, data: bytes = b"") -> None:
    """Run it for no time at all."""
    assert external.start(ticket) is None
    now = time.monotonic_ns()
    external.end(ticket, outcome, data, worker=7, started_ns=now, called_ns=now)


def test_one_comes_out_as_it_was_ended(
    start: Callable[..., tuple[Executor, ExternalTasks]],
) -> None:
    executor, external = start(epoch=5)
    task = external.add("a", Lane.CORE, None)
    before = time.monotonic_ns()
    ticket = external.submit(task, b"payload", tag=3)
    assert before <= ticket.accepted_ns <= time.monotonic_ns()
    assert (ticket.payload, ticket.deadline_ns) == (b"payload", Ticket.FOREVER)
    assert external.start(ticket) is None
    assert executor.stats(task).running == 1
    started = ticket.accepted_ns + 1000
    external.end(
        ticket, Outcome.DONE, b"result", worker=7, started_ns=started, called_ns=started + 2000
    )
    (ended,) = executor.collect()
    assert (ended.tag, ended.task, ended.outcome, ended.worker) == (3, task, Outcome.DONE, 7)
    assert (ended.data, ended.queued_ns, ended.load_ns) == (b"result", 1000, 2000)
    assert (ended.id, ended.attempt) == (ticket.id, 1)
    assert ended.id >> 40 == 5
    stats = executor.stats(task)
    assert (stats.accepted, stats.finished, stats.failed, stats.running) == (1, 1, 0, 0)
    with pytest.raises(VmError):
        external.end(ticket, Outcome.DONE, b"")  # once only


def test_ids_are_shared_with_the_executor_s_own(
    start: Callable[..., tuple[Executor, ExternalTasks]],
) -> None:
    executor, external = start()
    own = executor.add(program(ECHO))
    task = external.add("a", Lane.REGULAR, None)
    assert own != task
    ids = set()
    for _ in range(50):
        ids.add(executor.invoke(own, NIL).id)
        ticket = external.submit(task, b"")
        ids.add(ticket.id)
        end(external, ticket, Outcome.DONE)
    assert len(ids) == 100
    again = external.submit(task, b"", id=77, attempt=3)
    end(external, again, Outcome.DONE)
    assert [(each.id, each.attempt) for each in executor.collect()][-1] == (77, 3)


def test_neither_takes_the_other_s(start: Callable[..., tuple[Executor, ExternalTasks]]) -> None:
    executor, external = start()
    own, task = executor.add(program(ECHO)), external.add("a", Lane.REGULAR, None)
    for refused in (
        lambda: external.submit(own, NIL),
        lambda: executor.submit(task, NIL),
        lambda: executor.invoke(task, NIL),
        lambda: external.submit(task, NIL, priority=101),
        lambda: external.add("", Lane.REGULAR, None),
        lambda: external.add("a" * 129, Lane.REGULAR, None),
        lambda: external.add("a", Lane.REGULAR, None, priority=101),
    ):
        with pytest.raises(VmError, match="out of its range"):
            refused()
    with pytest.raises(UnknownTask):
        external.submit(10**9, NIL)
    assert executor.stats(task).accepted == executor.stats(own).accepted == 0


def test_the_breaker_is_the_one_of_its_name(
    start: Callable[..., tuple[Executor, ExternalTasks]],
) -> None:
    executor, external = start()
    task = external.add("a", Lane.REGULAR, None, breaker=RULES)
    waiting = external.submit(task, b"")
    for outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.CRASHED):
        assert executor.breaker(task).state == 0
        end(external, external.submit(task, b""), outcome)
    assert executor.breaker(task).state == 1
    with pytest.raises(BreakerOpen, match="open after too many failures in a row; try again in"):
        external.submit(task, b"")
    why = external.start(waiting)
    assert why is not None
    assert why.startswith("the task's circuit breaker is open")
    external.end(waiting, Outcome.REJECTED, why.encode())
    assert executor.collect()[-1].outcome is Outcome.REJECTED
    assert executor.stats(task).running == 0
    # What an operator says holds over a change from processes to VMs, and back.
    executor.force_breaker(task, 1)
    executor.withdraw(task)
    own = executor.add(program(ECHO, name="a"), breaker=RULES)
    with pytest.raises(BreakerOpen, match="held open by the operator"):
        executor.submit(own, NIL)
    executor.force_breaker(own, 0)
    task = external.add("a", Lane.REGULAR, None, breaker=RULES)
    end(external, external.submit(task, b""), Outcome.DONE)


def test_rate_and_places_of_the_lane(start: Callable[..., tuple[Executor, ExternalTasks]]) -> None:
    executor, external = start(max_pending=3)
    limited = external.add("a", Lane.LOW, Limits(rate=0.001, burst=2))
    tickets = [external.submit(limited, b"") for _ in range(2)]
    with pytest.raises(RateLimited):
        external.submit(limited, b"")
    free = external.add("b", Lane.LOW, None)
    tickets.append(external.submit(free, b""))
    with pytest.raises(QueueFull):
        external.submit(free, b"")
    other_lane = external.add("c", Lane.CORE, None)
    tickets.append(external.submit(other_lane, b""))
    for ticket in tickets:
        end(external, ticket, Outcome.DONE)
    with pytest.raises(QueueFull):  # the places are free when they were collected
        external.submit(free, b"")
    assert len(executor.collect()) == 4
    end(external, external.submit(free, b""), Outcome.DONE)


def test_deadlines_are_worked_out(start: Callable[..., tuple[Executor, ExternalTasks]]) -> None:
    _, external = start()
    task = external.add("a", Lane.REGULAR, Limits(deadline_ns=HOUR))
    for wanted, span in ((0, HOUR), (7, 7), (2**64 - 1, None)):
        ticket = external.submit(task, b"", deadline_ns=wanted)
        expected = ticket.FOREVER if span is None else ticket.accepted_ns + span
        assert ticket.deadline_ns == expected
        end(external, ticket, Outcome.TIMED_OUT)


def test_order_is_level_then_deadline_then_acceptance(
    start: Callable[..., tuple[Executor, ExternalTasks]], rand: Seeded
) -> None:
    _, external = start()
    task = external.add("a", Lane.REGULAR, None, priority=5)
    tickets = []
    for _ in range(300):
        priority = rand.choice([0, 1, -100, 100])
        deadline = rand.choice([0, HOUR])
        ticket = external.submit(task, b"", priority=priority, deadline_ns=deadline)
        level = ticket.accepted_ns // 100_000_000 - (priority or 5)
        assert ticket.order == (level, ticket.deadline_ns, ticket.accepted_ns)
        tickets.append(ticket)
    for ticket in tickets:
        end(external, ticket, Outcome.DONE)


def test_a_withdrawn_task_ends_what_it_has(
    start: Callable[..., tuple[Executor, ExternalTasks]],
) -> None:
    executor, external = start()
    task = external.add("a", Lane.REGULAR, None)
    ticket = external.submit(task, b"")
    executor.withdraw(task)
    with pytest.raises(UnknownTask):
        external.submit(task, b"")
    end(external, ticket, Outcome.DONE)
    assert executor.stats(task).finished == 1


def test_stop_waits_for_all_tickets(start: Callable[..., tuple[Executor, ExternalTasks]]) -> None:
    executor, external = start()
    task = external.add("a", Lane.REGULAR, None)
    tickets = [external.submit(task, b"") for _ in range(3)]
    stopping = threading.Thread(target=executor.stop, args=(0,))
    stopping.start()
    while True:
        try:
            tickets.append(external.submit(task, b""))
        except StateError:
            break
    assert stopping.is_alive()
    for ticket in tickets:
        external.end(ticket, Outcome.CANCELLED, b"stopped")
    stopping.join(PATIENCE)
    assert not stopping.is_alive()
    assert len(executor.collect(len(tickets))) == len(tickets)
    with pytest.raises(StateError):
        external.add("b", Lane.REGULAR, None)


def test_what_was_accepted_outlives_a_kill(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from polyvm.vm import Executor, ExternalTasks, Lane, Outcome
executor = Executor(1, journal=Path({str(tmp_path / "journal")!r}), epoch=3)
external = ExternalTasks(executor)
task = external.add("outside", Lane.REGULAR, None)
tickets = [external.submit(task, bytes([n]) * n, n) for n in range(1, 101)]
external.submit(task, b"again", 101, id=77, attempt=2, deadline_ns=3600 * 10**9)
for ticket in tickets[:40]:
    external.start(ticket)
    external.end(ticket, Outcome.DONE, b"", started_ns=ticket.accepted_ns)
seen = 0
while seen < 30:
    seen += len(executor.collect(30 - seen))
executor.collect(0 + 5)  # these are not seen to have been dealt with
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=PATIENCE, check=False)
    assert done.returncode == -signal.SIGKILL
    life = read(tmp_path / "journal")
    assert (life.epoch, life.orderly, life.damaged) == (3, False, 0)
    assert [record.tag for record in life.unfinished] == list(range(31, 102))
    for record in life.unfinished[:-1]:
        assert (record.task, record.attempt) == ("outside", 1)
        assert record.payload == bytes([record.tag]) * record.tag
        assert (record.id >> 40, record.deadline_ns) == (3, None)
    last = life.unfinished[-1]
    assert (last.id, last.attempt, last.payload) == (77, 2, b"again")
    assert last.deadline_ns is not None
    assert last.deadline_ns - last.accepted_ns == HOUR
    assert (tmp_path / "journal").stat().st_mode & 0o077 == 0
