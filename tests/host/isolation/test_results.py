"""Tasks in processes: what they are given, return, print and log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from polyvm.host import bundle, packer
from polyvm.host.isolation_frames import Inbox, Run, pack
from polyvm.host.sources import Sources
from polyvm.vm import Outcome, info
from tests.host.isolation.bench import ECHO, PATIENCE, Bench

if TYPE_CHECKING:
    from collections.abc import Callable


def test_numpy_results_cross_by_the_same_rules_as_from_a_vm(bench: Bench) -> None:
    task = bench.add(
        """
import numpy, enum
from dataclasses import dataclass
@dataclass
class Sum:
    total: float
    of: list
def run(what):
    values = numpy.arange(4.0)
    return {
        "dataclass": lambda: Sum(values.sum(), values.tolist()),
        "array": lambda: values,
        "int64": lambda: numpy.int64(3),
        "bytes": lambda: memoryview(values.tobytes()[:2]),
        "set": lambda: {(1, 2)},
    }[what]()
"""
    )
    assert bench.value(task, "dataclass") == {"total": 6.0, "of": [0.0, 1.0, 2.0, 3.0]}
    assert bench.value(task, "bytes") == b"\0\0"
    assert bench.value(task, "set") == [[1, 2]]
    for what, name in (("array", "ndarray"), ("int64", "int64")):
        outcome, text = bench.failure(task, what)
        assert outcome is Outcome.FAILED
        assert text.startswith(f"TypeError: a value of type '{name}' cannot be returned")


def test_large_payloads_and_results(bench: Bench) -> None:
    task = bench.add(ECHO)
    payload = {"data": os.urandom(5_000_000), "list": list(range(1000))}
    assert bench.value(task, payload) == payload


def test_a_task_meets_its_own_files_and_name(make_task: Callable[..., Path], bench: Bench) -> None:
    folder = make_task(
        "reader",
        """
        import polyvm
        from pkg import inner
        def run(path):
            view = polyvm.asset_view("data/w.bin")
            return [polyvm.asset("data/w.bin"), view.readonly, bytes(view), inner.NAME,
                    polyvm.task.name, polyvm.task.version, polyvm.in_vm, polyvm.asset(path)]
        """,
        isolation="process",
    )
    (folder / "pkg").mkdir()
    (folder / "pkg" / "__init__.py").write_text("from .inner import NAME\n")
    (folder / "pkg" / "inner.py").write_text("NAME = __name__\n")
    (folder / "data").mkdir()
    (folder / "data" / "w.bin").write_bytes(b"weights")
    (folder / "none").write_bytes(b"")
    _, content = packer.build(folder)
    program = bundle.from_zip(content, folder, info().bytecode_magic).bundle().program
    assert isinstance(program, Sources)
    task = bench.runner.add(program)
    assert bench.value(task, "none") == [
        *(b"weights", True, b"weights", "pkg.inner", "reader", "1.0.0", False, b"")
    ]
    outcome, text = bench.failure(task, "main.py")
    assert outcome is Outcome.FAILED
    assert text.endswith("FileNotFoundError: task 'reader' has no asset 'main.py'")


def test_what_a_task_prints_and_logs(bench: Bench) -> None:
    task = bench.add(
        r"""
import logging, os, sys
def run(x):
    print("one\ntwo", x)
    print("oops \udc80", file=sys.stderr)
    logging.getLogger("my.log").warning("careful %s", x)
    logging.getLogger("my.log").debug("never")
    sys.stdout.write("x" * 70000 + "no end")
    sys.stdout.flush()
    os.abort()
"""
    )
    bench.run(task, 7)
    records = {(r.source, r.level, r.logger, r.text) for r in bench.runner.collect_logs()[0]}
    assert {
        ("stdout", 20, "", "one"),
        ("stdout", 20, "", "two 7"),
        ("stderr", 40, "", "oops \\udc80"),
        ("logging", 30, "my.log", "careful 7"),
    } <= records
    long = "".join(text for *_, text in sorted(records) if text.startswith("x"))
    assert long.count("x") == 70000
    assert any(text.endswith("no end") for *_, text in records)
    assert not any(text == "never" for *_, text in records)


def test_lost_records_are_counted(bench: Bench) -> None:
    task = bench.add("def run(x):\n    print('line\\n' * x)\n")
    bench.run(task, 20_000)
    got = lost = 0
    while got + lost < 20_001:
        records, dropped = bench.runner.collect_logs(timeout_ms=PATIENCE * 1000)
        assert records or dropped
        got, lost = got + len(records), lost + dropped
    assert lost > 0
    assert got >= 8192


def test_messages_are_cut_wherever_they_come_apart(rand: Any) -> None:
    messages = [Run(number, rand.randbytes(rand.randrange(300))) for number in range(50)]
    stream = b"".join(map(pack, messages))
    inbox, got, at = Inbox(), [], 0
    while at < len(stream):
        step = rand.randrange(1, 200)
        got += inbox.take(stream[at : at + step])
        at += step
    assert got == messages
    with pytest.raises(ValueError, match="a message of 4294967295 bytes"):
        list(inbox.take(b"\xff\xff\xff\xff"))
