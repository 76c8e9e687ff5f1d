"""What an executor leaves behind when its process dies, and how the next one goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING

import pytest

from polyvm.host import journal
from polyvm.vm import (
    DecodeError,
    EventStore,
    Executor,
    Ingestion,
    Level,
    Outcome,
    QueueFull,
    VmError,
)
from tests.vm.programs import ECHO, NIL, apart, apart_ok, pack, program, unpack

if TYPE_CHECKING:
    from pathlib import Path

# Bytecode that no compiler writes, made at run time: a constant that is not there.
CRASH = """
def run(x):
    broken = lambda: None
    broken.__code__ = broken.__code__.replace(
        co_consts=(), co_code=bytes([149, 0, 83, 255, 36, 0])
    )
    return broken()
"""


def test_a_crash_says_where_and_keeps_what_was_accepted(tmp_path: Path) -> None:
    done = apart(
        f"""
        import sys
        from pathlib import Path
        from polyvm.vm import Executor, report_crashes
        from tests.vm.programs import ECHO, NIL, pack, program, until
        folder = Path(sys.argv[1])
        report_crashes(folder / "report")
        executor = Executor(2, journal=folder / "journal", epoch=5)
        good = executor.add(program(ECHO, name="good"))
        bad = executor.add(program({CRASH!r}, name="bad"))
        for tag in range(3):
            executor.submit(good, NIL, tag=tag)
        collected = 0
        while collected < 3:
            collected += len(executor.collect())
        executor.collect(timeout_ms=0)
        executor.submit(good, pack("waits to be collected"), tag=7, deadline_ns=10**12)
        until(lambda: executor.stats(good).finished == 4)
        executor.submit(bad, pack(13), tag=8)
        until(lambda: False)
        """,
        str(tmp_path),
    )
    assert done.returncode == -signal.SIGSEGV, done
    life = journal.read(tmp_path / "journal")
    assert (life.epoch, life.orderly, life.damaged) == (5, False, 0)
    kept = {record.task: record for record in life.unfinished}
    assert set(kept) == {"good", "bad"}
    assert (kept["good"].tag, unpack(kept["good"].payload)) == (7, "waits to be collected")
    assert kept["good"].deadline_ns is not None
    assert (kept["bad"].tag, kept["bad"].attempt, kept["bad"].id >> 40) == (8, 1, 5)
    (culprit,) = life.culprits
    assert (culprit.task, culprit.doing, culprit.signal) == ("bad", "call", signal.SIGSEGV)
    assert culprit.invocation == kept["bad"].id
    report = (tmp_path / "report").read_text()
    assert "signal: SIGSEGV" in report
    assert "task: bad 1.0.0" in report
    assert 'File "bad/main.py", line 3 in <lambda>' in report
    assert 'File "bad/main.py", line 7 in run' in report
    assert "C stack" in report


def test_what_was_accepted_goes_on_under_its_id(tmp_path: Path) -> None:
    with Executor(1, journal=tmp_path / "second", epoch=6) as executor:
        task = executor.add(program(ECHO))
        executor.submit(task, pack("again"), tag=3, id=(5 << 40) + 9, attempt=2)
        executor.submit(task, pack("new"), tag=4)
        ended = {}
        while len(ended) < 2:
            ended |= {each.tag: each for each in executor.collect()}
        again, new = ended[3], ended[4]
        assert (again.id, again.attempt, unpack(again.data)) == ((5 << 40) + 9, 2, "again")
        assert (new.id >> 40, new.attempt) == (6, 1)
        executor.collect(timeout_ms=0)
        executor.note_position(17)
    life = journal.read(tmp_path / "second")
    assert (life.orderly, life.position, life.unfinished) == (True, 17, ())


def test_ids_are_unique_without_a_journal_as_well() -> None:
    with Executor(2) as executor:
        task = executor.add(program(ECHO))
        executor.submit_many(task, [NIL] * 500)
        seen = {executor.invoke(task, NIL).id for _ in range(100)}
        while len(seen) < 600:
            seen |= {each.id for each in executor.collect()}
    assert 0 not in seen
    assert len(seen) == 600


def test_killed_between_collecting_and_looking(tmp_path: Path) -> None:
    """What one collection handed out is kept until the next: its receiver may have died."""
    source = """
        import os, signal, sys
        from pathlib import Path
        from polyvm.vm import Executor
        from tests.vm.programs import ECHO, NIL, program
        executor = Executor(1, journal=Path(sys.argv[1]), epoch=1)
        task = executor.add(program(ECHO))
        for tag in range(5):
            executor.submit(task, NIL, tag=tag)
        collected = 0
        while collected < 5:
            collected += len(executor.collect(1))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = apart(source, str(tmp_path / "journal"))
    assert done.returncode == -signal.SIGKILL
    assert [each.tag for each in journal.read(tmp_path / "journal").unfinished] == [4]


