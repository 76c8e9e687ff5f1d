"""Every public function of polyvm.np inside VMs, as the table of tests/engine/every calls it."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyvm import np as xp
from polyvm.host import codec
from polyvm.vm import Executor, Outcome
from tests.engine.every import TABLE, performing
from tests.engine.every.comparing import said, same, theirs
from tests.engine.every.making import Maker
from tests.engine.every.table import Call, call_of
from tests.vm.programs import program

if TYPE_CHECKING:
    from tests.conftest import Seeded

VMS = 8
# Tasks open no files and have no zipfile; limits of types and parts of indices do not cross.
NOT_IN_VMS = {
    *("fromfile", "ndarray.tofile", "savez", "savez_compressed"),
    *("finfo", "iinfo", "s_", "index_exp"),
}
TASK = """
from polyvm import np
from performing import perform

def plain(thing):
    # a copy may be written, so scalars cross as arrays and show their types
    if isinstance(thing, (tuple, list)):
        return [plain(each) for each in thing]
    if isinstance(thing, (np.ndarray, complex)):
        return np.array(thing)
    return thing.name if isinstance(thing, np.dtype) else thing

def run(calls):
    ended = []
    for call in calls:
        try:
            ended.append([True, plain(perform(np, call, np.array))])
        except Exception as error:
            ended.append([False, [kind.__name__ for kind in type(error).__mro__], str(error)])
    return ended
"""


def raised(names: list[str], text: str) -> Exception:
    """An exception of the class that a VM told by its name."""
    known: dict[str, Any] = {
        **vars(builtins),
        "AxisError": xp.AxisError,
        "LinAlgError": xp.linalg.LinAlgError,
    }
    error: Exception = next(known[name] for name in names if name in known)(text)
    return error


def shares(rand: Seeded) -> list[list[Call]]:
    """The table's names in as many parts as there are VMs, a few calls of each."""
    names = [name for name in TABLE if name not in NOT_IN_VMS]
    rand.shuffle(names)
    maker = Maker(rand)
    return [[call_of(name, maker) for name in names[n::VMS] for _ in range(3)] for n in range(VMS)]


def test_every_function_in_eight_vms_at_once(rand: Seeded) -> None:
    calls = shares(rand)
    modules = {"performing": Path(performing.__file__).read_text(encoding="utf-8")}
    with Executor(VMS) as executor:
        tasks = [executor.add(program(TASK, f"every-{n}", modules=modules)) for n in range(VMS)]
        for turn in range(2):  # each part in two VMs
            for n, task in enumerate(tasks):
                tag = (n + turn) % VMS
                executor.submit(task, codec.encode_payload(calls[tag]), tag=tag)
        ended = []
        while len(ended) < 2 * VMS:
            ended += executor.collect()
    answers: dict[int, bytes] = {}
    for each in ended:
        assert each.outcome is Outcome.DONE, each.data.decode()
        # to the bit in every VM, but for what is not set
        if answers.setdefault(each.tag, each.data) != each.data:
            both = (codec.decode(data) for data in (answers[each.tag], each.data))
            for call, *pair in zip(calls[each.tag], *both, strict=True):
                assert call[0].startswith("empty") or repr(pair[0]) == repr(pair[1]), said(call)
    for number, part in enumerate(calls):
        for call, (done, *got) in zip(part, codec.decode(answers[number]), strict=True):
            expected = theirs(call)
            found = got[0] if done else raised(*got)
            try:
                same(found, expected, TABLE[call[0]].check)
            except Exception as error:
                raise AssertionError(f"{said(call)}: {error!r}") from error
