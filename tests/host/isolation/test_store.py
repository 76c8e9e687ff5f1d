"""What processes of tasks ask of the host's store, when things do not go as they should."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from polyvm.host import store_requests
from polyvm.host.admission import Policy
from polyvm.host.embedded import Host, Options
from polyvm.host.event_store import Keeping
from polyvm.host.features import FeatureTables
from polyvm.host.invocations import NotDone
from polyvm.host.isolation_store import StoreLine
from polyvm.host.store_requests import Append, Done, FindTable, GetRows, PutRow, Refused
from polyvm.host.store_server import StoreServer, Taken
from tests.conftest import write_task
from tests.host.isolation.bench import descriptors, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TABLE = '\n[[tables]]\nname = "rows"\n'


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(main: str, more: str = "") -> Host:
        folder = write_task(tmp_path / "tasks" / "does", main, isolation="process")
        with (folder / "task.toml").open("a") as file:
            file.write(more + TABLE)
        made.append(
            Host(
                Options(
                    tasks=tmp_path / "tasks",
                    workers=1,
                    packed=tmp_path / "packed",
                    policy=Policy(keys=tmp_path / "keys", state=tmp_path / "state"),
                    keeping=Keeping(folder=tmp_path / "kept"),
                )
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_process_killed_while_it_asks(host: Callable[..., Host]) -> None:
    """Whatever it was in the middle of: the host goes on, and what was answered is there."""
    running = host(
        """
        import os, polyvm
        rows = polyvm.features("rows")
        def run(n):
            if n is None:
                return rows.get("last")
            while True:
                rows.put("last", {"n": n, "pid": os.getpid()})
                polyvm.append([{"event": "a", "pad": "x" * 10_000}] * 10)
                n += 1
        """,
        "[breaker]\ncrashes = 0\nconsecutive = 0\n",
    )
    for start in range(0, 50_000, 10_000):
        submitted = running.submit("does", start)

        def begun(start: int = start) -> bool:
            row = running.features.get("rows", "last")
            return row is not None and row.values["n"] > start

        wait_until(begun, "a row")
        row = running.features.get("rows", "last")
        assert row is not None
        os.kill(row.values["pid"], signal.SIGKILL)
        with pytest.raises(NotDone, match="SIGKILL") as caught:
            submitted.result()
        assert caught.value.outcome == "crashed"
        seen = running.submit("does", None).result()
        assert seen["n"] >= row.values["n"]


def test_its_own_children_are_refused(host: Callable[..., Host]) -> None:
    running = host("""
        import os, polyvm
        rows = polyvm.features("rows")
        def run(_):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    rows.get("a")
                except RuntimeError as error:
                    os.write(writer, str(error).encode())
                os._exit(0)
            os.waitpid(child, 0)
            rows.put("a", {"n": 1})
            return [os.read(reader, 1000).decode(), rows.get("a")]
        """)
    why, row = running.submit("does", None).result()
    assert "not of one that it has started" in why
    assert row == {"n": 1}


def test_threads_of_a_task_ask_at_once(host: Callable[..., Host]) -> None:
    running = host("""
        import threading, polyvm
        rows = polyvm.features("rows")
        def run(_):
            wrong = []
            def work(name):
                for n in range(200):
                    rows.put(name, {"n": n})
                    if rows.get(name) != {"n": n}:
                        wrong.append((name, n))
            threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            return [wrong, rows.get_many([f"t{i}" for i in range(8)])]
        """)
    assert running.submit("does", None).result() == [[], [{"n": 199}] * 8]


def test_who_is_interrupted_while_asking_gets_a_new_process(host: Callable[..., Host]) -> None:
    """The answer that comes late must not be taken for the next one's."""
    running = host("""
        import os, signal, polyvm
        rows = polyvm.features("rows")
        class Late(Exception): pass
        def late(*_): raise Late
        def run(interrupted):
            if not interrupted:
                return [os.getpid(), rows.get("a")]
            rows.put("a", {"n": 1})
            signal.signal(signal.SIGALRM, late)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.002)
                while True: rows.get("b")
            except Late:
                pass
            try:
                return [os.getpid(), rows.get("a")]
            except RuntimeError:
                return [os.getpid(), "refused"]
        """)
    for _ in range(5):
        first, seen = running.submit("does", True).result()
        assert seen in ({"n": 1}, "refused")
        second, row = running.submit("does", False).result()
        assert row == {"n": 1}
        assert seen != "refused" or first != second


def test_what_is_too_long_is_refused(host: Callable[..., Host]) -> None:
    running = host("""
        import polyvm
        def run(_):
            seen = []
            for ask in (
                lambda: polyvm.append([{"event": "a", "pad": "x" * 2**20}] * 40),
                lambda: polyvm.events(most=10**6),
                lambda: len(polyvm.events(most=3)),
            ):
                try:
                    seen.append(ask())
                except MemoryError as error:
                    seen.append(str(error))
            return seen
        """)
    pad = "x" * 2**20
    for _ in range(70):
        running.event({"event": "a", "pad": pad})
    appended, listed, few = running.submit("does", None).result()
    assert "are appended in parts" in appended
    assert listed.startswith("the answer takes more than")
    assert few == 3


