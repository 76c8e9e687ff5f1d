# %% keyword_only
from dataclasses import KW_ONLY, dataclass, field, fields
@dataclass
class C:
    a: int
    _: KW_ONLY
    b: int
    c: int = 3
    d: int = field(kw_only=False, default=9)
print(C(1, b=2), C(1, 5, b=2, c=4), [(f.name, f.kw_only) for f in fields(C)], C.__match_args__)
print(C.__init__.__kwdefaults__, C.__init__.__defaults__)
@dataclass(kw_only=True)
class K:
    x: int = 1
    y: int
print(K(y=2))
try:
    K(1, 2)
except TypeError as error:
    print(error)
try:
    K(x=1)
except TypeError as error:
    print(error)
# %% keyword_only_twice
from dataclasses import KW_ONLY, dataclass
try:
    @dataclass
    class C:
        a: int
        _: KW_ONLY
        b: int
        __: KW_ONLY
except TypeError as error:
    print(error)
# %% slots
from dataclasses import dataclass, field
@dataclass(slots=True)
class S:
    x: int
    y: int = 2
    z: list = field(default_factory=list)
    w: int = field(default=7, init=False)
    def who(self):
        return __class__ is type(self)
s = S(1)
print(s, S.__slots__, s.w, s.who(), hasattr(s, "__dict__"))
try:
    s.q = 1
except AttributeError as error:
    print(error)
# %% slots_inheritance_and_super
from dataclasses import dataclass
@dataclass(slots=True)
class A:
    x: int
    def show(self):
        return f"A{self.x}"
@dataclass(slots=True)
class B(A):
    y: int = 0
    def show(self):
        return super().show() + f"B{self.y}"
print(B(1, 2), B(1, 2).show(), B.__slots__, A.__slots__)
try:
    @dataclass(slots=True)
    class C:
        __slots__ = ("q",)
        q: int
except TypeError as error:
    print(error)
# %% slots_frozen_pickle
import pickle
from dataclasses import dataclass
@dataclass(frozen=True, slots=True)
class C:
    x: int
    y: str = "y"
c = C(1)
print(pickle.loads(pickle.dumps(c)) == c, c)
try:
    c.x = 4
except AttributeError as error:
    print(type(error).__name__, error)
try:
    c.new = 4
except (AttributeError, TypeError) as error:
    print(type(error).__name__, error)
# %% weakref_slot
import weakref
from dataclasses import dataclass
@dataclass(slots=True, weakref_slot=True)
class C:
    x: int
c = C(1)
print(weakref.ref(c)() is c, C.__slots__)
try:
    @dataclass(weakref_slot=True)
    class D:
        x: int
except TypeError as error:
    print(error)
# %% inheritance_order
from dataclasses import dataclass, field, fields
@dataclass
class A:
    x: int = 1
    y: int = 2
@dataclass
class B(A):
    z: int = 3
    x: str = "b"
print(B(), [f.name for f in fields(B)], B("q", 5))
class Plain(A):
    w: int = 0
print(Plain(), [f.name for f in fields(Plain)])
try:
    @dataclass
    class C(A):
        q: int
except TypeError as error:
    print(error)
# %% classvar_and_strings
from __future__ import annotations
import typing
from dataclasses import InitVar, dataclass, fields
from typing import ClassVar
@dataclass
class C:
    a: int
    b: ClassVar[int] = 5
    c: typing.ClassVar = 6
    d: InitVar[int] = 7
    e: list[int] | None = None
    def __post_init__(self, d):
        print("d", d)
print(C(1), [f.name for f in fields(C)], [f.type for f in fields(C)], C.__init__.__annotations__)
# %% replace_asdict_astuple
import copy
from dataclasses import asdict, astuple, dataclass, field, fields, is_dataclass, replace
from collections import namedtuple
T = namedtuple("T", "p q")
@dataclass
class Inner:
    v: int
@dataclass
class C:
    a: Inner
    b: list
    c: dict
    t: T = T(1, 2)
    n: int = field(init=False, default=3)
