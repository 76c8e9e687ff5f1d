"""What a journal holds after its writer's death, read by the host; and what crashes leave."""

from __future__ import annotations

import fcntl
import mmap
import os
import platform
import shutil
import signal
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from polyvm.host import journal
from polyvm.host.errors import StateFileError
from polyvm.host.journal import Journals, Life
from tests.vm import sanitize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Seeded

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

# As in tests/vm/c/journal_test.c.
THREADS = 3
IDS = 1_000_000
ACCEPTED, FINISHED = 2, 4
LONGEST = 60_000
PATIENCE = 60
BLOCKS_AT = 4096 + 512 * 384


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("journal") / "journal_test"
    (listed,) = (p for p in sanitize.PROGRAM_LIST if p.name == "journal_test")
    files = [str(source) for source in sanitize.sources_of(listed)]
    files.append(str(sanitize.PROGRAMS / "journal_test.c"))
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-rdynamic", "-UNDEBUG"]
    include = [f"-I{sanitize.SOURCES}", f"-I{sanitize.ROOT / 'vm' / 'include'}"]
    include.append(f"-I{sanitize.ENGINE / 'include'}")
    sanitize.run(["gcc", *flags, *include, *files, "-o", str(out), "-lpthread"])
    return out


def mixed(number: int) -> int:
    return number * 0x9E3779B97F4A7C15 % 2**64


def payload(number: int) -> bytes:
    m = mixed(number) >> 40
    size = m % LONGEST if m % 100 == 0 else m % 1500
    return (struct.pack("<Q", mixed(number)) * (size // 8 + 1))[:size]


def write_until_killed(program: Path, path: Path, spins: int) -> dict[int, int]:
    """How far each id came, as its writer saw it."""
    ledger = path.with_name(path.name + ".ledger")
    done = subprocess.run(
        [program, "write", path, ledger, str(spins)], timeout=PATIENCE, check=False
    )
    assert done.returncode == -signal.SIGKILL
    stages = ledger.read_bytes()
    ledger.unlink()
    # each thread writes its ids one after the other, and none is skipped
    return {
        first + i: stage
        for first in range(1, THREADS * IDS, IDS)
        for i, stage in enumerate(stages[first : stages.index(0, first)])
    }


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="little endian")
@pytest.mark.parametrize("turn", range(12))
def test_no_accepted_record_is_lost_or_torn_by_a_kill(
    program: Path, tmp_path: Path, rand: Seeded, turn: int
) -> None:
    spins = rand.randrange(10 ** (turn % 4 + 3))
    stages = write_until_killed(program, tmp_path / "journal", spins)
    life = journal.read(tmp_path / "journal")
    assert life.damaged == 0
    assert not life.orderly
    found = {record.id: record for record in life.unfinished}
    assert len(found) == len(life.unfinished)
    assert {n for n, stage in stages.items() if stage == ACCEPTED} <= found.keys()
    assert not {n for n, stage in stages.items() if stage == FINISHED} & found.keys()
    for number, record in found.items():
        assert number in stages
        assert record.payload == payload(number)
        assert record.tag == 2**64 - 1 - number
        assert (record.accepted_ns, record.deadline_ns) == (number + 1, number + 2)
        assert (record.attempt, record.ids) == (number % 3 + 1, number % 5)
        assert record.task == f"task-{number % 7}"
    if stages:
        assert life.position in {*stages, 0}


def crash(program: Path, folder: Path, kind: str, where: str = "crash") -> tuple[int, Life, str]:
    path, report = folder / "journal", folder / "report"
    done = subprocess.run(
        [program, where, kind, path, report],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, journal.read(path), report.read_text()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("SIGSEGV", "SIGSEGV"),
        ("overflow", "SIGSEGV"),
        ("SIGBUS", "SIGBUS"),
        ("SIGILL", "SIGILL"),
        ("SIGABRT", "SIGABRT"),
        pytest.param(
            "SIGFPE",
            "SIGFPE",
            marks=pytest.mark.skipif(platform.machine() != "x86_64", reason="1/0 is 0"),
        ),
    ],
)
def test_a_crash_names_its_task_and_ends_by_its_signal(
    program: Path, tmp_path: Path, kind: str, name: str
) -> None:
    code, life, report = crash(program, tmp_path, kind)
    number = signal.Signals[name]
    assert code == -number
    (culprit,) = life.culprits
    assert (culprit.signal, culprit.task, culprit.version) == (number, "bad-task", "1.2.3")
    assert (culprit.invocation, culprit.doing, culprit.worker) == (77, "call", 5)
    assert culprit.address == (0xDEAD0 if kind == "SIGSEGV" else culprit.address)
    assert f"signal: {name}," in report
    assert f"thread: {culprit.thread}\ntask: bad-task 1.2.3\ndoing: call\ninvocation: 77" in report
    assert "Python Stack (most recent call first):\n  as the test says" in report
    stack = report.partition("C stack (most recent call first):\n")[2].splitlines()
    assert len(stack) > 2
    assert any("journal_test" in line for line in stack)


def test_a_fault_signal_that_was_only_sent_ends_a_confined_thread_too(
    program: Path, tmp_path: Path
) -> None:
    code, life, report = crash(program, tmp_path, "sent")
    assert code < 0
    assert life.culprits[0].signal == signal.SIGFPE
    assert "signal: SIGFPE" in report


@pytest.mark.parametrize("kind", ["SIGSEGV", "SIGABRT"])
def test_a_crash_of_the_hosts_own_is_nobodys(program: Path, tmp_path: Path, kind: str) -> None:
    code, life, report = crash(program, tmp_path, kind, "host")
    assert code == -signal.Signals[kind]
    assert life.culprits == ()
    assert report == ""