def test_a_full_journal_is_back_pressure(tmp_path: Path) -> None:
    with Executor(1, journal=tmp_path / "j", journal_bytes=2**20, epoch=1) as executor:
        task = executor.add(program(ECHO))
        payload = bytes([0xC5, 0x80, 0x00]) + bytes(0x8000)
        with pytest.raises(QueueFull):
            deque((executor.submit(task, payload) for _ in range(100)), maxlen=0)
        with pytest.raises(VmError, match="out of its range"):
            executor.submit(task, bytes(2**21))
        outcomes = [each.outcome for each in executor.collect()]
        while executor.stats(task).finished > len(outcomes):
            outcomes += [each.outcome for each in executor.collect()]
        executor.collect(timeout_ms=0)
        executor.submit(task, NIL)
    assert set(outcomes) == {Outcome.DONE}


def test_a_journal_that_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("something else")
    with pytest.raises(VmError, match="File exists"):
        Executor(1, journal=tmp_path / "j", epoch=1)
    assert (tmp_path / "j").read_text() == "something else"


def test_the_host_s_own_fault_handler_still_works(tmp_path: Path) -> None:
    """A fault on a thread that runs no VM takes the course it had before."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import ctypes, faulthandler, sys\n"
            "from pathlib import Path\n"
            "faulthandler.enable()\n"
            "from polyvm.vm import Executor, report_crashes\n"
            "report_crashes(Path(sys.argv[1]))\n"
            "executor = Executor(1)\n"
            "ctypes.string_at(0)\n",
            str(tmp_path / "report"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in done.stderr
    assert (tmp_path / "report").read_text() == ""


def test_reports_are_installed_once() -> None:
    out = apart_ok(
        """
        from polyvm.vm import StateError, report_crashes
        report_crashes(None)
        try:
            report_crashes(None)
        except StateError as error:
            print("once")
        """
    )
    assert out == "once\n"


def test_lines_that_are_done_with_are_the_position(tmp_path: Path) -> None:
    lines = b'{"a": 1}\n\n{"a": 2}\n{"a": 3}\nnonsense\n{"a": 4}\n'
    options: Ingestion = {"lines": True, "attended": True, "first_tag": 11}
    with Executor(1, journal=tmp_path / "noted") as executor:
        batch = executor.triggers.ingest(lines, **options, positions=True)
        assert (batch.taken, lines[batch.consumed :]) == (3, b'nonsense\n{"a": 4}\n')
        assert isinstance(batch.error, DecodeError)
    assert journal.read(tmp_path / "noted").position == 13  # the last one is the caller's to note
    with Executor(1, journal=tmp_path / "not") as executor:
        executor.triggers.ingest(lines, **options)
    assert journal.read(tmp_path / "not").position == 0
    store = EventStore(tmp_path / "store", level=Level.SYNCED)
    with Executor(1, journal=tmp_path / "synced") as executor:
        executor.triggers.configure(store=store.handle)
        executor.triggers.ingest(b'{"a": 1}', lines=True)
        executor.triggers.ingest(lines, **options, positions=True)
    store.close()
    assert journal.read(tmp_path / "synced").position == 0  # no event is ahead of the disk
