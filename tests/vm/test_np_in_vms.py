"""polyvm.np inside VMs, eight at once: what they compute is what NumPy computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyvm.host import codec
from polyvm.vm import Executor, Outcome
from tests.engine.against_numpy import call, same
from tests.vm.programs import program
from tests.vm.test_memory import apart_measured

if TYPE_CHECKING:
    from tests.conftest import Seeded

VMS = 8
# Each case: a function's name, its arguments, its options, and the view of its arrays to take.
TASK = """
from polyvm import np

VIEWS = {"": lambda a: a, "T": lambda a: a.T, "back": lambda a: a[::-1], "half": lambda a: a[::2]}

def viewed(thing, view):
    return VIEWS[view](thing) if isinstance(thing, np.ndarray) and thing.ndim else thing

def plain(thing):
    # a copy may be written, so scalars cross as arrays and show their types
    if isinstance(thing, (tuple, list)):
        return [plain(each) for each in thing]
    return np.array(thing) if isinstance(thing, np.ndarray) else thing

def run(cases):
    ended = []
    for name, args, options, view in cases:
        try:
            made = getattr(np, name)(*[viewed(each, view) for each in args], **options)
            ended.append([True, plain(made)])
        except Exception as error:
            ended.append([False, type(error).__name__])
    return ended
