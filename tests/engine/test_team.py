"""Helpers of one run: parts done once each, shares, cancelling, accounts, forks."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.direct import ENGINE, EngineError, declarations, ffi, lib
from tests.engine.works import Convolution, Kernel, Product, ways

ffi.cdef(declarations((ENGINE / "backends" / "team.h").read_text()))
ffi.cdef("void pvg_thread_busy(unsigned number, int change);")
CORES = len(os.sched_getaffinity(0))
many_cores = pytest.mark.skipif(CORES < 2, reason="one core: there are no helpers")


@contextlib.contextmanager
def crew(threads: int) -> Iterator[Any]:
    made = ffi.new("pvb_crew *")
    team = lib.pvb_crew_join(made, threads)
    try:
        yield team
    finally:
        if team != ffi.NULL:
            lib.pvb_crew_leave(made)


@contextlib.contextmanager
def under(context: Any) -> Iterator[None]:
    before = lib.pvt_context_set(context)
    try:
        yield
    finally:
        lib.pvt_context_set(before)


def spread(team: Any, count: int, part: Callable[[int], int]) -> None:
    callback = ffi.callback("int(void *, int)", lambda _, index: part(index))
    status = lib.pvb_spread(team, count, callback, ffi.NULL)
    if status < 0:
        raise EngineError(status, ffi.string(lib.pvt_error()).decode())


def helpers_held() -> int:
    held = ffi.new("int *")
    lib.pvb_helpers(held)
    return int(held[0])


def test_one_thread_is_no_team() -> None:
    with crew(1) as team:
        assert team == ffi.NULL
        done: list[int] = []
        spread(team, 5, lambda index: done.append(index) or 0)
        assert done == [0, 1, 2, 3, 4]


def test_each_part_once(rand: random.Random) -> None:
    with crew(4) as team:
        for _ in range(50):
            count = rand.randrange(40)
            done: list[int] = []
            spread(team, count, lambda index, done=done: done.append(index) or 0)
            assert sorted(done) == list(range(count))
    assert helpers_held() == 0


@many_cores
def test_a_helper_helps() -> None:
    """Two parts that wait for each other end only if two threads do them."""
    meet = threading.Barrier(2, timeout=60)
    names: set[int] = set()

    def part(_: int) -> int:
        names.add(threading.get_native_id())
        meet.wait()
        return 0

    with crew(2) as team:
        spread(team, 2, part)
    assert len(names) == 2


@many_cores
def test_no_more_threads_than_cores() -> None:
    """Busy threads leave fewer cores to helpers, at the next work of a run already."""
    with crew(64) as team:
        spread(team, 64, lambda _: 0)
        assert helpers_held() <= CORES - 1
        lib.pvg_thread_busy(5, CORES)
        try:
            spread(team, 64, lambda _: 0)
            assert helpers_held() == 0
        finally:
            lib.pvg_thread_busy(5, -CORES)
        spread(team, 64, lambda _: 0)
        assert helpers_held() == min(CORES - 1, 63)
    assert helpers_held() == 0


def test_crews_share() -> None:
    """Many callers at once: never more helpers than cores that no caller uses."""
    seen: list[int] = []

    def call() -> None:
        with crew(8) as team:
            for _ in range(30):
                spread(team, 6, lambda _: seen.append(helpers_held()) or 0)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6 * 30 * 6
    assert max(seen) <= CORES - 1
    assert helpers_held() == 0


def test_a_failing_part_ends_the_rest() -> None:
    def part(index: int) -> int:
        if index == 3:
            return int(lib.pvt_fail(lib.PVT_E_VALUE, b"part three is wrong"))
        return 0

    with crew(4) as team, pytest.raises(EngineError, match="part three is wrong") as caught:
        spread(team, 1000, part)
    assert caught.value.status == lib.PVT_E_VALUE


def kernels(threads: int, rand: random.Random) -> Iterator[tuple[Kernel, Any, np.ndarray]]:
    for work in (
        Convolution(n=2, in_channels=64, out=144, size=(28, 28), kernel=(3, 3), threads=threads),
        Convolution(in_channels=64, out=144, size=(28, 28), kernel=(3, 3), threads=threads),
        Convolution(in_channels=3, out=64, size=(60, 60), kernel=(3, 3), threads=threads),
        Product(m=300, n=400, k=500, residual=True, activation="GELU", threads=threads),
        Product(m=2, n=2000, k=1000, threads=threads),
        Product(batch=(64,), b_batch=(64,), m=90, n=96, k=80, constant=False, threads=threads),
    ):
        inputs = work.inputs(rand)
        expected = work.expected(inputs)
        for way in [*ways(work, "openblas"), *ways(work, "onednn")]:
            yield Kernel(way, work, inputs), inputs, expected


def test_works_of_backends(rand: random.Random) -> None:
    for kernel, inputs, expected in kernels(3, rand):
        with crew(3) as team:
            got = kernel.run(inputs, team=team)
        np.testing.assert_allclose(got, expected, atol=2e-4, err_msg=str(kernel.way))


def test_cancelled(rand: random.Random) -> None:
    attention = ffi.new("uint32_t *", 1)
    context = ffi.new("pvt_context *")
    context.attention = attention
    for kernel, inputs, _ in kernels(2, rand):
        with crew(2) as team, under(context):
            try:
                kernel.run(inputs, team=team)
            except EngineError as error:
                assert error.status == lib.PVT_E_CANCELLED
            else:
                pytest.fail(f"{kernel.way} did not stop")
    assert helpers_held() == 0


def test_what_helpers_take_is_charged() -> None:
    """The account refuses after the work what helpers took, and gets everything back."""
    refuse = ffi.callback("int(void *, size_t)", lambda _, size: int(size > 0))
    account = lib.pvt_account_new(refuse, ffi.NULL)
    context = ffi.new("pvt_context *")
    context.account = account
    buffers: list[Any] = []

    def part(_: int) -> int:
        buffers.append(lib.pvt_buffer_new(1000))
        return 0

    with crew(2) as team, under(context):
        try:
            spread(team, 8, part)
        except EngineError as error:
            assert error.status == lib.PVT_E_QUOTA
        assert lib.pvt_account_bytes(account) >= 8 * 1000
        for buffer in buffers:
            lib.pvt_buffer_release(buffer)
        assert lib.pvt_account_bytes(account) == 0
    lib.pvt_account_close(account)


FORK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from tests.engine.test_team import crew, spread
done = []
with crew(2) as team:
    spread(team, 100, lambda i: 0)
if os.fork() == 0:
    with crew(2) as team:
        spread(team, 100, lambda i: done.append(i) or 0)
    os._exit(0 if sorted(done) == list(range(100)) else 3)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_fork_has_helpers_of_its_own() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", FORK, str(root)], timeout=120, cwd=root)
    assert done.returncode == 0
