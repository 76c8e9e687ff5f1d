# %% io
import io
s = io.StringIO("a\nb\r\nc"); print(s.readlines(), io.BytesIO(b"xyz").read(2), io.TextIOWrapper(io.BytesIO("é\r\n".encode()), encoding="utf-8").read())
b = io.BufferedReader(io.BytesIO(b"hello world")); print(b.peek(3)[:3], b.read(5), b.tell())
w = io.BytesIO(); t = io.TextIOWrapper(w, encoding="utf-16", newline="\r\n"); t.write("a\n"); t.flush(); print(w.getvalue())
class R(io.RawIOBase):
    def readable(self): return True
    def readinto(self, b): b[:1] = b"z"; self.n = getattr(self, "n", 0) + 1; return 1 if self.n < 4 else 0
print(io.BufferedReader(R()).read(), io.IncrementalNewlineDecoder(None, True).decode("a\r\nb"))
try:
    io.BytesIO().write("text")
except TypeError as error:
    print(error)
# %% files_by_path
import os, pathlib, random
base = pathlib.Path("/tmp") / f"polyvm-snippet-{os.getpid()}-{random.SystemRandom().getrandbits(60)}"
base.mkdir()
f = base / "a.txt"
print(f.write_text("héllo\nworld\n"), f.read_bytes(), f.exists(), f.stat().st_size, sorted(p.name for p in base.iterdir()))
with open(f, "a", encoding="utf-8") as h:
    print(h.write("more"), h.closed)
with f.open("rb") as h:
    print(h.read(3), h.seek(-2, 2), h.read(), h.readable())
with open(f, "r+") as h:
    h.truncate(3); print(h.read())
(base / "sub").mkdir(); (base / "sub" / "b.py").touch()
print(sorted(str(p.relative_to(base)) for p in base.rglob("*")), [p.name for p in base.glob("*.txt")], sorted(os.listdir(base)), [e.is_dir() for e in sorted(os.scandir(base), key=lambda e: e.name)])
print([(os.path.basename(r), sorted(d), sorted(fs)) for r, d, fs in os.walk(base / "sub")], os.path.getsize(f), os.path.isfile(f))
f.rename(base / "c.txt"); (base / "c.txt").unlink(); (base / "sub" / "b.py").unlink(); (base / "sub").rmdir(); base.rmdir(); print(base.exists())
for bad in (lambda: open("/no/such"), lambda: os.stat("/no/such"), lambda: pathlib.Path("/no").read_text(), lambda: open("/tmp")):
    try:
        bad()
    except OSError as error:
        print(type(error).__name__, error)
# %% pure_paths
import os.path
from pathlib import Path, PurePosixPath, PureWindowsPath
p = PurePosixPath("/a/b/../c.tar.gz")
print(p.name, p.suffixes, p.stem, p.parent, p.parts, p.with_suffix(".x"), p / "d", p.relative_to("/a"), p.match("*.gz"), PureWindowsPath("C:\\x\\y").parts, p.as_uri(), PurePosixPath("a").is_absolute())
print(os.path.join("a", "b"), os.path.splitext("x.y"), os.path.normpath("a//b/../c"), os.path.commonpath(["/a/b", "/a/c"]), os.path.expanduser("x"), os.path.relpath("/a/b", "/a"), os.path.dirname("/x/y"), os.path.isabs("a"))
# %% os_reading
import os
print(os.name, os.sep, os.linesep, os.fspath("x"), len(os.urandom(5)), os.getpid() == os.getpid(), os.cpu_count() >= 1, os.getcwd().startswith("/"), os.strerror(2), os.path.exists("/proc"), os.fsencode("é"), os.fsdecode(b"a"), os.access("/", os.R_OK), os.get_terminal_size is not None, os.O_RDONLY, os.SEEK_END, os.process_cpu_count() >= 1)
import errno, stat
print(errno.ENOENT, errno.errorcode[13], stat.filemode(0o100644), stat.S_ISDIR(os.stat("/").st_mode))
# %% time
import time
t = time.gmtime(86400 * 365)
print(t, time.strftime("%Y-%m-%d %H:%M", t), time.asctime(t), time.mktime is not None, time.strptime("30 Nov 00", "%d %b %y").tm_year, time.time() > 1e9, time.perf_counter() <= time.perf_counter(), time.monotonic_ns() > 0, time.get_clock_info("monotonic").monotonic)
time.sleep(0.001); print(time.process_time() >= 0, time.thread_time() >= 0, isinstance(t, tuple), t[:3])
# %% environment_writes
import os
os.environ["POLYVM_X"] = "1"
print(os.environ["POLYVM_X"], os.getenv("POLYVM_X"), os.environb[b"POLYVM_X"], os.environ.pop("POLYVM_X"), os.getenv("POLYVM_X"), os.environ.get("NOPE", "d"), os.environ.setdefault("A_B", "q"), "A_B" in os.environ)
try:
    os.environ["x"] = 1
except TypeError as error:
    print(error)
# %% gc_sys_atexit
import gc, sys, atexit
class A: pass
a = A(); a.me = a; del a
print(gc.collect() >= 1, gc.isenabled(), sys.getrefcount(object()) >= 1, sys.getsizeof([]) > 0, sys.maxsize, sys.byteorder, sys.version_info[:2], sys.implementation.name, sys.getrecursionlimit() > 100, sys.intern("x"), sys.float_info.max, sys.hash_info.width)
atexit.register(print, "at exit")
atexit.unregister(print)
# %% importlib
import importlib, importlib.util, sys
m = importlib.import_module("json.decoder")
print(m.__name__, importlib.util.find_spec("json").name, importlib.util.find_spec("nope"), importlib.reload(m) is m, importlib.util.resolve_name(".x", "pkg"), importlib.import_module(".encoder", "json").__name__)
try:
    import definitely_missing
except ModuleNotFoundError as error:
    print(error, error.name)
try:
    from json import nope
except ImportError as error:
    print(str(error).split(" (")[0])
import importlib.machinery
print(importlib.machinery.ModuleSpec("x", None), importlib.machinery.SOURCE_SUFFIXES)
