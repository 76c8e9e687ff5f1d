"""Tracebacks of tasks against those of ordinary Python, source lines left out."""

from __future__ import annotations

import re
import textwrap
import traceback

import pytest

from tests.vm.programs import failure_of, once

SNIPPETS = {
    "plain": "def run(x): raise ValueError('v')",
    "no message": "def run(x): raise ValueError",
    "empty message": "def run(x): raise ValueError('')",
    "several arguments": "def run(x): raise ValueError(1, 'two')",
    "key error": "def run(x): return {}['missing']",
    "os error": "def run(x): open('/nosuch/file')",
    "multi-line message": "def run(x): raise ValueError('a\\nb\\n c')",
    "unicode": "def run(x): raise ValueError('é€😀')",
    "name error": "def run(x): return undefined",
    "attribute error": "def run(x): return [].nosuch",
    "unpacking": "def run(x): a, b = 1,",
    "nested calls": """
        def a(): b()
        def b():
            def c(): raise KeyError('deep')
            c()
        def run(x): a()
        """,
    "method": """
        class A:
            def f(self): return self.g()
            @property
            def g(self): raise RuntimeError('in property')
        def run(x): A().f()
        """,
    "generator": "def run(x): return list(1 / n for n in (2, 1, 0))",
    "lambda and generator": "def run(x): return sum((lambda y: 1 // y)(n) for n in (1, 0))",
    "own class": """
        class E(Exception): pass
        def run(x): raise E('mine')
        """,
    "own inner class": """
        class A:
            class E(Exception): pass
        def run(x): raise A.E('mine')
        """,
    "cause": """
        def run(x):
            try: 1 / 0
            except ZeroDivisionError as e: raise ValueError('v') from e
        """,
    "context": """
        def run(x):
            try: 1 / 0
            except ZeroDivisionError: {}['k']
        """,
    "no context": """
        def run(x):
            try: 1 / 0
            except ZeroDivisionError: raise ValueError('v') from None
        """,
    "chain of three": """
        def run(x):
            try:
                try: 1 / 0
                except ZeroDivisionError as e: raise ValueError('v') from e
            except ValueError: raise KeyError('k')
        """,
    "context and cause": """
        def run(x):
            try: 1 / 0
            except ZeroDivisionError: raise ValueError('v') from KeyError('never raised')
        """,
    "finally": """
        def run(x):
            try: 1 / 0
            finally: [].pop()
        """,
    "notes": """
        def run(x):
            e = ValueError('v')
            e.add_note('first'); e.add_note('second\\nline')
            raise e
        """,
    "notes in a chain": """
        def run(x):
            try:
                e = ValueError('v'); e.add_note('n'); raise e
            except ValueError: raise KeyError('k')
        """,
    "recursion": """
        def f(n):
            if n == 0: raise ValueError('bottom')
            f(n - 1)
        def run(x): f(50)
        """,
    "recursion of two": """
        def even(n):
            if n == 0: raise ValueError('bottom')
            odd(n - 1)
        def odd(n): even(n - 1)
        def run(x): even(20)
        """,
    "recursion and more": """
        def stop(): raise ValueError('bottom')
        def f(n):
            if n == 0: return stop()
            return f(n - 1)
        def run(x): f(10)
        """,
    "recursion of four": """
        def f(n): return 1 // n if n <= 0 else f(n - 1)
        def run(x): f(3)
        """,
    "deep recursion": """
        def f(n):
            if n == 0: raise ValueError('bottom')
            f(n - 1)
        def run(x): f(900)
        """,
    "raised twice": """
        def run(x):
            try: 1 / 0
            except ZeroDivisionError as e: raise e
        """,
    "raised again elsewhere": """
        def kept():
            try: 1 / 0
            except ZeroDivisionError as e: return e
        def run(x): raise kept()
        """,
    "system exit": "def run(x): raise SystemExit('bye')",
    "base exception": """
        class Stop(BaseException): pass
        def run(x): raise Stop(1)
        """,
    "assertion": "def run(x): assert x, 'said so'",
    "import error": "def run(x): from math import nosuch",
    "long line numbers": "\n" * 5000 + "def run(x): raise ValueError('far down')",
    "str is empty": """
        class E(Exception):
            def __str__(self): return ''
        def run(x): raise E
        """,
    "str fails": """
        class E(Exception):
            def __str__(self): raise RuntimeError('in __str__')
        def run(x): raise E
        """,
    "str is no str": """
        class E(Exception):
            def __str__(self): return 5
        def run(x): raise E
        """,
}

