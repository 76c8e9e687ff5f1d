"""Keeping events and reading a key's last ones: in PolyVM's store, in SQLite, in LMDB."""

import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from bench.contenders import triggers
from bench.contenders.serve import pin, serve
from polyvm import vm

BATCH = 1_000
LAST = 10  # events of one read
READS = 2_000

Append = Callable[[list[bytes], list[dict[str, Any]]], Any]
Read = Callable[[str], int]


def _measure(append: Append, read: Read, batches: int) -> dict[str, Any]:
    """Nanoseconds for each event of a batch, and for each read; how many were read."""
    made = triggers.events(BATCH * batches)
    packed = [msgspec.msgpack.encode(event) for event in made]
    event_ns = []
    for at in range(0, len(made), BATCH):
        start = time.perf_counter_ns()
        append(packed[at : at + BATCH], made[at : at + BATCH])
        event_ns.append((time.perf_counter_ns() - start) / BATCH)
    read_ns, found = [], 0
    for number in range(READS):
        key = f"session-{number * 7 % triggers.KEYS}"
        start = time.perf_counter_ns()
        found += read(key)
        read_ns.append(time.perf_counter_ns() - start)
    mean = sum(map(len, packed)) / len(packed)
    return {"event_ns": event_ns, "read_ns": read_ns, "found": found, "bytes": mean}


def polyvm(folder: str, batches: int, *, synced: bool) -> dict[str, Any]:
    """Events go to an executor without triggers, which keeps them."""
    level = vm.Level.SYNCED if synced else vm.Level.FLUSHED
    with closing(vm.EventStore(Path(folder), level=level)) as store, vm.Executor(1) as executor:
        executor.triggers.configure(store=store.handle)

        def read(key: str) -> int:
            return len(msgspec.msgpack.decode(store.read("events", key=key.encode(), most=LAST)))

        return _measure(lambda packed, _: executor.triggers.events(packed), read, batches)


def sqlite(folder: str, batches: int, *, synced: bool) -> dict[str, Any]:
    """A table with an index by key; a transaction for each batch."""
    with closing(sqlite3.connect(Path(folder) / "events.db", isolation_level=None)) as base:
        base.execute("pragma journal_mode=wal")
        base.execute(f"pragma synchronous={'full' if synced else 'off'}")
        base.execute("create table events(id integer primary key, key text, time int, value blob)")
        base.execute("create index by_key on events(key, id)")

        def append(packed: list[bytes], made: list[dict[str, Any]]) -> None:
            lines = (
                (event["key"], event["time"], value)
                for event, value in zip(made, packed, strict=True)
            )
            base.execute("begin")
            base.executemany("insert into events(key, time, value) values(?, ?, ?)", lines)
            base.execute("commit")

        def read(key: str) -> int:
            query = "select id, time, value from events where key = ? order by id desc limit ?"
            found = base.execute(query, (key, LAST)).fetchall()
            return len([msgspec.msgpack.decode(value) for _, _, value in found])

        return _measure(append, read, batches)


def in_lmdb(folder: str, batches: int, *, synced: bool) -> dict[str, Any]:
    """Events by number, and numbers by key; a transaction for each batch."""
    import lmdb  # of the extra `bench`

    number = 0
    with closing(lmdb.open(folder, map_size=8 << 30, max_dbs=2, sync=synced)) as base:
        events = base.open_db(b"events")
        by_key = base.open_db(b"by_key")

        def append(packed: list[bytes], made: list[dict[str, Any]]) -> None:
            nonlocal number
            with base.begin(write=True) as transaction:
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

        return _measure(append, read, batches)


KINDS = {"polyvm": polyvm, "sqlite": sqlite, "lmdb": in_lmdb}


def keep(kind: str, folder: str, synced: bool, batches: int) -> dict[str, Any]:
    """Measure one kind in a folder of its own within `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        return KINDS[kind](own, batches, synced=synced)


def main() -> None:
    """Serve until standard input ends."""
    serve({"pin": pin, "keep": keep})
