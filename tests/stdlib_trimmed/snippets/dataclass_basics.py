# %% plain
from dataclasses import dataclass
@dataclass
class C:
    x: int
    y: float = 1.5
    z: str = "z"
print(C(1), C(1, 2), C(1, z="q"), C(1) == C(1), C(1) == C(2), C(1) != C(2), C.y, C.__doc__)
print(C.__match_args__, C(1).__dict__, C.__init__.__annotations__, C.__init__.__defaults__)
print(C.__init__.__qualname__, C.__eq__.__qualname__, C.__repr__.__qualname__, C.__hash__)
# %% call_errors
from dataclasses import dataclass, field
@dataclass
class C:
    x: int
    y: int = 2
    z: int = field(default=3, kw_only=True)
for args, kwargs in [((), {}), ((1, 2, 3), {}), ((1,), {"q": 1}), ((1,), {"x": 1}), ((1,), {"z": 4})]:
    try:
        print(C(*args, **kwargs))
    except TypeError as error:
        print(error)
# %% default_factory
from dataclasses import dataclass, field
@dataclass
class C:
    a: list = field(default_factory=list)
    b: dict = field(default_factory=lambda: {"k": 1}, repr=False)
    c: int = field(default_factory=int, init=False)
x, y = C(), C()
x.a.append(1)
print(x, y, x.b, C([5], {}).b, x.c, C.__init__.__defaults__)
# %% mutable_default_refused
from dataclasses import dataclass, field
for bad in ([], {}, set()):
    try:
        @dataclass
        class C:
            x: object = bad
    except ValueError as error:
        print(error)
# %% order
from dataclasses import dataclass, field
@dataclass(order=True)
class C:
    x: int
    y: int = field(compare=False, default=0)
    z: int = 0
print(C(1) < C(2), C(1, 9) <= C(1, 0), C(2) > C(1), C(1, z=1) >= C(1, z=2), sorted([C(3), C(1)]))
print(C.__lt__(C(1), 5), C.__ge__(C(1), "x"))
try:
    C(1) < 5
except TypeError as error:
    print(error)
@dataclass(order=True)
class One:
    x: float
print(One(float("nan")) < One(1), One(1) <= One(1))
@dataclass(order=True)
class None_:
    pass
print(None_() < None_(), None_() <= None_())
# %% order_conflicts
from dataclasses import dataclass
for options in ({"order": True}, {"order": True, "eq": False}, {"unsafe_hash": True}):
    try:
        @dataclass(**options)
        class C:
            x: int
            def __lt__(self, other):
                return False
            def __hash__(self):
                return 1
        print("made")
    except (TypeError, ValueError) as error:
        print(type(error).__name__, error)
# %% equality
from dataclasses import dataclass
@dataclass
class C:
    a: object
    b: object = 0
class Weird:
    def __eq__(self, other):
        return []
nan = float("nan")
print(C(nan) == C(nan), C(1) == "x", C.__eq__(C(1), 1), C(Weird()) == C(1), C(1, Weird()) == C(1, 2))
same = C(nan)
print(same == same)
@dataclass(eq=False)
class N:
    a: int
print(N(1) == N(1), N.__hash__ is object.__hash__)
# %% hash
from dataclasses import dataclass, field
@dataclass(frozen=True)
class F:
    x: int
    y: int = field(hash=False, default=1)
@dataclass(unsafe_hash=True)
class U:
    x: int
@dataclass
class P:
    x: int
@dataclass(frozen=True, eq=False)
class I:
    x: int
print(hash(F(1)) == hash((1,)), hash(F(1, 2)) == hash(F(1, 3)), hash(U(3)) == hash((3,)), P.__hash__)
print(I.__hash__ is object.__hash__)
try:
    hash(F([]))
except TypeError as error:
    print(error)
# %% frozen
from dataclasses import FrozenInstanceError, dataclass, field
@dataclass(frozen=True)
class C:
    x: int
    y: list = field(default_factory=list)
    z: int = field(default=4, init=False)
    def __post_init__(self):
        object.__setattr__(self, "x", self.x + 1)
c = C(1)
print(c, c.z)
for change in (lambda: setattr(c, "x", 1), lambda: setattr(c, "new", 1), lambda: delattr(c, "x"),
               lambda: delattr(c, "nope")):
    try:
        change()
    except FrozenInstanceError as error:
        print(type(error).__name__, error)
class Sub(C):
    pass
s = Sub(5)
s.extra = 1
print(s.extra, s.x)
try:
    s.x = 2
except AttributeError as error:
    print(error)
# %% frozen_inheritance_rules
from dataclasses import dataclass
@dataclass(frozen=True)
class A:
    x: int
@dataclass
class B:
    x: int
for base, frozen in ((A, False), (B, True), (A, True), (B, False)):
    try:
        @dataclass(frozen=frozen)
        class C(base):
            y: int
        print(C(1, 2))
    except TypeError as error:
        print(error)
# %% frozen_defines_setattr
from dataclasses import dataclass
try:
    @dataclass(frozen=True)
    class C:
        x: int
        def __setattr__(self, name, value):
            pass
except TypeError as error:
    print(error)
# %% repr
from dataclasses import dataclass, field
@dataclass
class Node:
    value: int
    next: object = None
    hidden: int = field(default=1, repr=False)
n = Node(1)
n.next = n
print(n, Node("a'b", Node(2)))
class Outer:
    @dataclass
    class Inner:
        x: int
    @dataclass
    class Empty:
        pass
print(Outer.Inner(1), Outer.Empty())
@dataclass(repr=False)
class Quiet:
    x: int
print("Quiet object" in repr(Quiet(1)))
# %% post_init_and_initvar
from dataclasses import InitVar, dataclass, field
@dataclass
class C:
    a: int
    scale: InitVar[int]
    b: int = field(init=False)
    extra: InitVar[str] = "none"
    def __post_init__(self, scale, extra):
        self.b = self.a * scale
        print("post", extra)
print(C(2, 3), C(2, 3, extra="q").b, C.extra, C.__match_args__, InitVar[int])
try:
    C(2)
except TypeError as error:
    print(error)
# %% self_named_field
from dataclasses import dataclass
@dataclass
class C:
    self: int
    other: int = 2
c = C(1)
print(c, c == C(1), C(self=5).self, C.__init__.__code__.co_varnames[0])
