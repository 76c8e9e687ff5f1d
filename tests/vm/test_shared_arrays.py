"""Shared arrays: one memory for VMs and the host; how long it lives, who pays, hostile handles."""

from __future__ import annotations

import gc
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import numpy  # noqa: ICN001 - np is polyvm.np
import pytest

import polyvm
from polyvm import np
from polyvm.engine import _tensor
from polyvm.host import codec, journal
from polyvm.vm import (
    ChainNode,
    DecodeError,
    Executor,
    ExternalTasks,
    Lane,
    Limits,
    Message,
    Outcome,
    TriggerMode,
    Vm,
    expanded,
    holding,
)
from tests.vm.programs import ECHO, NIL, apart, failure_of, pack, program, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Seeded

MAKE = """
import polyvm
from polyvm import np
def run(n):
    return polyvm.share(np.arange(float(n)))
"""
SUM = "def run(x):\n    return float(x['results']['make'].sum())\n"
KEEP = "kept = []\ndef run(x):\n    kept.append(x)\n    return len(kept)\n"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    gc.collect()
    before = _tensor._shared_now()[:2]
    yield
    gc.collect()
    assert _tensor._shared_now()[:2] == before


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(1)
    yield made
    made.close()


def address(array: Any) -> int:
    place: int = numpy.asarray(array).__array_interface__["data"][0]
    return place


def value_of(ended: tuple[Outcome, bytes]) -> Any:
    outcome, data = ended
    assert outcome is Outcome.DONE, data.decode()
    return codec.decode(data)


def handle(data: bytes) -> bytes:
    """The handle of a message that is a shared array and nothing else."""
    assert data[0] == 0xC7
    assert (data[1], data[2]) == (len(data) - 3, codec.SHARED_ARRAY)
    return bytes(data[3:])


def message(content: bytes) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(codec.SHARED_ARRAY, content))


# ---- One memory ---------------------------------------------------------------


def test_the_memory_is_the_same_in_vms_and_in_the_host() -> None:
    shared = polyvm.share(np.arange(1000.0))
    views = [shared, shared[10:20], shared[::-3], shared.reshape(10, 100).T[5:, ::2], shared[:0]]
    with Vm() as vm:
        vm.load(program(ECHO))
        for given in views:
            data = codec.encode_payload(given)
            assert len(data) < 100
            back = value_of(vm.call(data))
            assert address(back) == address(given)
            assert (back.shape, back.strides) == (given.shape, given.strides)
            assert back.tolist() == given.tolist()
        nested = value_of(
            vm.call(codec.encode_payload({"a": [shared, 1, shared], "b": shared.sum()}))
        )
        assert [address(each) for each in (nested["a"][0], nested["a"][2])] == [address(shared)] * 2
        assert nested["b"] == 499500.0
    assert _tensor._shared_now()[0] >= 1


@pytest.mark.parametrize("dtype", [*sorted(np.__array_namespace_info__().dtypes()), "bfloat16"])
def test_every_type_crosses(dtype: str) -> None:
    given = polyvm.share(np.asarray([0, 1, 1, 0, 1]).astype(dtype))
    with Vm() as vm:
        vm.load(program(ECHO))
        back = value_of(vm.call(codec.encode_payload(given)))
    assert (str(back.dtype), back.tolist()) == (str(given.dtype), given.tolist())


def test_nobody_writes() -> None:
    source = """
def run(x):
    for write in (lambda: x.__setitem__(0, 1), lambda: x.fill(0), lambda: x.sort(),
                  lambda: x[::2].__setitem__(0, 1), lambda: memoryview(x).__setitem__(0, 1.0),
                  lambda: x.setflags(write=True), lambda: x.view("int64").__setitem__(0, 1),
                  lambda: x.resize(3)):
        try:
            write()
        except (ValueError, TypeError, BufferError):
            continue
        raise AssertionError("written")
    return x + 1
"""
    shared = polyvm.share(np.arange(5.0))
    with Vm() as vm:
        vm.load(program(source))
        assert value_of(vm.call(codec.encode_payload(shared))).tolist() == [1, 2, 3, 4, 5]
    assert shared.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="read-only"):
        numpy.asarray(shared)[0] = 1


def test_who_has_a_part_has_not_the_rest() -> None:
    source = "def run(x):\n    return [x.base is None, x[1:].base is None, x.tolist()]\n"
    shared = polyvm.share(np.arange(100.0))
    with Vm() as vm:
        vm.load(program(source))
        assert value_of(vm.call(codec.encode_payload(shared[3:5]))) == [True, True, [3.0, 4.0]]


