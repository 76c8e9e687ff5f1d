"""What one task does is invisible to every other, to a reset VM, and to the host."""

from __future__ import annotations

import pytest

from polyvm.vm import Vm
from tests.vm.programs import NIL, apart_ok, failure_of, pack, program, value_of

# name: (what one task does at its top level, what `seen()` of another must return)
TRACES: dict[str, tuple[str, str, object]] = {
    "modules": (
        "import sys, types\nsys.modules['spy'] = types.ModuleType('spy')",
        "import sys\ndef seen(): return 'spy' in sys.modules",
        False,
    ),
    "module attribute": (
        "import math\nmath.pi = 3",
        "import math\ndef seen(): return math.pi > 3.1",
        True,
    ),
    "sys attribute": (
        "import sys\nsys.spy = 1",
        "import sys\ndef seen(): return hasattr(sys, 'spy')",
        False,
    ),
    "sys.path": (
        "import sys\nsys.path.append('/spy'); sys.meta_path.insert(0, 1)",
        "import sys\ndef seen(): return ['/spy' in sys.path, 1 in sys.meta_path]",
        [False, False],
    ),
    "builtins added": (
        "import builtins\nbuiltins.spy = 1",
        "import builtins\ndef seen(): return hasattr(builtins, 'spy')",
        False,
    ),
    "builtins replaced": (
        "import builtins\nbuiltins.len = lambda x: 42",
        "def seen(): return len('abc')",
        3,
    ),
    "class of the standard library": (
        "import decimal, collections\ncollections.UserDict.spy = 1\n"
        "collections.Counter.update = None",
        "import collections\n"
        "def seen(): return [hasattr(collections.UserDict, 'spy'), len(collections.Counter('aa'))]",
        [False, 1],
    ),
    "abstract base class registry": (
        "import collections.abc\nclass S: pass\ncollections.abc.Sequence.register(int)",
        "import collections.abc\ndef seen(): return isinstance(1, collections.abc.Sequence)",
        False,
    ),
    "copyreg": (
        "import copyreg\ncopyreg.pickle(complex, lambda c: (complex, (9, 9)))",
        "import copy\ndef seen(): return copy.copy(1j) == 1j",
        True,
    ),
    "environment": (
        "import os\nos.environ['SPY'] = '1'",
        "import os\ndef seen(): return dict(os.environ)",
        {},
    ),
    "decimal context": (
        "import decimal\ndecimal.getcontext().prec = 3; decimal.DefaultContext.prec = 4",
        "import decimal\ndef seen(): return [decimal.getcontext().prec, decimal.Context().prec]",
        [28, 28],
    ),
    "context variables": (
        "import contextvars, decimal\nv = contextvars.ContextVar('v'); v.set(1)",
        "import contextvars\ndef seen(): return len(contextvars.copy_context())",
        0,
    ),
    "recursion limit": (
        "import sys\nsys.setrecursionlimit(5000)",
        "import sys\ndef seen(): return sys.getrecursionlimit()",
        1000,
    ),
    "int digits": (
        "import sys\nsys.set_int_max_str_digits(0)",
        "import sys\ndef seen(): return sys.get_int_max_str_digits()",
        4300,
    ),
    "warning filters": (
        "import warnings\nwarnings.simplefilter('error')",
        "import warnings\ndef seen(): warnings.warn('x'); return 'not raised'",
        "not raised",
    ),
    "garbage collector": (
        "import gc\ngc.disable(); gc.set_threshold(1, 2, 3); gc.callbacks.append(print)",
        "import gc\ndef seen(): return [gc.isenabled(), gc.get_threshold()[0] > 1, gc.callbacks]",
        [True, True, []],
    ),
    "logging": (
        "import logging\nlogging.getLogger().setLevel(1); logging.disable(50)\n"
        "logging.getLogger('spy').addHandler(logging.NullHandler())",
        "import logging\ndef seen():\n    root = logging.getLogger()\n"
        "    return [root.manager.disable, list(root.manager.loggerDict)]",
        [0, []],
    ),
    "trace and audit hooks": (
        "import sys\nsys.addaudithook(lambda *a: 1)\n"
        "sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)",
        "import sys\ndef seen(): return [sys.gettrace(), sys.getprofile()]",
        [None, None],
    ),
    "hooks": (
        "import sys\nsys.excepthook = sys.unraisablehook = sys.displayhook = print",
        "import sys\ndef seen(): return [sys.excepthook is sys.__excepthook__,"
        " sys.unraisablehook is sys.__unraisablehook__]",
        [True, True],
    ),
    "streams": (
        "import sys\nsys.stdout = sys.stderr = sys.__stdout__ = None",
        "import sys\ndef seen(): return [sys.stdout.name, sys.stderr.name]",
        ["<stdout>", "<stderr>"],
    ),
    "codecs": (
        "import codecs\ncodecs.register_error('spy', lambda e: ('?', e.end))",
        "import codecs\ndef seen():\n    try: codecs.lookup_error('spy')\n"
        "    except LookupError: return 'unknown'",
        "unknown",
    ),
    "asyncio policy": (
        "import asyncio\nloop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)",
        "import asyncio\nasync def five(): return 5\ndef seen(): return asyncio.run(five())",
        5,
    ),
    "switch interval": (
        "import sys\nsys.setswitchinterval(9)",
        "import sys\ndef seen(): return sys.getswitchinterval() < 1",
        True,
    ),
    "type attribute": (
        "class A: pass\nA.__subclasses__()\nclass B(dict): pass\n",
        "def seen(): return sorted(c.__name__ for c in dict.__subclasses__() if c.__name__ == 'B')",
        [],
    ),
    "monitoring": (
        "import sys\nsys.monitoring.use_tool_id(3, 'spy')\n"
        "sys.monitoring.set_events(3, sys.monitoring.events.PY_START)",
        "import sys\ndef seen(): return sys.monitoring.get_tool(3)",
        None,
    ),
}
DOES = "\ndef run(x): return 'done'\n"
SEES = "\ndef run(x): return seen()\n"