c = C(Inner(1), [Inner(2)], {"k": Inner(3)})
print(asdict(c), astuple(c), asdict(c, dict_factory=lambda items: sorted(k for k, _ in items)))
print(replace(c, b=[]), copy.replace(c, c={}), is_dataclass(c), is_dataclass(C), is_dataclass(int))
for bad in (lambda: replace(c, n=4), lambda: replace(c, zz=1), lambda: asdict(3), lambda: fields(3)):
    try:
        bad()
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error)
# %% make_dataclass
from dataclasses import field, make_dataclass
C = make_dataclass("C", ["a", ("b", int), ("c", int, field(default=5))],
                   namespace={"add": lambda self: self.b + self.c}, frozen=True)
print(C(1, 2), C(1, 2).add(), C.__module__)
for bad in (["a", "a"], ["class"], ["1x"], [1]):
    try:
        make_dataclass("B", bad)
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error)
# %% signatures_and_docs
import inspect
from dataclasses import KW_ONLY, dataclass, field
@dataclass
class C:
    a: int
    b: list = field(default_factory=list)
    _: KW_ONLY
    c: str = "c"
    d: float
print(inspect.signature(C), inspect.signature(C.__init__), C.__doc__)
print(inspect.signature(C.__eq__), inspect.signature(C.__repr__))
@dataclass
class D:
    "Mine."
    x: int
print(D.__doc__, inspect.getfullargspec(D.__init__))
# %% fields_metadata
from dataclasses import MISSING, dataclass, field, fields
@dataclass
class C:
    x: int = field(default=1, metadata={"unit": "s"})
    y: int = field(default_factory=int)
f, g = fields(C)
print(f.metadata["unit"], f.default, g.default is MISSING, f.type, repr(f)[:45])
try:
    field(default=1, default_factory=int)
except ValueError as error:
    print(error)
# %% explicit_methods_win
from dataclasses import dataclass
@dataclass
class C:
    x: int
    def __init__(self, x):
        self.x = x * 10
    def __repr__(self):
        return "mine"
    def __eq__(self, other):
        return True
print(C(1), C(1) == 5, C(1).x)
@dataclass(init=False)
class D:
    x: int = 3
print(D(), D().x)
# %% generic_and_abstract
import abc
from dataclasses import dataclass
from typing import Generic, TypeVar
T = TypeVar("T")
@dataclass
class Box(Generic[T]):
    item: T
class Base(abc.ABC):
    @property
    @abc.abstractmethod
    def x(self): ...
@dataclass
class Good(Base):
    x: int = 1
print(Box[int](3), Box("s"), Good())
@dataclass
class New[T]:
    item: T
print(New(1), New.__type_params__)
# %% descriptor_default
from dataclasses import dataclass
class D:
    def __set_name__(self, owner, name):
        self.name = "_" + name
    def __get__(self, instance, owner):
        return 9 if instance is None else getattr(instance, self.name, 9)
    def __set__(self, instance, value):
        setattr(instance, self.name, int(value))
@dataclass
class C:
    x: D = D()
print(C(), C("4"), C().x)
# %% many_fields
from dataclasses import make_dataclass, field, asdict
C = make_dataclass("C", [(f"f{i}", int, field(default=i) if i % 2 else field(default_factory=int))
                         for i in range(280)], order=True, unsafe_hash=True)
c = C()
print(c.f0, c.f255, c.f279, c == C(), hash(c) == hash(C()), c < C(f279=1000), len(repr(c)))
F = make_dataclass("F", [f"f{i}" for i in range(280)], frozen=True)
print(F(*range(280)).f279, sum(asdict(F(*range(280))).values()))
# %% pattern_matching
from dataclasses import dataclass
@dataclass
class P:
    x: int
    y: int
match P(1, 2):
    case P(1, y):
        print("matched", y)
# %% cached_property_and_methods
from dataclasses import dataclass, field
from functools import cached_property, total_ordering
@total_ordering
@dataclass
class C:
    x: int
    @cached_property
    def double(self):
        return self.x * 2
    def __lt__(self, other):
        return self.x < other.x
print(C(2).double, C(1) < C(2), C(3) >= C(2))