def test_what_somebody_could_write_is_copied() -> None:
    alone = np.arange(10.0)
    assert polyvm.share(alone) is alone
    assert polyvm.share(alone) is alone
    viewed = np.arange(10.0)
    view = viewed[2:]
    copy = polyvm.share(viewed)
    assert copy is not viewed
    view[:] = 7
    assert copy.tolist() == list(range(10))
    exported = np.arange(10.0)
    with memoryview(exported) as memory:  # type: ignore[arg-type]
        copy = polyvm.share(exported)
        memory[0] = 7.0
    assert copy.tolist() == list(range(10))
    theirs = numpy.arange(10.0)
    copy = polyvm.share(theirs)
    theirs[:] = 7
    assert copy.tolist() == list(range(10))
    assert polyvm.share([1, 2, 3]).tolist() == [1, 2, 3]
    assert float(polyvm.share(2.5)) == 2.5


def test_others_go_as_before() -> None:
    shared = polyvm.share(np.arange(100.0))
    for given in (np.arange(3.0), shared + 1, shared.copy(), shared[5]):
        assert not isinstance(codec.encode_payload(given), Message)
    assert codec.encode_payload(shared.sum()) == pack(4950.0)
    assert len(codec.encode(shared)) > 800, "what a task in a process returns has its elements"


# ---- How long it lives --------------------------------------------------------


def test_bytes_hold_what_they_name() -> None:
    data = codec.encode_payload([polyvm.share(np.arange(100.0))])
    assert isinstance(data, Message)
    plain = bytes(data)
    assert codec.decode(plain)[0].sum() == 4950
    again = holding(plain)
    del data
    assert codec.decode(plain)[0].sum() == 4950
    del again
    with pytest.raises(ValueError, match="a shared array is gone"):
        codec.decode(plain)
    assert holding(plain) is plain


def test_results_live_as_long_as_their_completions(executor: Executor) -> None:
    make = executor.add(program(MAKE, "make"))
    count = 300
    for n in range(count):
        executor.submit(make, pack(n + 1), tag=n)
    ended: dict[int, bytes] = {}
    while len(ended) < count:
        ended.update((each.tag, each.data) for each in executor.collect())
    for n, data in ended.items():
        assert codec.decode(data).shape == (n + 1,)
        assert codec.decode(data).sum() == n * (n + 1) / 2
    stays = codec.decode(ended[299])
    direct = executor.invoke(make, pack(10)).data
    assert codec.decode(direct).sum() == 45
    executor.close()
    assert stays.sum() == 299 * 300 / 2


def test_arrays_of_values(executor: Executor) -> None:
    make = executor.add(program(MAKE, "make"))
    (batch,) = executor.map(make, [pack(list(range(1, 50)))])
    packed, parts = batch.packed, list(batch)
    del batch
    assert [len(each) for each in codec.decode(packed)] == list(range(1, 50))
    assert [len(codec.decode(each.data)) for each in parts] == list(range(1, 50))
    echo = executor.add(program(ECHO, "echo"))
    shared = [polyvm.share(np.ones(n)) for n in range(1, 50)]
    payload = codec.encode_payload(shared)
    array = executor.submit_array(echo, payload)
    del payload
    back = codec.decode(array.result().packed)
    assert [address(each) for each in back] == [address(each) for each in shared]


def test_payloads_are_held_while_they_wait(executor: Executor) -> None:
    task = executor.add(program("def run(x):\n    return float(x.sum())\n", "sum"))
    for n in range(200):  # nobody but the queue has them
        executor.submit(task, codec.encode_payload(polyvm.share(np.full(100, float(n)))), tag=n)
    sums: dict[int, float] = {}
    while len(sums) < 200:
        sums.update((each.tag, codec.decode(each.data)) for each in executor.collect())
    assert sums == {n: 100.0 * n for n in range(200)}


def test_a_payload_is_let_go_when_it_was_read(executor: Executor) -> None:
    before = _tensor._shared_now()[0]
    task = executor.add(program("def run(x):\n    return float(x.sum())\n", "sum"))
    executor.submit(task, codec.encode_payload(polyvm.share(np.ones(100))))
    until(lambda: executor.stats(task).finished == 1)
    assert _tensor._shared_now()[0] == before, "although nobody has collected it"


