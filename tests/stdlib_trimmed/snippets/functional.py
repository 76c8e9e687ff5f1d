# %% functools
import functools
from functools import cache, lru_cache, partial, partialmethod, reduce, singledispatch, singledispatchmethod, wraps, cmp_to_key
@lru_cache(maxsize=2)
def f(x): return x * 2
f(1); f(1); f(2); f(3)
print(f.cache_info(), f.cache_parameters(), reduce(int.__add__, range(5)), partial(pow, 2)(5))
@singledispatch
def g(x): return "any"
@g.register
def _(x: int): return "int"
@g.register(list)
def _(x): return "list"
@g.register
def _(x: float | str): return "float or str"
print(g(1), g([]), g(1.5), g("s"), g(None), g.dispatch(bool)(True))
class A:
    @singledispatchmethod
    def h(self, x): return "any"
    @h.register
    def _(self, x: int): return "int"
    def base(self, a, b): return a, b
    p = partialmethod(base, 1)
print(A().h(1), A().h("x"), A().p(2))
def deco(fn):
    @wraps(fn)
    def inner(*a): return fn(*a)
    return inner
@deco
def named(): "doc"
print(named.__name__, named.__doc__, sorted([3, 1, 2], key=cmp_to_key(lambda a, b: b - a)))
# %% singledispatch_string_annotations
from __future__ import annotations
from functools import singledispatch
@singledispatch
def g(x): return "any"
@g.register
def _(x: int | bool): return "int"
print(g(1), g("x"))
# %% total_ordering_and_cached_property
from functools import cached_property, total_ordering
@total_ordering
class V:
    def __init__(self, v): self.v = v
    def __eq__(self, o): return self.v == o.v
    def __lt__(self, o): return self.v < o.v
    @cached_property
    def c(self):
        print("once")
        return self.v
v = V(1)
print(v <= V(1), v > V(0), v.c, v.c)
# %% itertools
import itertools as it
print(list(it.batched("abcdefg", 3)), list(it.pairwise([1, 2, 3])), list(it.accumulate([1, 2, 3], lambda a, b: a * b)))
print(list(it.chain([1], [2])), list(it.combinations("abc", 2)), list(it.product("ab", repeat=2))[:3], list(it.groupby("aab"))[0][0])
print(list(it.islice(it.count(5, 2), 3)), list(it.zip_longest("ab", "c", fillvalue="-")), list(it.starmap(pow, [(2, 3)])))
print(list(it.permutations([1, 2, 3]))[-1], list(it.compress("abc", [1, 0, 1])), [list(x) for x in it.tee([1, 2])], list(it.takewhile(bool, [1, 0, 1])))
# %% operator
import operator as op
print(op.itemgetter(1, 2)("abc"), op.attrgetter("real", "imag")(3j), op.methodcaller("upper")("x"), op.concat("a", "b"), op.index(True), op.countOf([1, 1], 1), op.length_hint([1]))
# %% contextlib
import contextlib, io
@contextlib.contextmanager
def cm(name):
    print("in", name)
    try:
        yield name
    finally:
        print("out", name)
with contextlib.ExitStack() as stack:
    stack.enter_context(cm("a"))
    stack.enter_context(cm("b"))
    stack.callback(print, "callback")
with contextlib.suppress(KeyError):
    {}["x"]
with contextlib.redirect_stdout(io.StringIO()) as out:
    print("hidden")
print(repr(out.getvalue()), contextlib.nullcontext(3).__enter__())
class C(contextlib.ContextDecorator):
    def __enter__(self): print("enter")
    def __exit__(self, *a): print("exit")
@C()
def f(): print("body")
f()
with contextlib.closing(io.StringIO("x")) as s:
    pass
print(s.closed)
# %% contextvars
import contextvars
v = contextvars.ContextVar("v", default=1)
def f():
    v.set(2)
    return v.get()
ctx = contextvars.copy_context()
print(ctx.run(f), v.get(), ctx[v])
token = v.set(5)
v.reset(token)
print(v.get())
# %% abc
import abc
from collections.abc import Iterable, Mapping, MutableMapping, Sequence, Hashable
class A(abc.ABC):
    @abc.abstractmethod
    def f(self): ...
try:
    A()
except TypeError as error:
    print(error)
class D(MutableMapping):
    def __init__(self): self.d = {}
    def __getitem__(self, k): return self.d[k]
    def __setitem__(self, k, v): self.d[k] = v
    def __delitem__(self, k): del self.d[k]
    def __iter__(self): return iter(self.d)
    def __len__(self): return len(self.d)
d = D(); d["a"] = 1; d.update(b=2)
print(dict(d), d.pop("a"), isinstance([], Sequence), isinstance({}, Mapping), issubclass(list, Hashable), "b" in d)
# %% copy_and_copyreg
import copy, copyreg
class A:
    def __init__(self): self.l = [1]; self.me = self
a = copy.deepcopy(A())
print(a.me is a, copy.copy([1, [2]]), copy.deepcopy({"a": (1, [2])}), copyreg.dispatch_table is not None)
# %% weakref
import gc, weakref
class A: pass
a = A()
r = weakref.ref(a, lambda r: print("gone"))
w = weakref.WeakValueDictionary(x=a)
f = weakref.finalize(a, print, "finalized")
print(r() is a, list(w), f.alive)
del a
gc.collect()
print(r(), list(w), f.alive)
