"""A task that does not come back is interrupted, wherever it is stuck and whatever it catches."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

import pytest

from polyvm.vm import Executor, Outcome
from tests.vm.completions import collect
from tests.vm.endless import until_inside
from tests.vm.programs import NIL, pack, program

if TYPE_CHECKING:
    from collections.abc import Iterator

# Expressions that evaluate no bytecode while they are computed, for a very long time.
ENDLESS = {
    "sum of a range": "sum(range(10**12))",
    "sum of a long range": "sum(range(2**70))",
    "sum of a reversed range": "sum(reversed(range(10**12)))",
    "any": "any(map((0).__gt__, count()))",
    "all": "all(repeat(1))",
    "min": "min(count())",
    "max": "max(cycle([1, 2]))",
    "max of a long count": "max(count(2**70))",
    "in": "-1 in count()",
    "indexOf": "operator.indexOf(repeat(0), 1)",
    "countOf": "operator.countOf(cycle('ab'), 'c')",
    "reduce": "functools.reduce(max, count())",
    "sum of calls": "sum(iter(int, 1))",
    "calls of a method": "deque(map([].count, repeat(0)), maxlen=0)",
    "permutations": "deque(permutations(range(20)), maxlen=0)",
    "combinations": "deque(combinations(range(100), 50), maxlen=0)",
    "combinations with replacement": "deque(cwr(range(100), 50), maxlen=0)",
    "product": "deque(product(range(9), repeat=20), maxlen=0)",
    "accumulate": "deque(accumulate(repeat(1)), maxlen=0)",
    "islice": "next(islice(count(), 10**15, None))",
    "chain": "next(chain.from_iterable(repeat(())))",
    "filter": "next(filter(None, repeat(0)))",
    "dropwhile": "next(dropwhile(len, repeat('x')))",
    "compress": "next(compress(count(), repeat(0)))",
    "groupby": "deque(groupby(repeat(0)), maxlen=0)",
    "zip": "deque(zip(count(), enumerate(repeat(0))), maxlen=0)",
    "zip_longest": "deque(zip_longest('ab', repeat(0)), maxlen=0)",
    "batched": "deque(batched(count(), 3), maxlen=0)",
    "a set": "set(repeat(0))",
    "set.update": "set().update(cycle('ab'))",
    "dict.fromkeys": "dict.fromkeys(repeat(0))",
    "Counter": "Counter(repeat('a'))",
    "math.prod": "math.prod(repeat(1))",
    "statistics.fmean": "statistics.fmean(repeat(1.0))",
    "csv": "deque(csv.reader(repeat('a,b')), maxlen=0)",
    "a regular expression": "re.fullmatch('(a|aa)+', 'a' * 80 + 'b')",
    "a big power": "3 ** 10**8",
    "a modular power": "pow(3, 1 << 10**9, 7)",
    "a factorial": "math.factorial(10**7)",
    "gcd": "math.gcd(random.getrandbits(10**7), random.getrandbits(10**7))",
    "comparison of lists": "nested(list) == nested(list)",
    "comparison of tuples": "nested(tuple) == nested(tuple)",
    "a sort of tuples": "sorted([nested(tuple), nested(tuple)])",
    "a hash": "hash(nested(tuple))",
    "a sum of tuples": "sum([(1,)] * 10**6, ())",
    "sums of tuples": "deque(accumulate([(1,)] * 10**6), maxlen=0)",
    "a search": "re.findall('a*b', 'a' * 10**7)",
    "a root": "decimal.Decimal(2).sqrt(decimal.Context(prec=10**7))",
    "a logarithm": "decimal.Decimal(2).ln(decimal.Context(prec=10**6))",
    "a power of a fraction": "decimal.Context(prec=10**5).power(decimal.Decimal('1.7'), decimal.Decimal('0.3'))",
}
# As ENDLESS, taking memory meanwhile.
GROWING = {
    "list": "list(repeat(0))",
    "sorted": "sorted(count(), key=abs)",
    "str.join": "''.join(repeat(''))",
    "bytes.join": "b''.join(repeat(b''))",
    "bytearray": "bytearray(repeat(0))",
    "list.extend": "[].extend(repeat(0))",
    "writelines": "io.StringIO().writelines(repeat('x'))",
    "repr": "repr(nested(list))",
    "json.dumps": "json.dumps(nested(list))",
    "int of a text": "int('7' * 10**7)",
    "text of an int": "str(3 ** 10**6)",
}
SETTING = """
import csv, decimal, functools, io, json, math, operator, random, re, statistics, sys
from collections import Counter, deque
from itertools import *
cwr = combinations_with_replacement
sys.set_int_max_str_digits(0)

