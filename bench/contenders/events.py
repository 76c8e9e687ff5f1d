"""Keeping events and reading a key's last ones: in PolyVM's store, in SQLite, in LMDB.

Levels: `memory`, nothing is kept; `flushed`, what was accepted outlives the process; `synced`, the
machine too.
"""

import sqlite3
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.contenders import events_in_c, triggers
from bench.contenders.serve import pin, serve
from polyvm import vm
from polyvm.host.sealing import events_key

BATCH = 1_000
LAST = 10  # events of one read
READS = 2_000

Append = Callable[[list[bytes], list[dict[str, Any]]], Any]
Read = Callable[[str], int]


class Store(NamedTuple):
    """What a kind offers: for each thread a way in, and one out."""

    appends: list[Append]
    read: Read


def _measure(store: Store, batches: int) -> dict[str, Any]:
    """Nanoseconds for each event, all threads together; for each read; how many were read."""
    threads = len(store.appends)
    made = triggers.events(BATCH * batches * threads)
    packed = [msgspec.msgpack.encode(event) for event in made]
    begin = threading.Barrier(threads + 1)
    spans: list[list[float]] = [[] for _ in store.appends]

    def write(index: int) -> None:
        append, mine = store.appends[index], spans[index]
        first = index * BATCH * batches
        begin.wait()
        for at in range(first, first + BATCH * batches, BATCH):
            start = time.perf_counter_ns()
            append(packed[at : at + BATCH], made[at : at + BATCH])
            mine.append((time.perf_counter_ns() - start) / BATCH)

    workers = [threading.Thread(target=write, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    start = time.perf_counter_ns()
    for worker in workers:
        worker.join()
    took = (time.perf_counter_ns() - start) / len(made)
    read_ns, found = [], 0
    for number in range(READS):
        key = f"session-{number * 7 % triggers.KEYS}"
        start = time.perf_counter_ns()
        found += store.read(key)
        read_ns.append(time.perf_counter_ns() - start)
    return {
        "event_ns": spans[0] if threads == 1 else [took],
        "read_ns": read_ns,
        "found": found,
        "bytes": sum(map(len, packed)) / len(packed),
    }


def _ours(stack: ExitStack, folder: str, level: str, threads: int, *, sealed: bool) -> Store:
    """Events go to an executor without triggers, which keeps them; each thread has its stream."""
    sealing = events_key.generate().sealing() if sealed else None
    kept = vm.EventStore(Path(folder), level=vm.Level[level.upper()], sealing=sealing)
    stack.enter_context(closing(kept))
    executor = stack.enter_context(vm.Executor(1))
    names = [f"stream-{index}" for index in range(threads)]
    for name in names:
        kept.declare(name, sealed=sealed)
    executor.triggers.configure(store=kept.handle)

    def way_in(name: str) -> Append:
        return lambda packed, _: executor.triggers.ingest(b"".join(packed), stream=name)

    def read(key: str) -> int:
        return len(msgspec.msgpack.decode(kept.read(names[0], key=key.encode(), most=LAST)))

    return Store([way_in(name) for name in names], read)


def polyvm(stack: ExitStack, folder: str, level: str, threads: int) -> Store:
    """Plain streams."""
    return _ours(stack, folder, level, threads, sealed=False)


def sealed(stack: ExitStack, folder: str, level: str, threads: int) -> Store:
    """Sealed streams."""
    return _ours(stack, folder, level, threads, sealed=True)


def sqlite(stack: ExitStack, folder: str, level: str, threads: int) -> Store:
    """A table with an index by key; a transaction for each batch, a connection for each thread."""
    place = ":memory:" if level == "memory" else str(Path(folder) / "events.db")

    def connect() -> sqlite3.Connection:
        base = sqlite3.connect(place, isolation_level=None, check_same_thread=False, timeout=600)
        base.execute("pragma journal_mode=wal")
        base.execute(f"pragma synchronous={'full' if level == 'synced' else 'normal'}")
        return stack.enter_context(closing(base))

    bases = [connect() for _ in range(threads)]
    bases[0].execute("create table events(id integer primary key, key text, time int, value blob)")
    bases[0].execute("create index by_key on events(key, id)")

    def way_in(base: sqlite3.Connection) -> Append:
        def append(packed: list[bytes], made: list[dict[str, Any]]) -> None:
            lines = (
                (event["key"], event["time"], value)
                for event, value in zip(made, packed, strict=True)
            )
            base.execute("begin immediate")
            base.executemany("insert into events(key, time, value) values(?, ?, ?)", lines)
            base.execute("commit")

        return append

    def read(key: str) -> int:
        query = "select id, time, value from events where key = ? order by id desc limit ?"
        found = bases[0].execute(query, (key, LAST)).fetchall()
        return len([msgspec.msgpack.decode(value) for _, _, value in found])

    return Store([way_in(base) for base in bases], read)


def in_lmdb(stack: ExitStack, folder: str, level: str, threads: int) -> Store:
    """Events by number, and numbers by key; a transaction for each batch."""
    import lmdb  # of the extra `bench`

    base = lmdb.open(folder, map_size=8 << 30, max_dbs=2, sync=level == "synced")
    stack.enter_context(closing(base))
    events, by_key = base.open_db(b"events"), base.open_db(b"by_key")
    number = 0

    def append(packed: list[bytes], made: list[dict[str, Any]]) -> None:
        nonlocal number
        with base.begin(write=True) as transaction:  # one at a time, of all threads
            for event, value in zip(made, packed, strict=True):
                number += 1
                serial = struct.pack(">Q", number)
                transaction.put(serial, value, db=events, append=True)
                transaction.put(event["key"].encode() + b"\0" + serial, b"", db=by_key)

    def read(key: str) -> int:
        first, found = key.encode() + b"\0", 0
        with base.begin() as transaction, transaction.cursor(by_key) as cursor:
            cursor.set_range(first + b"\xff" * 8)
            while found < LAST and cursor.prev() and cursor.key().startswith(first):
                msgspec.msgpack.decode(transaction.get(cursor.key()[-8:], db=events))
                found += 1
        return found

    return Store([append] * threads, read)


KINDS = {"polyvm": polyvm, "sealed": sealed, "sqlite": sqlite, "lmdb": in_lmdb}
IN_C = {"c": False, "c-sealed": True}


def keep(kind: str, folder: str, level: str, threads: int, batches: int) -> dict[str, Any]:
    """Measure one kind in a folder of its own within `folder`; each thread appends `batches`."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        if kind in IN_C:
            took = events_in_c.append(own, level, batches, threads, sealed=IN_C[kind])
            return {"event_ns": [took]}
        with ExitStack() as stack:
            return _measure(KINDS[kind](stack, own, level, threads), batches)


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "keep": keep})
