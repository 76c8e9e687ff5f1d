# %% collections
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque
print(Counter("abracadabra").most_common(2), Counter(a=1) + Counter(a=2, b=1), Counter("ab") - Counter("a"))
print(dict(defaultdict(list, a=[1])), OrderedDict([("b", 1), ("a", 2)]), ChainMap({"a": 1}, {"b": 2})["b"])
d = deque([1, 2, 3], maxlen=3); d.append(4); d.rotate(1)
print(d, UserDict(a=1), UserList([1]), UserString("x") + "y")
o = OrderedDict(a=1, b=2); o.move_to_end("a"); print(o, o.popitem(last=False))
# %% heapq_bisect
import bisect, heapq
h = [5, 1, 4]; heapq.heapify(h); heapq.heappush(h, 0)
print(heapq.heappop(h), heapq.nlargest(2, [1, 5, 3]), heapq.nsmallest(2, "zab", key=ord), list(heapq.merge([1, 4], [2, 3])))
a = [1, 3, 5]; bisect.insort(a, 4)
print(a, bisect.bisect_left(a, 3), bisect.bisect(a, 3), bisect.bisect_left([(1, "a"), (2, "b")], 2, key=lambda p: p[0]))
# %% datetime
from datetime import UTC, date, datetime, time, timedelta, timezone
d = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
print(d, d.isoformat(), d + timedelta(days=1, hours=2), d.strftime("%Y-%m-%d %H:%M:%S %j %A %b"), d.timestamp())
print(datetime.fromisoformat("2024-01-02T03:04:05.678+02:00"), date(2024, 1, 1).isocalendar(), date.fromordinal(730000))
print(datetime.strptime("2023-05-06 07:08", "%Y-%m-%d %H:%M"), datetime.strptime("Mon 6 May 2024", "%a %d %B %Y"), time(1, 2).replace(hour=5))
print(timedelta(days=-1, seconds=5), timedelta(hours=1) / timedelta(minutes=7), datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-3))).utcoffset())
print(datetime.fromtimestamp(0, UTC), repr(d), d.astimezone(timezone(timedelta(hours=5, minutes=30))))
for bad in ("2024-13-01", "x"):
    try:
        date.fromisoformat(bad)
    except ValueError as error:
        print(error)
# %% calendar_sched_graphlib
import calendar, graphlib, sched
print(calendar.monthrange(2024, 2), calendar.isleap(2023), calendar.month_name[5], calendar.timegm((1970, 1, 2, 0, 0, 0)))
print(calendar.TextCalendar().formatmonth(2024, 2))
print(list(graphlib.TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"a"}}).static_order())[0])
t = [0]
s = sched.scheduler(lambda: t[0], lambda n: t.__setitem__(0, t[0] + n))
s.enter(2, 1, print, ("two",)); s.enter(1, 1, print, ("one",)); s.run()
try:
    list(graphlib.TopologicalSorter({1: {2}, 2: {1}}).static_order())
except graphlib.CycleError as error:
    print(error.args[0])
# %% zoneinfo
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError
try:
    print(datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")).utcoffset())
except ZoneInfoNotFoundError as error:
    print(error)
try:
    ZoneInfo("No/Such")
except ZoneInfoNotFoundError as error:
    print(error)
# %% queues
import queue
q = queue.PriorityQueue(); q.put(2); q.put(1); print(q.get(), q.qsize())
l = queue.LifoQueue(maxsize=1); l.put(1)
try:
    l.put_nowait(2)
except queue.Full:
    print("full")
s = queue.SimpleQueue(); s.put("x"); print(s.get(), s.empty())
try:
    queue.Queue().get(timeout=0.001)
except queue.Empty:
    print("empty")
# %% array_struct
import array, struct
a = array.array("d", [1.5, 2.5]); a.append(3)
print(a, a.itemsize, array.array("i", b"\1\0\0\0").tolist(), sum(a), memoryview(a)[1])
print(struct.pack("<iHq", 1, 2, -3).hex(), struct.unpack(">bf", struct.pack(">bf", -1, 0.5)), struct.calcsize("@lq"), list(struct.iter_unpack("<h", b"\1\0\2\0")))
# %% pprint_reprlib
import pprint, reprlib
from dataclasses import dataclass
@dataclass
class Point:
    x: int
    y: list
pprint.pprint({"b": list(range(30)), "a": {"n": {"m": ["x" * 30] * 3}}, "p": Point(1, ["y" * 50] * 2)}, width=60)
print(reprlib.repr(list(range(100))), pprint.pformat((1, {2, 1})))
# %% types
import types
ns = types.SimpleNamespace(a=1, b="x")
print(ns, types.MappingProxyType({"a": 1}), isinstance(lambda: 0, types.FunctionType))
C = types.new_class("C", (int,), {}, lambda d: d.update(x=5))
print(C(3) + C.x, types.resolve_bases((list[int],)), types.GenericAlias(list, int))
m = types.ModuleType("m", "doc"); print(m.__doc__, m)
# %% strptime_without_a_year
import warnings
from datetime import datetime
warnings.simplefilter("ignore")
print(datetime.strptime("03 04", "%d %m"))