def nested(kind):
    made = kind([0])
    for _ in range(200):
        made = kind([made, made])
    return made
"""
# Tasks whose loops are seen between bytecodes.
PLAIN = {
    "a loop": "def stuck():\n    while True: pass",
    "recursion": """
        def stuck(depth=0):
            for _ in range(10): stuck(depth + 1) if depth < 100 else None
    """,
    "generators": """
        def forever():
            while True: yield 1
        def plus(values):
            for value in values: yield value + 1
        def stuck(): return sum(plus(plus(plus(forever()))))
    """,
    "yield from": """
        from itertools import repeat
        def forever(): yield from repeat(0)
        def stuck(): return sum(forever())
    """,
    "a finaliser": """
        class Stuck:
            def __del__(self):
                while True: pass
        def stuck():
            while True: Stuck()
    """,
    "a comparison": """
        from itertools import repeat
        class Never:
            def __eq__(self, other): return False
        def stuck(): return Never() in repeat(Never())
    """,
    "short naps": "import time\ndef stuck():\n    while True: time.sleep(0.0001)",
}
# Tasks that catch everything. No handler stays for longer than to its first check.
CATCHING = {
    "a loop": """
        def stuck():
            while True:
                try:
                    while True: pass
                except BaseException: pass
    """,
    "functions": """
        def stuck(depth=0):
            while True:
                try:
                    while depth == 30: pass
                    stuck(depth + 1)
                except BaseException: pass
    """,
    "a branching recursion": """
        def both():
            try: both()
            except BaseException: pass
            try: both()
            except BaseException: pass
        def stuck():
            while True: both()
    """,
    "finally": """
        def stuck():
            while True:
                try:
                    while True: pass
                finally: continue
    """,
    "suppress": """
        from contextlib import suppress
        def stuck():
            while True:
                with suppress(BaseException):
                    while True: pass
    """,
    "__exit__": """
        class Shield:
            def __enter__(self): pass
            def __exit__(self, *error): return True
        def stuck():
            while True:
                with Shield():
                    while True: pass
    """,
    "around C": """
        from itertools import count
        def stuck():
            while True:
                try: max(count())
                except BaseException: pass
    """,
    "a callback of C": """
        from itertools import repeat
        def try_it(n):
            try:
                while True: pass
            except BaseException: return 1
        def stuck(): return sum(map(try_it, repeat(0)))
    """,
    "a generator": """
        def forever():
            while True:
                try: yield 1
                except BaseException: pass
        def stuck():
            values = forever()
            while True:
                try: sum(values)
                except BaseException: values = forever()
    """,
    "a coroutine": """
        import asyncio
        async def stay():
            while True:
                try: await asyncio.sleep(0.0001)
                except BaseException: pass
        async def both(): await asyncio.gather(stay(), stay())
        def stuck(): asyncio.run(both())
    """,
    "a finaliser": """
        class Again:
            def __del__(self):
                Again()
                try:
                    while True: pass
                except BaseException: pass
        def stuck():
            while True:
                try: Again()
                except BaseException: pass
    """,
    "an attribute": """
        class Shy:
            def __getattr__(self, name):
                try:
                    while True: pass
                except BaseException: raise AttributeError(name) from None
        def stuck():
            shy = Shy()
            while True: hasattr(shy, "a")
    """,
}
SWALLOWING = """
    while True:
        try:
            while True: pass
        except BaseException: pass
