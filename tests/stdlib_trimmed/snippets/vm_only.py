# %% no_compiler
for attempt in (lambda: compile("1", "f", "eval"), lambda: eval("1"), lambda: exec("x = 1"),
                lambda: compile(3, "f", "exec")):
    try:
        print(attempt())
    except RuntimeError as error:
        print(error)
#> compile() is not available in a VM: tasks run bytecode only; exec and eval take code objects
#> compile() is not available in a VM: tasks run bytecode only; exec and eval take code objects
#> compile() is not available in a VM: tasks run bytecode only; exec and eval take code objects
#> compile() is not available in a VM: tasks run bytecode only; exec and eval take code objects
# %% binary_packages
import importlib.util
for name in ("numpy", "pandas.core", "torch"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error.name, "|", error)
    print(importlib.util.find_spec(name.partition(".")[0]))
#> numpy | No module named 'numpy' in a VM: it is a binary extension for ordinary Python and cannot load here; use polyvm.np, which has NumPy's names, or isolation = "process" in task.toml
#> None
#> pandas | No module named 'pandas' in a VM: it is a binary extension for ordinary Python and cannot load here; use polyvm.np, which has NumPy's names, or isolation = "process" in task.toml
#> None
#> torch | No module named 'torch' in a VM: it is a binary extension for ordinary Python and cannot load here; use polyvm.np, which has NumPy's names, or isolation = "process" in task.toml
#> None
# %% dropped_modules
for name in ("socket", "subprocess", "ctypes", "signal", "asyncio.streams", "unittest.mock"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error)
try:
    from asyncio import streams
except ImportError as error:
    print(type(error).__name__)
try:
    import no_such_module_anywhere
except ModuleNotFoundError as error:
    print(error)
#> No module named 'socket' in a VM: tasks compute beside the data; the host owns the network; docs/stdlib.md lists what there is
#> No module named 'subprocess' in a VM: a VM shares its process with hundreds of others and cannot start, signal or control processes; docs/stdlib.md lists what there is
#> No module named 'ctypes' in a VM: it would bypass the VM's memory accounting and isolation; docs/stdlib.md lists what there is
#> No module named 'signal' in a VM: a VM shares its process with hundreds of others and cannot start, signal or control processes; docs/stdlib.md lists what there is
#> No module named 'asyncio.streams' in a VM: tasks compute beside the data; the host owns the network; docs/stdlib.md lists what there is
#> No module named 'unittest' in a VM: tasks are tested and debugged under ordinary Python, with the same code; docs/stdlib.md lists what there is
#> ImportError
#> No module named 'no_such_module_anywhere'
# %% dropped_functions_of_os
import os
for name in ("fork", "_exit", "system", "open", "kill", "chdir", "popen", "execv", "putenv", "abort"):
    try:
        getattr(os, name)
        print("there is", name)
    except AttributeError as error:
        print(error) if name in ("fork", "popen") else None
print(hasattr(os, "fork"), hasattr(os, "getpid"))
try:
    os.no_such_thing
except AttributeError as error:
    print(error)
try:
    from os import fork
except ImportError as error:
    print(str(error).split(" (")[0])
#> os.fork is not available in a VM: it acts on the whole process, on its file descriptors or on other processes; see docs/stdlib.md
#> os.popen is not available in a VM: it acts on the whole process, on its file descriptors or on other processes; see docs/stdlib.md
#> False True
#> module 'os' has no attribute 'no_such_thing'
#> cannot import name 'fork' from 'os'
# %% refused_functions
import _imp, sys, time
for call in (lambda: time.clock_settime(0, 0), lambda: sys.setdlopenflags(1),
             lambda: sys.activate_stack_trampoline("perf"), lambda: sys._debugmallocstats(),
             lambda: _imp._override_multi_interp_extensions_check(-1)):
    try:
        call()
    except RuntimeError as error:
        print(error)
