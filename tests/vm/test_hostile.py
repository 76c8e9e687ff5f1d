"""Tasks that break what they should leave alone: their VM resets, and nobody else notices."""

from __future__ import annotations

import json

import pytest

from tests.vm.programs import apart

# Each task runs in a process of its own, as what it does may crash a broken runtime.
# name: (source, how the first call ends: "done", or the start of the failure's last line)
TASKS: dict[str, tuple[str, str]] = {
    # ---- The import system and the builtins
    "del sys.modules": (
        "import sys\ndef run(x):\n    del sys.modules\n    import json",
        "AttributeError: module 'sys' has no attribute 'modules'",
    ),
    "sys.modules is a str": (
        "import sys\ndef run(x):\n    sys.modules = 'x'\n    import decimal",
        "AttributeError: 'str' object has no attribute 'get'",
    ),
    "sys.modules emptied": (
        "import sys\ndef run(x):\n    sys.modules.clear()\n    import json",
        "ImportError: ",
    ),
    "sys.modules of None": (
        "import sys\ndef run(x):\n    for k in list(sys.modules): sys.modules[k] = None\n    import re",
        "ModuleNotFoundError: import of sys halted; None in sys.modules",
    ),
    "own module removed": (
        "import sys\ndef run(x):\n    del sys.modules['main']\n    import main\n    return main.__name__",
        "done",
    ),
    "sys emptied": ("import sys\ndef run(x): sys.__dict__.clear()", "done"),
    "builtins emptied": ("import builtins\ndef run(x): builtins.__dict__.clear()", "done"),
    "del print": (
        "import builtins\ndef run(x):\n    del builtins.print\n    print(1)",
        "NameError: name 'print' is not defined",
    ),
    "del __import__": (
        "import builtins\ndef run(x):\n    del builtins.__import__\n    import json",
        "ImportError: __import__ not found",
    ),
    "__import__ raises": (
        "import builtins\ndef run(x):\n    builtins.__import__ = lambda *a: 1 / 0\n    import json",
        "ZeroDivisionError",
    ),
    "no finders": (
        "import sys\ndef run(x):\n    sys.meta_path.clear(); sys.path_hooks.clear()\n    import json",
        "ModuleNotFoundError: No module named 'json'",
    ),
    "meta_path is None": (
        "import sys\ndef run(x):\n    sys.meta_path = None\n    import json",
        "ImportError: sys.meta_path is None",
    ),
    "everything emptied": (
        """
        import sys, gc
        def run(x):
            for m in list(sys.modules.values()):
                if m.__name__ not in ("main", "sys", "builtins"): m.__dict__.clear()
        """,
        "done",
    ),
    "os functions replaced": ("import os\ndef run(x):\n    os.fspath = os.stat = None", "done"),
    # ---- The process
    "os._exit": ("import os\ndef run(x): os._exit(3)", "AttributeError: os._exit is not available"),
    "os.abort": ("import os\ndef run(x): os.abort()", "AttributeError: os.abort is not available"),
    "os.fork": ("import os\ndef run(x): os.fork()", "AttributeError: os.fork is not available"),
    "os.kill": ("import os\ndef run(x): os.kill(1, 9)", "AttributeError: os.kill is not available"),
    "os.system": (
        "import os\ndef run(x): os.system('ls')",
        "AttributeError: os.system is not avail",
    ),
    "os.execv": (
        "import os\ndef run(x): os.execv('/', [])",
        "AttributeError: os.execv is not avail",
    ),
    "os.chdir": (
        "import os\ndef run(x): os.chdir('/')",
        "AttributeError: os.chdir is not available",
    ),
    "posix._exit": ("import posix\ndef run(x): posix._exit(3)", "AttributeError: "),
    "signal": ("def run(x): import signal", "ModuleNotFoundError: No module named 'signal'"),
    "ctypes": ("def run(x): import ctypes", "ModuleNotFoundError: No module named 'ctypes'"),
    "socket": ("def run(x): import socket", "ModuleNotFoundError: No module named 'socket'"),
    "subprocess": ("def run(x): import subprocess", "ModuleNotFoundError: No module named 'subp"),
    "_interpreters": ("def run(x): import _interpreters", "ModuleNotFoundError: No module named"),
    "faulthandler": ("def run(x): import faulthandler", "ModuleNotFoundError: No module named"),
    "sys.exit": ("import sys\ndef run(x): sys.exit('bye')", "SystemExit: bye"),
    "sys.exit 0": ("import sys\ndef run(x): sys.exit()", "SystemExit"),
    "keyboard interrupt": ("def run(x): raise KeyboardInterrupt('k')", "KeyboardInterrupt: k"),
    "generator exit": ("def run(x): raise GeneratorExit", "GeneratorExit"),
    "stop iteration": ("def run(x): raise StopIteration", "StopIteration"),
    "numpy": ("def run(x): import numpy", "ModuleNotFoundError: No module named 'numpy' in a VM: "),
    "compile": ("def run(x): compile('1', '', 'eval')", "RuntimeError: compile() is not available"),
    "eval": ("def run(x): eval('1')", "RuntimeError: compile() is not available"),
    "exec": ("def run(x): exec('1')", "RuntimeError: compile() is not available"),
    "input": ("def run(x): input()", "RuntimeError: lost sys.stdin"),
    "breakpoint": ("def run(x): breakpoint()", "done"),
    "thread": (
        "import threading\ndef run(x): threading.Thread(target=print).start()",
        "RuntimeError: _thread.start_joinable_thread() is not available in a VM",
    ),
    "thread, low level": (
        "import _thread\ndef run(x): _thread.start_new_thread(print, ())",
        "RuntimeError: _thread.start_new_thread() is not available in a VM",
    ),
    "thread pool": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "def run(x):\n    with ThreadPoolExecutor() as pool: pool.submit(int).result()",
        "RuntimeError: _thread.start_joinable_thread() is not available in a VM",
    ),
    "timer": ("import threading\ndef run(x): threading.Timer(0, print).start()", "RuntimeError: "),
    # ---- Streams and descriptors
    "stdout is None": (
        "import sys\ndef run(x):\n    sys.stdout = sys.stderr = None; print(1)",
        "done",
    ),
    "stdout is junk": (
        "import sys\ndef run(x):\n    sys.stdout = 5; print(1)",
        "AttributeError: 'int' object has no attribute 'write'",
    ),
    "stdout closed": ("import sys\ndef run(x):\n    sys.stdout.close(); print(1)", "done"),
    "stderr raises": (
        """
        import sys
        class S:
            def write(self, s): raise ValueError
            def flush(self): raise ValueError
        class A:
            def __del__(self): raise KeyError
        kept = A()
        def run(x): sys.stderr = sys.stdout = S(); A()
        """,
        "done",
    ),
    "open(1)": ("def run(x): open(1, 'w')", "OSError: [Errno 9] a VM may not use raw"),
    "open(7)": ("def run(x): open(7)", "OSError: [Errno 9] a VM may not use raw"),
    "open(1), kept open": (
        "def run(x): open(1, 'w', closefd=False)",
        "OSError: [Errno 9] a VM may",
    ),
    "FileIO": ("import io\ndef run(x): io.FileIO(1, 'w')", "OSError: [Errno 9] a VM may not use"),
    "os.close": ("import os\ndef run(x): os.close(1)", "AttributeError: os.close is not available"),
    "os.open": (
        "import os\ndef run(x): os.open('/', 0)",
        "AttributeError: os.open is not available",
    ),
    "opener": ("def run(x): open('x', opener=lambda p, f: 1).write('HOST')", "OSError: [Errno 9]"),
    # ---- Recursion
    "recursion": ("def run(x): return run(x)", "RecursionError: maximum recursion depth exceeded"),
    "recursion, __getattr__": (
        "class A:\n    def __getattr__(self, n): return getattr(self, n)\ndef run(x): A().y",
        "RecursionError: ",
    ),
    "recursion, repr": (
        "def run(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    repr(a)",
        "RecursionError: maximum recursion depth exceeded while getting the repr",
    ),
    "recursion, comparison": (
        "def run(x):\n    a, b = [], []\n    for _ in range(10**5): a, b = [a], [b]\n    a == b",
        "RecursionError: maximum recursion depth exceeded in comparison",
    ),
    "recursion, json.loads": (
        "import json\ndef run(x): json.loads('[' * 10**6)",
        "RecursionError: ",
    ),
    "recursion, json.dumps": (
        "import json\ndef run(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    json.dumps(a)",
        "RecursionError: ",
    ),
    "recursion, pickle": (
        "import pickle\ndef run(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    pickle.dumps(a)",
        "RecursionError: ",
    ),
    "recursion, deepcopy": (
        "import copy\ndef run(x):\n    a = []\n    for _ in range(10**5): a = [a]\n    copy.deepcopy(a)",
        "RecursionError: ",
    ),
    "recursion, re": (
        "import re\ndef run(x): re.compile('(' * 9999 + ')' * 9999)",
        "RecursionError: ",
    ),
    "recursion, __del__": (
        "class A:\n    def __del__(self): A()\ndef run(x): A()",
        "done",
    ),
    "recursion, __str__": (
        "class A:\n    def __str__(self): return str(self)\ndef run(x): str(A())",
        "RecursionError: ",
    ),
    "recursion, generators": (
        "def g(n): yield from g(n - 1)\ndef run(x): list(g(10**6))",
        "RecursionError: ",
    ),
    "recursion, nested groups": (
        """
        def run(x):
            e = ValueError()
            for _ in range(20_000): e = ExceptionGroup("g", [e])
            try: raise e
            except* TypeError: pass
        """,
        "RecursionError: ",
    ),
    "recursion, isinstance": (
        "def run(x):\n    t = (int,)\n    for _ in range(10**5): t = (t,)\n    isinstance('', t)",
        "RecursionError: ",
    ),
    "recursion, the limit raised, __getattr__": (
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "class A:\n    def __getattr__(self, n): return getattr(self, n)\ndef run(x): A().y",
        "RecursionError: ",
    ),
    "recursion, the limit raised, sorted": (
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "class A:\n    def __lt__(self, o): return sorted([A(), A()])\ndef run(x): sorted([A(), A()])",
        "RecursionError: ",
    ),
    "recursion, the limit raised, map": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(x): return list(map(f, [x]))\ndef run(x): f(x)",
        "RecursionError: ",
    ),
    "recursion, the limit raised, format": (
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "class A:\n    def __format__(self, s): return f'{A()}'\ndef run(x): f'{A()}'",
        "RecursionError: ",
    ),
    "recursion, the limit raised, json": (
        "import sys, json\nsys.setrecursionlimit(10**6)\ndef run(x): json.loads('[' * 10**6)",
        "RecursionError: ",
    ),
    "recursion, the limit raised, re.sub": (
        "import sys, re\nsys.setrecursionlimit(10**6)\n"
        "def f(m): return re.sub('a', f, 'a')\ndef run(x): f(None)",
        "RecursionError: ",
    ),
    "recursion, the limit raised, key": (
        "import sys\nsys.setrecursionlimit(10**6)\ndef f(x): return max([x, x], key=f)\ndef run(x): f(1)",
        "RecursionError: ",
    ),
    "long chain freed": (
        "class N: pass\ndef run(x):\n    a = None\n    for _ in range(3 * 10**5):\n"
        "        n = N(); n.next = a; a = n",
        "done",
    ),
    # ---- Memory
    "a million items": ("def run(x): return [0] * 10**6", "done"),
    "a million keys": ("def run(x): return dict.fromkeys(range(10**6))", "done"),
    "bytes of a terabyte": ("def run(x): bytes(10**12)", "MemoryError"),
    "list of 10**13": ("def run(x): [0] * 10**13", "MemoryError"),
    "str of 10**13": ("def run(x): 'x' * 10**13", "MemoryError"),
    "int of 10**13 bits": ("def run(x): 1 << 10**13", "MemoryError"),
    "bytearray growing": (
        "def run(x):\n    b = bytearray(10)\n    b.extend(bytes(10)); b *= 10**12",
        "MemoryError",
    ),
    "number of many digits": ("def run(x): int('9' * 5000)", "ValueError: Exceeds the limit"),
    # ---- Things that come back at the end
    "__del__ raises": (
        "class A:\n    def __del__(self): 1 / 0\nkept = A()\ndef run(x): pass",
        "done",
    ),
    "__del__ prints": (
        "class A:\n    def __del__(self): print(1)\nkept = A()\ndef run(x): pass",
        "done",
    ),
    "__del__ imports": (
        "class A:\n    def __del__(self): import json\nkept = A()\ndef run(x): pass",
        "done",
    ),
    "__del__ revives": (
        "kept = []\nclass A:\n    def __del__(self): kept.append(self)\n"
        "def run(x):\n    a = A(); a.a = a\n    kept.append(A())",
        "done",
    ),
    "metaclass with __del__": (
        "class M(type):\n    def __del__(self): print(self)\nclass A(metaclass=M): pass\ndef run(x): pass",
        "done",
    ),
    "atexit": (
        "import atexit, sys\n@atexit.register\ndef f(): sys.exit(1)\ndef run(x): pass",
        "done",
    ),
    "atexit again and again": (
        "import atexit\n@atexit.register\ndef f(): atexit.register(f)\ndef run(x): pass",
        "done",
    ),
    "atexit, nothing importable": (
        "import atexit, builtins, sys\n@atexit.register\ndef f(): print(1)\n"
        "def run(x):\n    del builtins.__import__\n    sys.modules.clear()",
        "done",
    ),
    "weak references": (
        "import weakref\nclass A: pass\na = A()\nr = weakref.ref(a, print)\nf = weakref.finalize(a, print)\n"
        "def g(r): raise ValueError\ns = weakref.ref(a, g)\ndef run(x): pass",
        "done",
    ),
    "generator that will not end": (
        """
        def g():
            while True:
                try: yield
                except GeneratorExit: pass
        def run(x):
            global kept
            kept = g(); next(kept)
        """,
        "done",
    ),
    "event loop left open": (
        """
        import asyncio
        async def g():
            try: await asyncio.sleep(1000)
            finally: print("over")
        def run(x):
            global loop, task
            loop = asyncio.new_event_loop()
            task = loop.create_task(g())
            loop.run_until_complete(asyncio.sleep(0))
        """,
        "done",
    ),
    "coroutine never awaited": (
        "async def g(): pass\ndef run(x):\n    global c\n    c = g(); g()",
        "done",
    ),
    "async generator left": (
        """
        import asyncio
        async def numbers():
            try:
                while True: yield 1
            finally: await asyncio.sleep(0)
        def run(x):
            global kept
            kept = numbers()
            async def first():
                async for n in kept: return n
            asyncio.new_event_loop().run_until_complete(first())
        """,
        "done",
    ),
    "locks left held": (
        "import threading\na, b = threading.Lock(), threading.RLock()\n"
        "def run(x):\n    a.acquire(); b.acquire()",
        "done",
    ),
    "thread-local with a circle": (
        "import threading\nl = threading.local()\nclass A:\n    def __del__(self): print(1)\n"
        "def run(x):\n    l.x = A(); l.y = l",
        "done",
    ),
    "frames kept": ("import sys\nkept = []\ndef run(x): kept.append(sys._getframe())", "done"),
    "traceback kept": (
        "kept = []\ndef run(x):\n    try: 1 / 0\n    except Exception as e: kept.append(e)",
        "done",
    ),
    "file left open": (
        "def run(x):\n    global f\n    f = open('/dev/null', 'w'); f.write('x')",
        "done",
    ),
    # ---- Switches
    "settrace": (
        "import sys\ndef t(*a): return t\ndef run(x):\n    sys.settrace(t); sys.setprofile(t)",
        "done",
    ),
    "settrace raises": (
        "import sys\ndef t(*a): raise ValueError('traced')\n"
        "def run(x):\n    sys.settrace(t); sum(i for i in (1, 2))",
        "ValueError: traced",
    ),
    "monitoring": (
        """
        import sys
        def run(x):
            m = sys.monitoring
            m.use_tool_id(3, "x"); m.register_callback(3, m.events.PY_START, lambda *a: 1 / 0)
            m.set_events(3, m.events.PY_START | m.events.LINE)
        """,
        "done",
    ),
    "audit hook raises": (
        "import sys\ndef h(event, *a): raise RuntimeError(event)\ndef run(x): sys.addaudithook(h)",
        "done",
    ),
    "gc.freeze": (
        "import gc\nclass A: pass\ndef run(x):\n    for _ in range(1000):\n        a = A(); a.a = a\n"
        "    gc.freeze(); gc.disable()",
        "done",
    ),
    "gc callback that is none": (
        "import gc\ndef run(x):\n    gc.callbacks.append(3); gc.collect()",
        "done",
    ),
    "gc.set_debug": (
        "import gc\nclass A: pass\ndef run(x):\n    gc.set_debug(gc.DEBUG_LEAK | gc.DEBUG_STATS)\n"
        "    a = A(); a.a = a; del a; gc.collect()",
        "done",
    ),
    "switch interval": ("import sys\ndef run(x): sys.setswitchinterval(1e-6)", "done"),
    "warnings as errors": (
        "import warnings\nwarnings.simplefilter('error')\n"
        "class A:\n    def __del__(self): warnings.warn('x')\na = A()\ndef run(x): pass",
        "done",
    ),
    "hooks of None": (
        "import sys\ndef run(x):\n    sys.excepthook = sys.unraisablehook = sys.displayhook = None\n"
        "    class A:\n        def __del__(self): 1 / 0\n    A()",
        "done",
    ),
    # ---- The runtime's own module
    "_polyvm misused": (
        """
        import _polyvm
        def run(x):
            importer = _polyvm.Importer()
            for f in (lambda: importer.exec_module("x"), lambda: importer.find_spec(),
                      lambda: importer.find_spec(1), lambda: importer.get_code("nope"),
                      lambda: importer.get_code(1), lambda: _polyvm.Stream(7),
                      lambda: _polyvm.Stream("x"), lambda: _polyvm.asset(3),
                      lambda: _polyvm.asset("nope"), lambda: _polyvm.log(1),
                      lambda: _polyvm.log("x", "y", "z"), lambda: _polyvm.Stream(0).write(b"x"),
                      lambda: _polyvm.Stream(0).fileno(), lambda: _polyvm.Stream(0).writelines(5)):
                try: f()
                except Exception: continue
                raise SystemExit("taken")
            _polyvm.log(10**30, "a\\ud800", "b\\ud800")
        """,
        "done",
    ),
    "_polyvm removed": (
        "import sys\ndef run(x):\n    import _polyvm\n    _polyvm.__dict__.clear()\n"
        "    del sys.modules['_polyvm']\n    print(1)",
        "done",
    ),
    "marshal of junk": (
        "import marshal\ndef run(x): marshal.loads(b'\\xff')",
        "ValueError: bad marshal",
    ),
}

