# %% traceback_module
import traceback
def f(): g()
def g(): 1 / 0
try:
    f()
except ZeroDivisionError as error:
    summary = traceback.extract_tb(error.__traceback__)
    print([s.name for s in summary], traceback.format_exception_only(error), summary[-1].lineno)
    print(traceback.TracebackException.from_exception(error).exc_type_str, "ZeroDivisionError" in traceback.format_exc())
try:
    try:
        {}["k"]
    except KeyError as e:
        raise ValueError("outer") from e
except ValueError as error:
    text = "".join(traceback.format_exception(error))
    print(text.count("Traceback"), "direct cause" in text)
    error.add_note("a note")
    print(traceback.format_exception_only(error))
# %% exception_groups
try:
    raise ExceptionGroup("g", [ValueError(1), TypeError(2), ExceptionGroup("h", [KeyError(3)])])
except* ValueError as g:
    print("values", g.exceptions)
except* (TypeError, KeyError) as g:
    print("rest", g)
# %% suggestions
import traceback
class A:
    colour = 1
for bad in (lambda: A().color, lambda: prnt, lambda: __import__("jsn")):
    try:
        bad()
    except Exception as error:
        print(traceback.format_exception_only(error))
# %% warnings
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    warnings.warn("careful", DeprecationWarning)
    warnings.warn(UserWarning("user"))
print([(str(w.message), w.category.__name__) for w in seen])
warnings.filterwarnings("error", message="boom")
try:
    warnings.warn("boom now")
except UserWarning as error:
    print(error)
@warnings.deprecated("use new")
def old(): return 1
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    print(old(), str(seen[0].message))
# %% inspect
import inspect
class A:
    "Doc."
    def m(self, a, /, b: int = 2, *args, c, d=4, **kw) -> str: ...
    @staticmethod
    def s(): ...
    @classmethod
    def c(cls, x): ...
    @property
    def p(self): ...
async def co(): ...
def gen(): yield
def outer(): return inspect.currentframe().f_code.co_name, inspect.stack()[0].function
print(inspect.signature(A.m), inspect.signature(A.c), inspect.signature(A().m), inspect.getfullargspec(A.m).kwonlydefaults, inspect.getdoc(A), inspect.ismethod(A().m), inspect.isfunction(A.s), inspect.iscoroutinefunction(co), inspect.isgeneratorfunction(gen), outer())
print([n for n, _ in inspect.getmembers(A, inspect.isfunction)], inspect.signature(A.m).bind(1, 2, 3, c=4).arguments, inspect.getmro(bool), inspect.isabstract(A), inspect.getattr_static(A, "p").__class__, inspect.unwrap(outer) is outer, inspect.getmodule(inspect) is inspect, inspect.cleandoc("  a\n    b"), inspect.isclass(A), inspect.getgeneratorstate(gen()), inspect.CO_GENERATOR)
print(inspect.Signature([inspect.Parameter("x", inspect.Parameter.KEYWORD_ONLY, default=1)]), inspect.signature(lambda *, k=1: 0), inspect.signature(int) if 0 else "")
x = 1
def free(): return x, len, undefined_name
y = inspect.getclosurevars(free); print(sorted(y.globals), sorted(y.builtins), y.unbound)
# %% recursion
import sys
def f(n): return f(n + 1)
try:
    f(0)
except RecursionError as error:
    print(error)
sys.setrecursionlimit(200)
try:
    f(0)
except RecursionError as error:
    print(error)
# %% generators_and_coroutines
def g():
    try:
        x = yield 1
        print("got", x)
        yield from [2, 3]
    finally:
        print("closed")
i = g(); print(next(i), i.send("v")); i.close()
async def co(): return 5
c = co()
try:
    c.send(None)
except StopIteration as stop:
    print(stop.value)
# %% classes_and_closures
class Meta(type):
    def __prepare__(name, bases, **kw): return {"injected": kw}
    def __new__(m, name, bases, ns, **kw): return super().__new__(m, name, bases, ns)
    def __init__(cls, name, bases, ns, **kw): super().__init__(name, bases, ns)
class A(metaclass=Meta, flag=1):
    __private = 3
    __slots__ = ("__x", "y")
    def __init__(self): self.__x = 1
print(A.injected, A._A__private, A()._A__x, A.__slots__, type("T", (), {"__slots__": ("__p", "___", "__q__")}).__dict__.keys() - {"__doc__", "__module__"} >= {"_T__p"})
def counter():
    n = 0
    def inc():
        nonlocal n
        n += 1
        return n
    return inc
c = counter(); c(); print(c())
# %% exec_and_eval_of_code
code = (lambda: 6 * 7).__code__
print(eval(code), exec(code))
ns = {}
exec((lambda: __import__("json").dumps([1])).__code__, ns)
print("__builtins__" in ns)
# %% signatures_in_text
import enum, inspect
class Colour(enum.Enum):
    RED = 1
print(inspect.signature(enum.Enum), inspect.signature(Colour), inspect.signature(enum.Flag))
class Texted:
    def __init__(self): pass
for text in ("(a, b=1, /, *, c='x,y', d=None)", "($self, /, a, *args, k=-1, **kw)", "(*, a=[1])", "(m=sys.maxsize)"):
    f = type("F", (), {"__text_signature__": text, "__call__": lambda self: 0, "__name__": "f"})()
    try:
        print(inspect._signature_fromstr(inspect.Signature, len, text))
    except ValueError as error:
        print(error)
# %% closure_variables
import inspect
class A: real = 1
def f(a): return len(a.real), real_name, a.imag, str
real_name = 2
v = inspect.getclosurevars(f); print(v.globals, sorted(v.builtins), sorted(v.unbound))
# %% every_public_name_exists
import importlib
for name in ("asyncio", "asyncio.base_events", "collections", "dataclasses", "inspect", "os", "typing", "logging", "functools", "enum", "pathlib", "threading", "locale", "codecs", "importlib", "linecache", "traceback", "concurrent.futures", "uuid", "json", "re", "random", "statistics"):
    module = importlib.import_module(name)
    missing = [n for n in getattr(module, "__all__", ()) if not hasattr(module, n)]
    print(name, missing)
#> asyncio []
#> asyncio.base_events []
#> collections []
#> dataclasses []
#> inspect []
#> os []
#> typing []
#> logging []
#> functools []
#> enum []
#> pathlib []
#> threading []
#> locale []
#> codecs []
#> importlib []
#> linecache []
#> traceback []
#> concurrent.futures []
#> uuid []
#> json []
#> re []
#> random []
#> statistics []