@pytest.mark.parametrize("name", TRACES)
def test_another_vm_sees_nothing(name: str) -> None:
    does, sees, expected = TRACES[name]
    with Vm() as before, Vm() as vm:
        before.load(program(sees + SEES))
        vm.load(program(does + DOES))
        assert value_of(vm.call(NIL)) == "done"
        assert value_of(before.call(NIL)) == expected
        with Vm() as after:
            after.load(program(sees + SEES))
            assert value_of(after.call(NIL)) == expected


@pytest.mark.parametrize("name", TRACES)
def test_a_reset_leaves_nothing(name: str) -> None:
    does, sees, expected = TRACES[name]
    with Vm() as vm:
        vm.load(program(does + DOES))
        assert value_of(vm.call(NIL)) == "done"
        vm.reset()
        vm.load(program(sees + SEES))
        assert value_of(vm.call(NIL)) == expected


def test_random_numbers_are_each_vms_own() -> None:
    source = "import random\nrandom.seed(5)\ndef run(x): return random.random()\n"
    with Vm() as one, Vm() as other:
        one.load(program(source))
        other.load(program(source))
        first = [value_of(one.call(NIL)) for _ in range(3)]
        assert [value_of(other.call(NIL)) for _ in range(3)] == first


def test_unseeded_random_numbers_differ() -> None:
    source = "import random\ndef run(x): return random.getrandbits(60)\n"
    seen = set()
    for _ in range(5):
        with Vm() as vm:
            vm.load(program(source))
            seen.add(value_of(vm.call(NIL)))
    assert len(seen) == 5


def test_modules_of_one_task_are_unknown_to_others() -> None:
    with Vm() as one, Vm() as other:
        one.load(program("import mine\ndef run(x): return mine.n", modules={"mine": "n = 7"}))
        other.load(program("def run(x):\n    import mine\n"))
        assert value_of(one.call(NIL)) == 7
        assert "No module named 'mine'" in failure_of(other.call(NIL))


def test_packages_relative_imports_and_assets() -> None:
    made = program(
        """
        import polyvm
        from pkg import sub
        from pkg.deep import leaf
        def run(x):
            return [sub.whoami, leaf.whoami, leaf.up, polyvm.asset("a/b.bin"),
                    polyvm.task.name, polyvm.task.version, polyvm.in_vm]
        """,
        name="big-one",
        modules={
            "pkg": "",
            "pkg.sub": "whoami = __name__",
            "pkg.deep": "from . import leaf",
            "pkg.deep.leaf": "whoami = __name__\nfrom ..sub import whoami as up",
        },
        assets={"a/b.bin": b"\0\xff", "empty": b""},
    )
    with Vm() as vm:
        vm.load(made)
        assert value_of(vm.call(NIL)) == [
            "pkg.sub",
            "pkg.deep.leaf",
            "pkg.sub",
            b"\0\xff",
            "big-one",
            "1.0.0",
            True,
        ]