"""
VIEWS = {"": lambda a: a, "T": lambda a: a.T, "back": lambda a: a[::-1], "half": lambda a: a[::2]}
FLOATS = ["float32", "float64"]
NUMBERS = [*FLOATS, "int8", "int32", "int64", "uint8", "uint32"]
ALL = [*NUMBERS, "bool", "complex128"]
SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (5,), (16,), (1000,), (4, 6), (3, 0, 2), (70, 90)]
SHAPES += [(2, 3, 4), (5, 1, 7)]
UNARY = {
    "exp sin cos tanh log1p arctan sqrt floor ceil rint isnan": FLOATS,
    "negative abs sign square": NUMBERS,
    "conj real imag logical_not": ALL,
}
BINARY = {
    "add subtract multiply equal": [*NUMBERS, "complex128"],
    "maximum minimum less greater_equal floor_divide remainder logical_and logical_xor": NUMBERS,
    "divide hypot arctan2 copysign": FLOATS,
    "bitwise_and bitwise_or bitwise_xor": ["int8", "int32", "uint8", "int64", "bool"],
}
REDUCTIONS = {
    "sum prod any all count_nonzero": ALL,
    "max min mean argmax argmin": NUMBERS,
    "var std median": FLOATS,
}
Case = tuple[str, list[Any], dict[str, Any], str]


def array(rand: Seeded, dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(rand.randrange(2**32))
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.startswith("complex"):
        return np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype)
    if dtype.startswith("float"):
        return np.asarray(rng.normal(0, 2, shape), dtype)
    low, high = (0, 100) if dtype.startswith("u") else (-50, 50)
    return np.asarray(rng.integers(low, high, shape), dtype)


def named(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [
        (name, dtype)
        for names, dtypes in table.items()
        for name in names.split()
        for dtype in dtypes
    ]


def cases(rand: Seeded) -> list[Case]:
    """A few of each family, with shapes and views at random."""

    def one(dtype: str, least: int = 0) -> np.ndarray[Any, Any]:
        return array(rand, dtype, rand.choice([s for s in SHAPES if len(s) >= least]))

    def axis(x: np.ndarray[Any, Any]) -> int | None:
        return rand.choice([None, *range(-x.ndim, x.ndim)])

    made: list[Case] = []

    def add(name: str, *args: Any, **options: Any) -> None:
        made.append((name, list(args), options, rand.choice(list(VIEWS))))

    for name, dtype in named(UNARY):
        add(name, one(dtype))
    for name, dtype in named(BINARY):
        x = one(dtype)
        y = array(rand, dtype, rand.choice([x.shape, (), x.shape[-1:], (1,) * x.ndim]))
        made.append((name, [x, y], {}, "" if x.shape != y.shape else rand.choice(list(VIEWS))))
    for name, dtype in named(REDUCTIONS):
        x = one(dtype)
        if name == "prod" and x.dtype.kind in "fc":
            x = np.asarray(1 + x / 64, dtype)  # whether others overflow depends on the order
        add(name, x, axis=axis(x), keepdims=rand.choice([False, True]))
    for dtype in NUMBERS:
        x = one(dtype, 1)
        for name in ("sort", "argsort"):
            add(name, x, axis=rand.randrange(-x.ndim, x.ndim), stable=True)
        add("cumsum", x, axis=rand.randrange(-x.ndim, x.ndim))
        add("unique", x)
        add("flip", x)
        add("roll", x, rand.randrange(-9, 9))
        add("transpose", x)
        add("ravel", x)
        add("nonzero", x)
        add("diff", x, axis=rand.randrange(-x.ndim, x.ndim))
        add("where", x > 3, x, array(rand, dtype, x.shape))
        add("clip", x, 1, 5)
        add("concatenate", [x, x], axis=rand.randrange(x.ndim))
        add("stack", [x, x, x], axis=rand.randrange(x.ndim))
        add("take", array(rand, dtype, (40, 3)), array(rand, "int64", (6, 2)) % 3, axis=1)
        n, k, m = (rand.choice([1, 2, 17, 64]) for _ in range(3))
        made.append(("matmul", [array(rand, dtype, (n, k)), array(rand, dtype, (k, m))], {}, ""))
        made.append(
            ("tensordot", [array(rand, dtype, (n, k)), array(rand, dtype, (k, m))], {"axes": 1}, "")
        )
    return made


def expected(case: Case) -> Any:
    name, args, options, view = case

    def viewed(thing: Any) -> Any:
        return VIEWS[view](thing) if isinstance(thing, np.ndarray) and thing.ndim else thing

    return call(getattr(np, name), [viewed(each) for each in args], options)


def test_eight_vms_at_once(rand: Seeded) -> None:
    families = [cases(rand) for _ in range(VMS)]
    with Executor(VMS) as executor:
        tasks = [executor.add(program(TASK, f"np-{n}")) for n in range(VMS)]
        for turn in range(4):  # so that all have begun before the first has ended
            for n, task in enumerate(tasks):
                executor.submit(
                    task, codec.encode_payload(families[(n + turn) % VMS]), tag=(n + turn) % VMS
                )
        ended = []
        while len(ended) < 4 * VMS:
            ended += executor.collect()
        assert all(executor.stats(task).vms >= 1 for task in tasks)
    answers: dict[int, bytes] = {}
    for each in ended:
        assert each.outcome is Outcome.DONE, each.data.decode()
        assert answers.setdefault(each.tag, each.data) == each.data  # to the bit, in every VM
    for number, family in enumerate(families):
        for case, (done, got) in zip(family, codec.decode(answers[number]), strict=True):
            theirs = expected(case)
            where = (number, case[0], case[2], case[3], [getattr(a, "shape", a) for a in case[1]])
            if isinstance(theirs, Exception):
                assert not done, where
                continue
            assert done, (where, got)
            try:
                same(got, theirs, 1e-5)
            except AssertionError as error:
                raise AssertionError(f"{where}: {error}") from None


def test_one_thousand_resets_with_arrays_in_use() -> None:
    out = apart_measured(
        """
        from polyvm.vm import Vm
        from tests.vm.programs import NIL, program, value_of
        made = program('''
        from polyvm import np
        kept = [np.ones(200_000), np.arange(100_000).reshape(100, 1000)[::2].T]
        def run(x):
            kept.append(kept[0] * 3)
            kept.append(np.sort(kept[1], axis=0))
            kept.append(kept)
            return float(kept[2].sum())
        ''')
        levels = set()
        with Vm() as vm:
            for turn in range(1000):
                vm.load(made)
                assert value_of(vm.call(NIL)) == 600_000.0
                used = vm.stats().bytes
                assert used > 2 * 1_600_000 + 400_000, used
                vm.reset()
                if turn >= 20: levels.add(vm.stats().bytes)
                if turn == 100: before = resident()
            growth = resident() - before
        assert max(levels) - min(levels) < 64 << 10, levels
        assert growth < 4 * MIB, growth
        print("level")
        """,
        seconds=300,
    )
    assert out == "level\n"