HARNESS = """
import json, os, sys, threading
from polyvm.vm import Executor, Outcome, Vm, VmError
from tests.vm.programs import NIL, program, value_of
source, = sys.argv[1:]
GOOD = '''
import json, re, decimal, asyncio, sys
async def two(): return 2
def run(x): return [json.loads("[1]"), asyncio.run(two()), sys.getrecursionlimit()]
'''
made, good = program(source, "hostile"), program(GOOD, "good")
def last(ended):
    outcome, data = ended
    if outcome is Outcome.DONE: return "done"
    assert outcome is Outcome.FAILED, outcome
    lines = data.decode().splitlines()
    return next(l for l in lines[::-1] if l[:1].strip()) if lines else ""
ends = []
def by_hand():
    other, vm = Vm(), Vm()
    other.load(good)
    vm.load(made)
    ends.append(last(vm.call(NIL)))
    assert value_of(other.call(NIL)) == [[1], 2, 1000]
    vm.reset()
    vm.load(good)
    assert value_of(vm.call(NIL)) == [[1], 2, 1000]
    vm.retire()
    other.retire()
threading.stack_size(64 << 20)
thread = threading.Thread(target=by_hand)
thread.start()
thread.join()
with Executor(1, warm_vms=0, vms_per_worker=1) as executor:
    hostile, friendly = executor.add(made), executor.add(good)
    ended = executor.invoke(hostile, NIL)
    ends.append(last((ended.outcome, ended.data)))
    ended = executor.invoke(friendly, NIL)  # in the place of the hostile one
    assert value_of((ended.outcome, ended.data)) == [[1], 2, 1000]
print(json.dumps(ends))
"""