def test_chains_pass_them_on(executor: Executor) -> None:
    make = executor.add(program(MAKE, "make"))
    others = [executor.add(program(SUM, f"sum{i}")) for i in range(3)]
    executor.chain(make, [ChainNode(task, after=[0]) for task in others])
    for n in range(1, 100):
        executor.submit(make, pack(n))
    found = []
    while len(found) < 4 * 99:
        found += [each for each in executor.collect() if each.outcome is Outcome.DONE]
    sums = sorted(codec.decode(each.data) for each in found if each.task != make)
    assert sums == sorted([n * (n - 1) / 2 for n in range(1, 100)] * 3)


def test_partial_matches_hold_their_events(executor: Executor) -> None:
    task = executor.add(program("def run(x):\n    return float(x['events'][0]['a'].sum())\n"))
    condition = pack({"steps": [{"type": "first"}, {"type": "second"}]})
    executor.triggers.add(task, "both", condition)
    shared = polyvm.share(np.ones(1000))
    first = codec.encode_payload({"event": "first", "key": 1, "a": shared})
    executor.triggers.event(first, 1)
    del shared, first
    executor.triggers.event(pack({"event": "second", "key": 1}), 2)
    found: list[Any] = []
    until(lambda: found.extend(executor.collect(timeout_ms=10)) or found)
    assert codec.decode(found[0].data) == 1000.0
    found.clear()


# ---- What leaves the process has elements -------------------------------------


def test_expanded() -> None:
    shared = polyvm.share(np.arange(12).reshape(3, 4))
    value = {"a": shared, "b": [shared.T, "x" * 300, shared[1]], "c": 1.5}
    plain = expanded(codec.encode_payload(value))
    assert plain == codec.encode(value)
    assert not isinstance(plain, Message)
    assert expanded(plain) is plain
    gone = bytes(codec.encode_payload(polyvm.share(np.ones(9))))
    with pytest.raises(DecodeError):
        expanded(gone)


def test_the_host_s_own_tasks_get_elements(executor: Executor) -> None:
    tasks = ExternalTasks(executor)
    task = tasks.add("outside", Lane.REGULAR, None)
    shared = polyvm.share(np.arange(100.0))
    ticket = tasks.submit(task, codec.encode_payload(shared))
    payload = ticket.payload
    tasks.end(ticket, Outcome.CANCELLED, b"")
    assert payload == codec.encode(shared)
    condition = pack({"steps": [{"type": "one"}]})
    executor.triggers.add(0, "out", condition, mode=TriggerMode.HAND_OUT)
    batch = executor.triggers.event(
        codec.encode_payload({"event": "one", "key": 1, "a": shared}), 1
    )
    (fired,) = batch.fired
    assert fired.payload is not None
    assert fired.payload.count(codec.encode(shared)) == 2
    until(lambda: executor.collect(timeout_ms=10))


