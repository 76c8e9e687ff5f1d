# %% locks_in_one_thread
import threading
l = threading.Lock()
with l: print(l.locked())
r = threading.RLock()
with r:
    with r: print("reentered")
e = threading.Event(); e.set(); print(e.wait(0), threading.current_thread().name, threading.active_count(), threading.main_thread() is threading.current_thread())
s = threading.Semaphore(1); print(s.acquire(blocking=False), s.acquire(blocking=False))
d = threading.local(); d.x = 1; print(d.x, threading.get_ident() > 0)
c = threading.Condition()
with c: print(c.wait(timeout=0.001))
b = threading.Barrier(1); print(b.wait())
# %% futures_without_threads
from concurrent.futures import Future, CancelledError, InvalidStateError, wait
f = Future(); f.add_done_callback(lambda f: print("done", f.result())); f.set_result(3)
print(f.done(), wait([f]).done == {f})
try:
    f.set_result(4)
except InvalidStateError as error:
    print("invalid")
# %% the_main_thread
import asyncio.events, threading
print(threading.current_thread().name, threading.current_thread() is threading.main_thread(), threading.main_thread().ident == threading.get_ident())
#> MainThread True True