@pytest.mark.parametrize("name", TASKS)
def test_hostile_task(name: str) -> None:
    source, expected = TASKS[name]
    done = apart(HARNESS, source)
    assert (done.returncode, done.stderr) == (0, ""), (done.returncode, done.stdout, done.stderr)
    by_hand, executor = json.loads(done.stdout)
    assert by_hand.startswith(expected)
    assert executor.startswith(expected)
    if expected in ("done", "SystemExit", "MemoryError"):
        assert by_hand == executor == expected


@pytest.mark.parametrize("stack", [1 << 20, 8 << 20, 64 << 20])
def test_recursion_ends_before_the_stack_does(stack: int) -> None:
    """Also on the host's own threads, whatever their stack, and with CPython's limit lifted."""
    done = apart(
        """
        import sys, threading
        from polyvm.vm import Vm
        from tests.vm.programs import NIL, program, value_of
        greedy = '''
        import sys, json, re
        sys.setrecursionlimit(10**6)
        class A:
            def __lt__(self, o): return sorted([A(), A()])
        def f(m): return re.sub("a", f, "a")
        def run(x):
            for attempt in (lambda: sorted([A(), A()]), lambda: json.loads("[" * 10**6),
                            lambda: f(None)):
                try: attempt()
                except RecursionError: continue
            return "fine"
        '''
        def by_hand():
            with Vm() as vm:
                vm.load(program(greedy))
                print(value_of(vm.call(NIL)))
        threading.stack_size(int(sys.argv[1]))
        thread = threading.Thread(target=by_hand)
        thread.start()
        thread.join()
        """,
        str(stack),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