@pytest.mark.parametrize("chained", [False, True])
def test_a_journal_has_elements_and_they_run_again(tmp_path: Path, chained: bool) -> None:
    done = apart(
        f"""
        import os, signal, sys
        from pathlib import Path
        import polyvm
        from polyvm import np
        from polyvm.host import codec
        from polyvm.vm import ChainNode, Executor
        from tests.vm.programs import ECHO, program
        executor = Executor(1, journal=Path(sys.argv[1]) / "journal", epoch=3)
        task = executor.add(program(ECHO, name="t"))
        if {chained}:
            executor.chain(task, [ChainNode(executor.add(program(ECHO, name="u")), after=[0])])
        executor.submit(task, codec.encode_payload({{"x": polyvm.share(np.arange(2000.0))}}), tag=4)
        executor.submit_many(task, [codec.encode_payload(polyvm.share(np.ones(n))) for n in (1, 2)])
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        str(tmp_path),
    )
    assert done.returncode == -9, done
    life = journal.read(tmp_path / "journal")
    payloads = {len(each.payload): each for each in life.unfinished}
    assert len(payloads) == 3
    record = payloads.pop(max(payloads))
    assert codec.decode(record.payload)["x"].sum() == 1999000
    with Executor(1) as again:
        task = again.add(program("def run(p):\n    return float(p['x'].sum())\n", "t"))
        again.submit(task, record.payload, tag=record.tag, id=record.id, attempt=2)
        found: list[Any] = []
        until(lambda: found.extend(again.collect(timeout_ms=10)) or found)
        assert codec.decode(found[0].data) == 1999000
    assert sorted(codec.decode(each.payload).sum() for each in payloads.values()) == [1, 2]


def test_a_journal_refuses_what_is_gone(tmp_path: Path) -> None:
    gone = bytes(codec.encode_payload(polyvm.share(np.ones(9))))
    kept = polyvm.share(np.ones(9))  # some others are there: the message is looked through
    with Executor(1, journal=tmp_path / "journal") as executor:
        task = executor.add(program(ECHO))
        with pytest.raises(DecodeError):
            executor.submit(task, gone)
        executor.submit(task, codec.encode_payload(kept))
        assert executor.stats(task).accepted == 1
        until(lambda: executor.collect(timeout_ms=10))


# ---- Who pays -----------------------------------------------------------------


def test_who_made_it_pays_and_who_receives_does_not(executor: Executor) -> None:
    make = executor.add(program(MAKE, "make"))
    keep = executor.add(program(KEEP, "keep"), limits=Limits(memory_bytes=16 * 2**20))
    ended = executor.invoke(make, pack(1))
    before = executor.stats(make).bytes
    ended = executor.invoke(make, pack(10**6))
    assert executor.stats(make).bytes >= before + 8 * 10**6
    for n in range(1, 4):  # three times over what the receiver may have
        assert codec.decode(executor.invoke(keep, ended.data).data) == n
    assert executor.stats(keep).bytes < 8 * 2**20
    held = codec.decode(ended.data)
    del ended
    executor.withdraw(make)
    executor.withdraw(keep)
    until(lambda: executor.stats(keep).vms == 0 and executor.stats(make).vms == 0)
    assert held.sum() == 499999500000, "the maker's VM has ended, its memory has not"


def test_sharing_in_a_loop_dodges_no_limit(executor: Executor) -> None:
    source = """
import polyvm
from polyvm import np
def run(x):
    return [polyvm.share(np.ones(125_000)) for _ in range(x)]
"""
    task = executor.add(program(source), limits=Limits(memory_bytes=32 * 2**20))
    kept = []
    for _ in range(3):
        ended = executor.invoke(task, pack(8))
        assert ended.outcome is Outcome.DONE
        kept.append(ended.data)
    assert executor.invoke(task, pack(8)).outcome is Outcome.OVER_QUOTA, "others hold 24 MB"
    assert codec.decode(kept[0])[7].sum() == 125_000
    kept.clear()
    assert executor.invoke(task, pack(8)).outcome is Outcome.DONE


def test_all_together_are_bounded() -> None:
    count, now, limit = _tensor._shared_now()
    _tensor._set_shared_limit(now + 10**6)
    try:
        first = polyvm.share(np.ones(100_000))
        with pytest.raises(MemoryError, match="all shared arrays together"):
            polyvm.share(np.ones(100_000))
        assert _tensor._shared_now()[0] == count + 1
        del first
        polyvm.share(np.ones(100_000))
    finally:
        _tensor._set_shared_limit(limit)


def test_the_table_is_full_at_some_time() -> None:
    kept = [polyvm.share(np.ones(1)) for _ in range(65536 - _tensor._shared_now()[0])]
    with pytest.raises(MemoryError, match="65536 arrays are shared"):
        polyvm.share(np.ones(1))
    del kept[100:]
    assert polyvm.share(np.ones(3)).sum() == 3


# ---- Hostile handles ----------------------------------------------------------


def test_damaged_handles(rand: Seeded) -> None:
    shared = polyvm.share(np.arange(1000.0).reshape(10, 100))
    good = handle(codec.encode_payload(shared))
    assert len(good) == 32 + 2 * 16
    with Vm() as vm:
        vm.load(program(ECHO))
        for _ in range(3000):
            bad = bytearray(good)
            for _ in range(rand.choice([1, 1, 2, 8])):
                bad[rand.randrange(len(bad))] = rand.choice([0, 1, 255, rand.randrange(256)])
            if rand.random() < 0.2:
                bad = bad[: rand.randrange(len(bad) + 1)] + rand.randbytes(rand.randrange(3))
            content = bytes(bad)
            assert holding(message(content)) is not None
            outcome, data = vm.call(message(content)) if is_read(content) else (None, b"")
            if outcome is Outcome.DONE:
                back = codec.decode(data)
                assert inside(back, shared), content
        for size in range(len(good)):
            with pytest.raises(DecodeError, match="damaged"):
                vm.call(message(good[:size]))
        assert value_of(vm.call(message(good))).sum() == 499500.0


def is_read(content: bytes) -> bool:
    """Whether the host opens it; if not, for a stated reason."""
    try:
        codec.decode(message(content))
    except ValueError as error:
        assert "a shared array" in str(error)
        return False
    return True


def inside(array: Any, whole: Any) -> bool:
    low, high = numpy.lib.array_utils.byte_bounds(numpy.asarray(array))
    first, last = numpy.lib.array_utils.byte_bounds(numpy.asarray(whole))
    return array.size == 0 or (first <= low and high <= last)


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (24, "<q", -8),
        (24, "<q", 8),
        (24, "<q", 2**63 - 1),
        (24, "<q", -(2**63)),
        (32, "<q", 1001),
        (32, "<q", -1),
        (32, "<q", 2**62),
        (40, "<q", -8),
        (40, "<q", 16),
        (40, "<q", 2**63 - 1),
        (20, "B", 13),  # complex64 would fit, complex128 does not
        (20, "B", 14),
        (20, "B", 0),
        (20, "B", 200),
        (21, "B", 33),
        (22, "B", 1),
    ],
)
def test_what_lies_outside_is_not_given(at: int, form: str, value: int) -> None:
    shared = polyvm.share(np.arange(1000.0))
    bad = bytearray(handle(codec.encode_payload(shared)))
    struct.pack_into(form, bad, at, value)
    if is_read(bytes(bad)):
        assert (at, value) == (20, 13)
        return
    with Vm() as vm:
        vm.load(program(ECHO))
        with pytest.raises(DecodeError, match="damaged"):
            vm.call(message(bytes(bad)))


def test_another_process_reads_nothing() -> None:
    shared = polyvm.share(np.arange(10.0))
    data = codec.encode_payload(shared)
    done = apart(
        f"""
        import polyvm
        from polyvm import np
        from polyvm.host import codec
        kept = polyvm.share(np.arange(3.0))
        try:
            codec.decode({bytes(data)!r})
        except ValueError as error:
            print(error)
        """
    )
    assert "a shared array of another process cannot be read here" in done.stdout, done
    child = apart(
        """
        import os
        import polyvm
        from polyvm import np
        from polyvm.host import codec
        data = codec.encode_payload(polyvm.share(np.arange(3.0)))
        if os.fork() == 0:
            try:
                codec.decode(bytes(data))
            except ValueError as error:
                print(error, flush=True)
            assert codec.decode(codec.encode_payload(polyvm.share(np.ones(3)))).sum() == 3
            os._exit(0)
        assert os.wait()[1] == 0
        """
    )
    assert (child.returncode, child.stderr) == (0, ""), child
    assert "of another process" in child.stdout


def test_an_old_handle_never_names_a_new_array() -> None:
    with Vm() as vm:
        vm.load(program(ECHO))
        old = [bytes(codec.encode_payload(polyvm.share(np.ones(50)))) for _ in range(20)]
        new = [polyvm.share(np.zeros(50)) for _ in range(40)]
        for data in old:
            with pytest.raises(DecodeError, match="gone"):
                vm.call(data)
        assert len({handle(codec.encode_payload(each))[8:16] for each in new}) == 40


def test_a_task_cannot_make_a_handle() -> None:
    shared = polyvm.share(np.arange(10.0))
    data = bytes(codec.encode_payload(shared))
    with Vm() as vm:
        vm.load(program("def run(raw):\n    return [raw, raw.decode('latin-1')]\n"))
        assert value_of(vm.call(pack(data))) == [data, data.decode("latin-1")]


def test_a_replaced_module_is_refused() -> None:
    source = """
import sys, types
def run(x):
    sys.modules["_polyvm_tensor"] = types.ModuleType("_polyvm_tensor")
    return 1
"""
    shared = polyvm.share(np.arange(10.0))
    with Vm() as vm:
        vm.load(program(source))
        assert value_of(vm.call(NIL)) == 1
        with pytest.raises(DecodeError, match="has been replaced"):
            vm.call(codec.encode_payload(shared))


def test_a_failed_result_holds_nothing() -> None:
    source = """
import polyvm
from polyvm import np
def run(x):
    return [polyvm.share(np.ones(100)), object()]
"""
    before = _tensor._shared_now()[0]
    with Vm() as vm:
        vm.load(program(source))
        for _ in range(10):
            assert "cannot be returned" in failure_of(vm.call(NIL))
        assert _tensor._shared_now()[0] == before