print(hasattr(time, "tzset"))
#> time.clock_settime() is not available in a VM: it changes the clock or the time zone of the whole process
#> sys.setdlopenflags() is not available in a VM: it acts on the whole process
#> sys.activate_stack_trampoline() is not available in a VM: it acts on the whole process
#> sys._debugmallocstats() is not available in a VM: it acts on the whole process
#> _imp._override_multi_interp_extensions_check() is not available in a VM: it changes the import system of the whole process
#> False
# %% no_threads
import threading, _thread
from concurrent.futures import ThreadPoolExecutor
for start in (threading.Thread(target=print).start, lambda: ThreadPoolExecutor().submit(print),
              lambda: _thread.start_new_thread(print, ()), _thread.interrupt_main):
    try:
        start()
    except RuntimeError as error:
        print(error)
print(threading.active_count())
try:
    from concurrent.futures import ProcessPoolExecutor
except ImportError as error:
    print(type(error).__name__)
#> _thread.start_joinable_thread() is not available in a VM: a VM is one thread: use asyncio, or submit more invocations
#> _thread.start_joinable_thread() is not available in a VM: a VM is one thread: use asyncio, or submit more invocations
#> _thread.start_new_thread() is not available in a VM: a VM is one thread: use asyncio, or submit more invocations
#> _thread.interrupt_main() is not available in a VM: a VM is one thread: use asyncio, or submit more invocations
#> 1
#> ModuleNotFoundError
# %% no_file_descriptors
for attempt in (lambda: open(1, "w"), lambda: open(0, closefd=False), lambda: __import__("os").fdopen(2)):
    try:
        print(attempt())
    except OSError as error:
        print(error)
#> [Errno 9] a VM may not use raw file descriptors
#> [Errno 9] a VM may not use raw file descriptors
#> [Errno 9] a VM may not use raw file descriptors
# %% environment_is_empty
import posix
print(posix.environ)
import os
print(dict(os.environ), posix.environ)
os.environ["TZ"] = "UTC"
print(dict(os.environ))
os.environ.clear()
#> {}
#> {} {}
#> {'TZ': 'UTC'}
# %% locale_is_c
import locale
print(locale.setlocale(locale.LC_ALL), locale.setlocale(locale.LC_ALL, "C"), locale.getlocale(), locale.getpreferredencoding())
try:
    locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
except locale.Error as error:
    print(error)
#> C C (None, None) utf-8
#> a VM has only the "C" locale: the locale is the whole process's
# %% logging_goes_to_the_host
import logging
logging.getLogger("quiet").info("not shown: below the default level")
logging.getLogger("shop.cart").warning("careful %d", 3)
logging.error("from the root")
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("failed")
logging.log(35, "between")
#> log 30 shop.cart careful 3
#> log 40 root from the root
#> log 40 root failed
#> Traceback (most recent call last):
#>   File "task/main.py", line 6, in <module>
#> ZeroDivisionError: division by zero
#> log 35 root between
# %% logging_configured
import io, logging, sys
logging.basicConfig(level=logging.DEBUG)
logging.debug("to the host")
logging.basicConfig(force=True, level="INFO", format="%(levelname)s/%(name)s: %(message)s")
logging.getLogger("a.b").info("formatted")
logging.basicConfig(force=True, stream=sys.stdout, format="stream %(message)s")
logging.warning("x")
own = io.StringIO()
logger = logging.getLogger("own")
logger.addHandler(logging.StreamHandler(own))
logger.propagate = False
logger.error("mine")
print(repr(own.getvalue()))
#> log 10 root to the host
#> log 20 a.b INFO/a.b: formatted
#> stream x
#> 'mine\n'
# %% event_loop_without_io
import asyncio
async def stuck():
    await asyncio.get_running_loop().create_future()
async def main():
    for attempt in (lambda: asyncio.to_thread(print), lambda: asyncio.get_running_loop().run_in_executor(None, print)):
        try:
            await attempt()
        except RuntimeError as error:
            print(error)
    try:
        await asyncio.get_running_loop().create_connection(None, "h", 1)
    except RuntimeError as error:
        print(error)
asyncio.run(main())
try:
    asyncio.run(stuck())