LOCATION = re.compile(r'  File "(.*)", line (\d+), in (.*)$')


def ordinary(source: str) -> str:
    """What ordinary Python prints: frames of the snippet, without source lines and carets."""
    try:
        scope: dict[str, object] = {"__name__": "main"}
        exec(compile(textwrap.dedent(source), "t/main.py", "exec"), scope)
        scope["run"](None)  # type: ignore[operator]
    except BaseException as error:  # noqa: BLE001
        assert error.__traceback__ is not None
        return "".join(
            traceback.format_exception(error.with_traceback(error.__traceback__.tb_next))
        )
    raise AssertionError("the snippet did not raise")


@pytest.mark.parametrize("name", SNIPPETS)
def test_same_as_ordinary_python(name: str) -> None:
    source = SNIPPETS[name]
    expected = ordinary(source).rstrip("\n")
    if name in ("import error", "attribute error"):  # words that differ between releases
        expected = re.sub(r"'math' \(.*\)", "'math' (unknown location)", expected)
    assert failure_of(once(source)) == expected


def test_frames_of_the_standard_library_are_named() -> None:
    lines = failure_of(once("import json\ndef run(x): json.loads('{')")).splitlines()
    assert lines[1] == '  File "t/main.py", line 2, in run'
    assert lines[2].startswith('  File "<frozen json>", line ')
    assert lines[-1].startswith("json.decoder.JSONDecodeError: Expecting property name")


def test_groups() -> None:
    text = failure_of(
        once(
            """
            def run(x):
                raise ExceptionGroup("both", [ValueError("a"), ExceptionGroup("in", [KeyError("b")])])
            """
        )
    )
    for part in ("ExceptionGroup: both (2 sub-exceptions)", "ValueError: a", "KeyError: 'b'"):
        assert part in text


@pytest.mark.parametrize(
    "source",
    [
        # a group of groups that has 10**30 leaves
        "e = ValueError('leaf')\n    for _ in range(10): e = ExceptionGroup('g', [e] * 1000)\n    raise e",
        # causes in a circle
        "a = ValueError('a'); b = ValueError('b'); a.__cause__ = b; b.__cause__ = a\n    raise a",
        "a = ValueError('a'); a.__cause__ = a\n    raise a",
        "e = None\n    for n in range(100_000):\n        f = ValueError(n); f.__context__ = e; e = f\n"
        "    raise e",
        "e = KeyError()\n    for _ in range(100_000): e = ExceptionGroup('g', [e])\n    raise e",
        "raise ValueError('x' * 10**7)",
        "e = ValueError('v'); e.__notes__ = ['n' * 1000] * 10**5\n    raise e",
        "e = ValueError('v'); e.__notes__ = 5\n    raise e",
        "e = ValueError('v'); e.__notes__ = [5, None]\n    raise e",
        "raise type('E' * 10**7, (Exception,), {})",
    ],
)
def test_endless_texts_end(source: str) -> None:
    text = failure_of(once(f"def run(x):\n    {source}\n"))
    assert 0 < len(text.encode()) <= 1_000_000


def test_a_class_that_hides_its_module() -> None:
    for module in ("5", "None", "property(lambda s: 1 / 0)"):
        text = failure_of(
            once(f"class E(Exception): __module__ = {module}\ndef run(x): raise E('v')")
        )
        assert text.endswith("E: v")