@pytest.fixture
def written(program: Path, tmp_path: Path) -> Path:
    """A journal with some records in it."""
    path = tmp_path / "journal"
    spins = 100_000
    while True:
        write_until_killed(program, path, spins)
        if journal.read(path).unfinished:
            return path
        path.unlink()
        spins *= 2


def change(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(
    ("at", "data", "says"),
    [
        (0, b"x", "is no journal of polyvm"),
        (8, struct.pack("=I", 2), "is a journal of version 2, and this host reads version 1"),
        (12, struct.pack("=I", 0x04030201), "another byte order"),
        (24, struct.pack("=Q", 99), "has a damaged header"),
    ],
)
def test_what_is_no_journal_of_ours_is_refused(
    written: Path, at: int, data: bytes, says: str
) -> None:
    change(written, at, data)
    with pytest.raises(StateFileError, match=f"journal: .*{says}"):
        journal.read(written)


@pytest.mark.parametrize("size", [1, 100, 4096, BLOCKS_AT + 5])
def test_a_journal_of_another_size_is_refused(written: Path, size: int) -> None:
    os.truncate(written, size)
    with pytest.raises(StateFileError, match=str(written)):
        journal.read(written)


def test_damaged_records_are_left_out_and_counted(written: Path, rand: Seeded) -> None:
    before = {record.id: record for record in journal.read(written).unfinished}
    content = bytearray(written.read_bytes())
    for _ in range(200):
        content[rand.randrange(BLOCKS_AT, BLOCKS_AT + len(content) // 8)] ^= rand.randrange(1, 256)
    written.write_bytes(content)
    after = journal.read(written)
    for record in after.unfinished:
        assert before[record.id] == record
    assert len(after.unfinished) + after.damaged <= len(before)


def test_a_damaged_payload_is_noticed(written: Path) -> None:
    life = journal.read(written)
    victim = next(record for record in life.unfinished if 32 < len(record.payload) < 400)
    with written.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        head = data.find(struct.pack("=QQ", victim.id, victim.tag), BLOCKS_AT)
        data[head + 64 + 16 + 20] ^= 1
    after = journal.read(written)
    assert after.damaged == 1
    assert {record.id for record in after.unfinished} == {
        record.id for record in life.unfinished
    } - {victim.id}


@pytest.mark.parametrize("size", [0, 4096, 1 << 20])
def test_a_file_whose_making_was_not_completed_is_empty(tmp_path: Path, size: int) -> None:
    (tmp_path / "journal").write_bytes(bytes(size))
    life = journal.read(tmp_path / "journal")
    assert (life.unfinished, life.threads, life.orderly) == ((), (), True)


@pytest.fixture
def writer(program: Path, tmp_path: Path) -> Iterator[Path]:
    """The journal of a process that lives."""
    path, ledger = tmp_path / "journal", tmp_path / "ledger"
    process = subprocess.Popen([program, "write", path, ledger, str(10**15)])
    while not ledger.exists():
        assert process.poll() is None
    yield path
    process.kill()
    process.wait()


def test_a_journal_in_use_is_not_read(writer: Path) -> None:
    with pytest.raises(StateFileError, match="a running host writes this journal"):
        journal.read(writer)


def test_a_folder_has_one_host_at_a_time(tmp_path: Path) -> None:
    first = Journals(tmp_path / "state")
    with pytest.raises(StateFileError, match="another host keeps its journal here"):
        Journals(tmp_path / "state")
    first.release()
    Journals(tmp_path / "state").release()
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0


def test_lives_follow_one_another(program: Path, tmp_path: Path) -> None:
    journals = Journals(tmp_path)
    assert (journals.epoch, journals.last, journals.unfinished()) == (1, None, [])
    journals.release()
    crash(program, tmp_path, "SIGSEGV")
    (tmp_path / "journal").rename(journals.path)
    (tmp_path / "report").rename(journals.report)

    second = Journals(tmp_path)
    assert second.epoch == 2
    assert second.last is not None
    assert second.last.culprits[0].task == "bad-task"
    assert second.crash_report() == journals.report
    write_until_killed(program, second.path, 1_000_000)
    second.report.touch()
    second.settle()
    assert not journals.path.exists()
    second.release()

    third = Journals(tmp_path)
    assert third.epoch == 3
    assert third.last is not None
    assert third.last.culprits == ()
    assert third.crash_report() is None
    held = {record.id: record for record in third.last.unfinished}
    again = third.unfinished()
    assert [record.id for record in again] == sorted(held)  # accepted_ns follows the id
    assert all(record.attempt == held[record.id].attempt + 1 for record in again)
    # the third dies when it has taken some of it over
    shutil.copy(second.path, third.path)
    third.release()
    fourth = Journals(tmp_path)
    assert [record.id for record in fourth.unfinished()] == sorted(held)
    fourth.path.write_bytes(b"")
    fourth.settle()
    fourth.end()
    assert {path.name for path in tmp_path.iterdir()} == {"journal-000004", "crash-000001.txt"}
    fifth = Journals(tmp_path)
    assert (fifth.epoch, fifth.unfinished()) == (5, [])
    fifth.release()


def test_what_an_orderly_host_gave_up_is_not_run_again(written: Path) -> None:
    assert journal.read(written).unfinished
    folder = written.parent / "state"
    folder.mkdir()
    written.rename(folder / "journal-000001")
    change(folder / "journal-000001", 64, struct.pack("=I", 1))
    journals = Journals(folder)
    assert journals.unfinished() == []
    journals.release()


def test_a_damaged_journal_does_not_leave_the_folder_locked(tmp_path: Path) -> None:
    (tmp_path / "journal-000001").write_bytes(b"something else")
    with pytest.raises(StateFileError, match="is no journal of polyvm"):
        Journals(tmp_path)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