except RuntimeError as error:
    print(error)
print(asyncio.run(asyncio.sleep(0, "the next loop works")))
#> asyncio.to_thread() and loop.run_in_executor() need threads, which a VM does not have: call the function, or submit more invocations
#> asyncio.to_thread() and loop.run_in_executor() need threads, which a VM does not have: call the function, or submit more invocations
#> loop.create_connection() is not available in a VM: its event loop has timers and tasks, no sockets, pipes, processes or signals
#> the event loop is stuck: every task waits for another, no timer is set, and nothing outside a VM can wake it
#> the next loop works
# %% annotations_beyond_the_evaluator
import typing
for text in ("int if x else str", "1 +", "lambda: 0", "[x for x in y]", "f'{x}'", "a b", "(", "'a' b'c'"):
    try:
        typing.ForwardRef(text)
        print("accepted", text)
    except SyntaxError as error:
        print(error)
#> Forward reference must be an expression -- got 'int if x else str'; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got 'int if x else str'
#> Forward reference must be an expression -- got '1 +'; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got '1 +'
#> Forward reference must be an expression -- got 'lambda: 0'; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got 'lambda: 0'
#> Forward reference must be an expression -- got '[x for x in y]'; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got '[x for x in y]'
#> Forward reference must be an expression -- got "f'{x}'"; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got "f'{x}'"
#> Forward reference must be an expression -- got 'a b'; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got 'a b'
#> Forward reference must be an expression -- got '('; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got '('
#> Forward reference must be an expression -- got "'a' b'c'"; a VM evaluates only names, attributes, subscripts, calls, literals and '|' in an annotation -- got "'a' b'c'"
# %% sources_are_absent
import inspect, linecache, traceback
def f(): raise ValueError("x")
try:
    inspect.getsource(f)
except OSError as error:
    print(error)
print(repr(linecache.getline("task/main.py", 1)))
try:
    f()
except ValueError:
    print(traceback.format_exc())
#> could not get source code
#> ''
#> Traceback (most recent call last):
#>   File "task/main.py", line 9, in <module>
#>   File "task/main.py", line 2, in f
#> ValueError: x
#> 
# %% imports_open_no_file
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event in ("open", "os.listdir", "os.scandir") else None)
import json, re, collections, dataclasses, typing, logging, asyncio, decimal, datetime, inspect, urllib.parse, pathlib, pickle, html.entities, unicodedata
print(opened)
#> []
# %% sys_path_has_no_effect
import sys
sys.path.append("/usr/lib/python3")
print([getattr(finder, "__name__", finder) for finder in sys.meta_path], sys.path_hooks)
#> ['BuiltinImporter', 'FrozenImporter'] []
# %% logging_errors_are_shown
import io, logging, sys
sys.stderr = io.StringIO()
logging.error("%d", "not a number")
lines = sys.stderr.getvalue().splitlines()
print(lines[0], "|", [line for line in lines if line.startswith("TypeError")], "|", lines[-3].strip(), "|", lines[-2:])
#> --- Logging error --- | ['TypeError: %d format: a real number is required, not str'] | File "task/main.py", line 3, in <module> | ["Message: '%d'", "Arguments: ('not a number',)"]
# %% codecs_are_loaded_on_demand
import sys
before = "codecs" in sys.modules
text = "é".encode().decode("utf-8"), "é".encode("latin-1"), "é".encode("ascii", "replace")
between = "codecs" in sys.modules
cyrillic = "Я".encode("cp1251")
import codecs
print(before, between, "codecs" in sys.modules, cyrillic, type(codecs.lookup("utf-8")).__name__, codecs.lookup("utf8").name)
#> False False True b'\xdf' CodecInfo utf-8
# %% text_files_with_the_first_utf8_entry
import sys
with open("/proc/self/comm", encoding="utf-8") as file:
    print(bool(file.read()), file.encoding)
print("é".encode("utf-8"), b"\xc3\xa9".decode("UTF-8"))
#> True utf-8
#> b'\xc3\xa9' é