"""
# Blocked in a system call, which a signal ends.
WAITING = {
    "a sleep": "time.sleep(10**6)",
    "a lock": "[lock := threading.Lock(), lock.acquire(), lock.acquire()]",
    "a lock with a time limit": "[lock := threading.Lock(), lock.acquire(), lock.acquire(timeout=10**6)]",
    "an event": "threading.Event().wait()",
    "a condition": "[c := threading.Condition(), c.acquire(), c.wait()]",
    "a queue": "queue.Queue().get()",
    "a simple queue": "queue.SimpleQueue().get()",
    "an event loop": "asyncio.run(asyncio.sleep(10**6))",
}
NUMBERS = itertools.count()  # of names: what one task printed is not taken for another's


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    # The grace is longer than any of this may take: no thread is to be given up.
    made = Executor(1, grace_ms=30_000)
    yield made
    made.close()


def interrupt(executor: Executor, source: str) -> str:
    """Cancel `run(1)` once it is inside; the traceback."""
    name = f"stuck {next(NUMBERS)}"
    task = executor.add(program(source, name))
    number = executor.submit(task, pack(1))
    until_inside(name)
    assert executor.cancel(number)
    (ended,) = collect(executor, 1)
    executor.withdraw(task)
    assert ended.outcome is Outcome.CANCELLED, (ended.outcome, ended.data)
    traceback = ended.data.decode()
    assert "given up" not in traceback
    return traceback


def calling(source: str) -> str:
    return f"{textwrap.dedent(source)}\ndef run(x):\n    if x: print('inside'); stuck()\n"


def computing(expression: str, setting: str = SETTING) -> str:
    return f"{setting}\ndef run(x):\n    if x: print('inside'); {expression}\n"


@pytest.mark.parametrize("expression", ENDLESS.values(), ids=ENDLESS)
def test_c_loops(executor: Executor, expression: str) -> None:
    assert "polyvm.Interrupted" in interrupt(executor, computing(expression))


@pytest.mark.parametrize("expression", GROWING.values(), ids=GROWING)
def test_c_loops_that_take_memory(executor: Executor, expression: str) -> None:
    assert "polyvm.Interrupted" in interrupt(executor, computing(expression))


@pytest.mark.parametrize("source", PLAIN.values(), ids=PLAIN)
def test_python_loops(executor: Executor, source: str) -> None:
    assert "polyvm.Interrupted" in interrupt(executor, calling(source))


@pytest.mark.parametrize("source", CATCHING.values(), ids=CATCHING)
def test_no_handler_helps(executor: Executor, source: str) -> None:
    interrupt(executor, calling(source))


@pytest.mark.parametrize("expression", WAITING.values(), ids=WAITING)
def test_waiting(executor: Executor, expression: str) -> None:
    setting = "import asyncio, queue, threading, time"
    assert "polyvm.Interrupted" in interrupt(executor, computing(expression, setting))


@pytest.mark.parametrize("loop", ["while True: pass", SWALLOWING], ids=["a loop", "catching"])
def test_imports(executor: Executor, loop: str) -> None:
    source = f"print('inside')\n{textwrap.dedent(loop)}\ndef run(x): pass\n"
    name = f"importing {next(NUMBERS)}"
    task = executor.add(program(source, name))
    number = executor.submit(task, NIL)
    until_inside(name)
    assert executor.cancel(number)
    (ended,) = collect(executor, 1)
    executor.withdraw(task)
    assert ended.outcome is Outcome.CANCELLED, (ended.outcome, ended.data)
    assert "given up" not in ended.data.decode()


def test_the_worker_goes_on(executor: Executor) -> None:
    """What was interrupted in C left nothing behind that the next task would meet."""
    interrupt(executor, computing("''.join(repeat(''))"))
    task = executor.add(program(computing("pass") + "    return sum(range(1000))", "next"))
    assert executor.invoke(task, NIL).data == pack(499500)
    executor.withdraw(task)
