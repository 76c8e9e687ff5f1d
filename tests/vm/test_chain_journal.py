"""Chains in the journal: a graph is one record, and goes on under its ids."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from polyvm.host import journal
from polyvm.vm import ChainNode, Executor
from tests.vm.endless import FOREVER
from tests.vm.graphs import CONTINUE, add, ended, outcomes, settled
from tests.vm.programs import NIL, apart, unpack

if TYPE_CHECKING:
    from pathlib import Path


def unfinished(path: Path) -> list[journal.Unfinished]:
    return list(journal.read(path).unfinished)


def test_killed_in_the_middle_the_graph_is_one_record(tmp_path: Path) -> None:
    source = f"""
        import os, signal, sys
        from pathlib import Path
        from polyvm.vm import ChainNode, Executor
        from tests.vm.programs import ECHO, pack, program, until
        executor = Executor(1, journal=Path(sys.argv[1]), epoch=3)
        a = executor.add(program(ECHO, name="a"))
        b = executor.add(program({FOREVER!r}, name="b"))
        c = executor.add(program(ECHO, name="c"))
        executor.chain(a, [ChainNode(b, (0,)), ChainNode(c, (1,))])
        executor.submit(a, pack("kept"), tag=4)
        while not executor.collect():
            pass
        executor.collect(timeout_ms=0)  # the first one's completion was collected, and seen
        until(lambda: executor.stats(b).running == 1)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = apart(source, str(tmp_path / "journal"))
    assert done.returncode == -signal.SIGKILL, done
    (record,) = unfinished(tmp_path / "journal")
    assert (record.task, record.tag, record.ids, record.crashed) == ("a", 4, 3, 0)
    assert unpack(record.payload) == "kept"


def test_a_graph_goes_on_under_its_ids(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Executor(1, journal=path, epoch=6) as executor:
        a, b, c, d = tasks = add(executor, "a b c d")
        nodes = [ChainNode(b, (0,)), ChainNode(c, (0,)), ChainNode(d, (1, 2), CONTINUE)]
        executor.chain(a, nodes)
        old = (5 << 40) + 9
        executor.submit(a, NIL, tag=3, id=old, attempt=2, ids=3, crashed=0b100)
        completions = ended(executor, tasks)
        assert [each.id for each in completions[:3]] == [old, old + 1, old + 2]
        assert completions[3].id >> 40 == 6  # it was not of the chain before: its id is new
        assert {(each.attempt, each.trigger) for each in completions} == {(2, old)}
        assert outcomes(completions) == ["done", "done", "crashed", "done"]
        assert completions[2].data == b"the host's process ended while it ran"
        assert unpack(completions[3].data)["failures"] == {"c": "crashed"}
        executor.submit(a, NIL, id=old, attempt=3, ids=3, crashed=0b1)
        assert outcomes(ended(executor, tasks)) == ["crashed", "cancelled", "cancelled", "done"]
        executor.collect(timeout_ms=0)
        settled(executor, *tasks)
    assert (journal.read(path).orderly, unfinished(path)) == (True, [])


def test_what_crashed_is_remembered(tmp_path: Path) -> None:
    source = """
        import os, signal, sys
        from pathlib import Path
        from polyvm.vm import ChainNode, Executor
        from tests.vm.programs import ECHO, NIL, program
        executor = Executor(1, journal=Path(sys.argv[1]), epoch=3)
        a, b = (executor.add(program(ECHO, name=name)) for name in "ab")
        executor.chain(a, [ChainNode(b, (0,))])
        executor.submit(a, NIL, id=77, attempt=4, ids=2, crashed=2)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = apart(source, str(tmp_path / "journal"))
    assert done.returncode == -signal.SIGKILL, done
    (record,) = unfinished(tmp_path / "journal")
    assert (record.id, record.attempt, record.ids, record.crashed) == (77, 4, 2, 2)
