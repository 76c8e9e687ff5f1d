"""VMs that are made ready before anybody asks: the task is imported, and not called."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from polyvm.host import journal
from polyvm.vm import ChainNode, Executor, Limits, Outcome
from tests.vm.programs import program, unpack

if TYPE_CHECKING:
    from pathlib import Path

COUNT = "n = 0\ndef run(x):\n    global n\n    n += 1\n    return n\n"


def test_the_task_is_imported_and_not_called() -> None:
    with Executor(1) as executor:
        task = executor.add(program(COUNT), limits=Limits(rate=0.001))
        number = executor.submit(task, b"", 7, warm=True)
        (ended,) = executor.collect(timeout_ms=10_000)
        assert (ended.id, ended.tag, ended.outcome) == (number, 7, Outcome.DONE)
        assert unpack(ended.data) is None
        assert ended.load_ns > 0
        assert executor.stats(task).vms == 1
        executor.submit(task, b"", warm=True)  # not held to the rate, and nothing to do
        (ended,) = executor.collect(timeout_ms=10_000)
        assert ended.load_ns == 0
        done = executor.invoke(task, b"\xc0")
        assert (unpack(done.data), done.load_ns) == (1, 0)


def test_what_cannot_be_imported_says_so() -> None:
    with Executor(1) as executor:
        task = executor.add(program("import nosuchmodule\ndef run(x): pass\n"))
        executor.submit(task, b"", warm=True)
        (ended,) = executor.collect(timeout_ms=10_000)
        assert ended.outcome is Outcome.FAILED
        assert b"nosuchmodule" in bytes(ended.data)


def test_no_chain_and_no_journal(tmp_path: Path) -> None:
    with Executor(1, journal=tmp_path / "journal", epoch=3) as executor:
        first = executor.add(program(COUNT))
        second = executor.add(program(COUNT, name="second"))
        executor.chain(first, [ChainNode(second, (0,))])
        executor.submit(first, b"", warm=True)
        # not collected: what is in the journal would still be there
        shutil.copy(tmp_path / "journal", tmp_path / "copy")
        assert not journal.read(tmp_path / "copy").unfinished
        ended = list(executor.collect(timeout_ms=10_000))
        assert [each.task for each in ended] == [first]
        assert executor.stats(second).vms == 0