def test_a_task_cannot_shadow_the_standard_library() -> None:
    made = program("import json\ndef run(x): return json.dumps(1)", modules={"json": "dumps = 3"})
    with Vm() as vm:
        vm.load(made)
        assert value_of(vm.call(NIL)) == "1"


def test_missing_assets_are_an_error() -> None:
    with Vm() as vm:
        vm.load(program("import polyvm\ndef run(x): return polyvm.asset(x)", name="poor"))
        text = failure_of(vm.call(pack("model.bin")))
        assert text.splitlines()[-1].startswith("FileNotFoundError")
        assert "model.bin" in text


def test_the_host_is_left_alone() -> None:
    """Environment, folder, locale, umask, signals and streams are as before, whatever tasks do."""
    out = apart_ok(
        """
        import locale, os, signal, sys, threading
        from tests.vm.programs import NIL, program
        from polyvm.vm import Executor, Outcome, Vm
        os.environ["ONLY_HOST"] = "secret"
        def state():
            umask = os.umask(0); os.umask(umask)
            handlers = [signal.getsignal(s) for s in sorted(signal.valid_signals())]
            return (dict(os.environ), os.getcwd(), locale.setlocale(locale.LC_ALL), umask,
                    handlers, signal.pthread_sigmask(signal.SIG_BLOCK, []), sys.getswitchinterval(),
                    os.fstat(0), os.fstat(1), os.fstat(2), signal.getitimer(signal.ITIMER_REAL),
                    sys.getrecursionlimit(), threading.active_count())
        before = state()
        attempts = '''
        import os, sys, locale, time
        done = []
        def attempt(f, *args):
            try: f(*args)
            except BaseException as e: done.append(type(e).__name__)
        def run(x):
            os.environ["SPY"] = "1"
            attempt(lambda: os.chdir("/")); attempt(lambda: os.umask(0o777))
            attempt(lambda: os.putenv("SPY", "1")); attempt(lambda: os.unsetenv("ONLY_HOST"))
            attempt(lambda: os.close(1)); attempt(lambda: os.dup2(2, 1))
            attempt(lambda: locale.setlocale(locale.LC_ALL, "C")); attempt(lambda: time.tzset())
            attempt(lambda: open(1, "w").write("spy")); attempt(lambda: open(2, closefd=False))
            attempt(lambda: sys.__stdout__.close()); attempt(lambda: sys.setswitchinterval(5))
            attempt(lambda: os.closerange(0, 10)); attempt(lambda: os.nice(1))
            print("to the log"); print("to the log", file=sys.stderr)
            return [os.environ.get("ONLY_HOST"), len(done)]
        '''
        with Vm() as vm:
            vm.load(program(attempts))
            outcome, data = vm.call(NIL)
            assert outcome is Outcome.DONE, data
            assert data == b"\\x92\\xc0\\x0b" or data[:2] == b"\\x92\\xc0", data
        with Executor(2) as executor:
            assert executor.invoke(executor.add(program(attempts)), NIL).outcome is Outcome.DONE
        after = state()
        for a, b in zip(before, after):
            assert a == b, (a, b)
        print("same")
        """
    )
    assert out == "same\n"


def test_host_environment_is_not_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYVM_SECRET", "1")
    with Vm() as vm:
        vm.load(
            program(
                """
                import os, posix
                def run(x):
                    return [dict(os.environ), os.getenv("POLYVM_SECRET"), len(posix.environ)]
                """
            )
        )
        assert value_of(vm.call(NIL)) == [{}, None, 0]


def test_host_signals_still_arrive() -> None:
    """Ctrl-C goes to the host, while workers run."""
    out = apart_ok(
        """
        import os, signal
        from polyvm.vm import Executor
        from tests.vm.programs import NIL, program, until
        got = []
        signal.signal(signal.SIGUSR1, lambda *a: got.append(1))
        with Executor(2) as executor:
            task = executor.add(program("def run(x):\\n    while True: pass\\n"))
            executor.submit(task, NIL)
            until(lambda: executor.stats(task).running)
            try:
                os.kill(os.getpid(), signal.SIGINT)
                executor.collect(timeout_ms=60000)
            except KeyboardInterrupt:
                print("interrupted")
            os.kill(os.getpid(), signal.SIGUSR1)
            until(lambda: got)
        print("ended")
        """
    )
    assert out == "interrupted\nended\n"