def test_events_that_a_process_appends_start_tasks(
    host: Callable[..., Host], make_task: Callable[..., Path]
) -> None:
    folder = make_task(
        "counts",
        "import polyvm\nrows = polyvm.features('rows')\n"
        "def run(start):\n    rows.put(start['event']['n'], {'n': start['event']['n']})\n",
    )
    with (folder / "task.toml").open("a") as file:
        file.write('[[triggers]]\nsequence = [{type = "buy"}]\n')
    running = host("""
        import polyvm
        def run(n):
            return polyvm.append([{"event": "buy", "n": i} for i in range(n)])
        """)
    assert running.submit("does", 100).result() == 100
    keys = [str(n) for n in range(100)]
    wait_until(lambda: all(running.features.get_many("rows", keys)), "all runs")


def test_two_processes_of_a_task(host: Callable[..., Host]) -> None:
    running = host(
        """
        import os, polyvm
        rows = polyvm.features("rows")
        def run(n):
            for i in range(100):
                rows.put(f"{n}-{i}", {"n": n})
            return os.getpid()
        """,
        "[limits]\nrunning = 2\n",
    )
    given = [running.submit("does", n) for n in range(6)]
    assert len({each.result() for each in given}) <= 2
    assert len(running.features.scan("rows")) == 600


def test_a_host_that_stops_leaves_nothing_open(host: Callable[..., Host]) -> None:
    running = host("""
        import polyvm
        rows = polyvm.features("rows")
        def run(n):
            rows.put("a", {"n": n})
            return rows.get("a")
        """)
    assert running.submit("does", 1).result() == {"n": 1}
    threads = [each for each in threading.enumerate() if each.name == "store does"]
    assert len(threads) == 1
    running.close()
    assert not threads[0].is_alive()


# ---- One line, without a process ----


@pytest.fixture
def line() -> Iterator[tuple[StoreLine, socket.socket]]:
    tables = FeatureTables()
    tables.declare({})
    tables.find("rows")

    def take(events: bytes, *, source: str, depth: int) -> Taken:
        assert (source, depth) == ("t", 3)
        return Taken(len(events), 1, 2, None)

    made = StoreLine(StoreServer(tables.packed, None, take), "t")
    made.depth = 2
    theirs = made.theirs.dup()
    made.begin()
    yield made, theirs
    theirs.close()
    made.close()
    made.join()
    tables.close()


def asked(theirs: socket.socket, request: store_requests.Request) -> store_requests.Answer | None:
    theirs.sendall(store_requests.pack(request))
    return store_requests.read_answer(theirs.recv)


def test_requests_come_in_pieces(line: tuple[StoreLine, socket.socket]) -> None:
    _, theirs = line
    put = store_requests.pack(PutRow("rows", b"k", 5, msgspec.msgpack.encode({"n": 1}), False))
    for start in range(len(put)):
        theirs.sendall(put[start : start + 1])
    assert store_requests.read_answer(theirs.recv) == Done(b"\xc0")
    found = asked(theirs, GetRows("rows", (b"k",), 2**63 - 1))
    assert isinstance(found, Done)
    assert msgspec.msgpack.decode(found.data) == [[5, 1, {"n": 1}]]
    assert asked(theirs, Append(b"12345", 5)) == Done(msgspec.msgpack.encode(2))
    refused = asked(theirs, FindTable("none"))
    assert isinstance(refused, Refused)
    assert refused.kind == "LookupError"


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff",  # longer than any
        b"\x01\x00\x00\x00\xc1",  # no MessagePack
        store_requests.LENGTH.pack(6) + msgspec.msgpack.encode(["none"])[:6],  # no request
        store_requests.pack(PutRow("rows", b"k", 5, b"\x81", False))[:-1],  # cut short
    ],
)
def test_what_is_no_request_ends_the_line(
    line: tuple[StoreLine, socket.socket], sent: bytes
) -> None:
    kept, theirs = line
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    assert store_requests.read_answer(theirs.recv) is None
    kept.join()


def test_values_that_are_damaged_are_refused(line: tuple[StoreLine, socket.socket]) -> None:
    _, theirs = line
    for values in (b"", b"\x81", b"\x81\xa1n", b"\xc1", b"\x01", b"\x81\x01\x02"):
        told = asked(theirs, PutRow("rows", b"k", 5, values, merge=False))
        assert isinstance(told, Refused), values
    assert isinstance(asked(theirs, FindTable("rows")), Done)


def test_nobody_waits_for_who_does_not_read(line: tuple[StoreLine, socket.socket]) -> None:
    """A stopped process: the answer finds no room, and closing ends that."""
    kept, theirs = line
    big = msgspec.msgpack.encode({"pad": "x" * 2**19})
    assert isinstance(asked(theirs, PutRow("rows", b"k", 5, big, merge=False)), Done)
    theirs.sendall(store_requests.pack(GetRows("rows", (b"k",) * 20, 2**63 - 1)))
    kept.close()
    kept.join()
    assert kept.over


def test_descriptors_do_not_add_up() -> None:
    before = descriptors()
    store = StoreServer(FeatureTables().packed, None, _never)
    for begun in (True, False):
        made = StoreLine(store, "t")
        if begun:
            made.begin()
        made.close()
        made.join()
    assert descriptors() == before


def _never(*_: Any, **__: Any) -> Taken:
    raise AssertionError
