# %% fields_and_defaults
from collections import namedtuple
P = namedtuple("P", "x y z", defaults=[3, 4])
print(P(1), P(1, 2), P(1, z=9), P(x=1, y=2, z=3), P._fields, P._field_defaults, P.__match_args__)
print(P.__doc__, P.__new__.__doc__, P.x.__doc__, P._make.__doc__, P.__new__.__defaults__)
# %% errors
from collections import namedtuple
P = namedtuple("P", "x y")
for call in (lambda: P(), lambda: P(1), lambda: P(1, 2, 3), lambda: P(1, q=2), lambda: P(1, 2, x=1),
             lambda: P._make([1]), lambda: P(1, 2)._replace(q=1), lambda: namedtuple("P", "x x"),
             lambda: namedtuple("1P", "x"), lambda: namedtuple("P", "class"),
             lambda: namedtuple("P", "_x"), lambda: namedtuple("P", "x", defaults=[1, 2]),
             lambda: namedtuple("P", [1])):
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__, error)
# %% rename_and_module
from collections import namedtuple
R = namedtuple("R", "a class a _b ok", rename=True, module="elsewhere")
print(R._fields, R.__module__, R(*range(5)), R.__qualname__)
# %% no_fields_one_field_many_fields
from collections import namedtuple
print(namedtuple("E", "")(), namedtuple("O", "only")(1))
M = namedtuple("M", [f"f{i}" for i in range(300)])
m = M(*range(300))
print(len(m), m.f0, m.f255, m.f256, m.f299, M(**{f"f{i}": -i for i in range(300)}).f299)
# %% methods
from collections import namedtuple
P = namedtuple("P", "x y")
p = P(1, 2)
print(p._asdict(), p._replace(y=5), p == (1, 2), hash(p) == hash((1, 2)), p < P(1, 3), p + (3,))
x, y = p
print(x, y, p[0], p[-1], p.index(2), p.count(1), list(p), {p: 1}[P(1, 2)])
print(P.__new__.__qualname__, P.__new__.__name__, P._replace.__qualname__, p.__getnewargs__())
# %% subclass_and_super_new
from collections import namedtuple
class V(namedtuple("V", "x y", defaults=(0,))):
    __slots__ = ()
    def __new__(cls, x, y=7):
        return super().__new__(cls, x * 2, y)
    @property
    def size(self):
        return self.x + self.y
print(V(1), V(1).size, V(2, 3)._replace(x=0), type(V._make([1, 2])).__name__)
# %% pickling_and_copying
import copy, pickle
from collections import namedtuple
P = namedtuple("P", "x y")
for protocol in range(6):
    assert pickle.loads(pickle.dumps(P(1, [2]), protocol)) == P(1, [2])
print(copy.copy(P(1, 2)), copy.deepcopy(P([1], {2: 3})), copy.replace(P(1, 2), x=8))
# %% pattern_matching
from collections import namedtuple
P = namedtuple("P", "x y")
match P(1, 2):
    case P(x=1, y=2) as whole:
        print("keyword", whole)
match P(3, 4):
    case P(a, b):
        print("positional", a, b)
# %% signature
import inspect
from collections import namedtuple
P = namedtuple("P", "x y z", defaults=(1,))
print(inspect.signature(P), inspect.getfullargspec(P.__new__))
# %% typing_namedtuple
from typing import NamedTuple, get_type_hints
class Employee(NamedTuple):
    """An employee."""
    name: str
    id: int = 3
    def label(self):
        return f"{self.name}#{self.id}"
print(Employee("Ann"), Employee("Ann", 4).label(), Employee._field_defaults, Employee.__doc__)
print(Employee.__annotations__, get_type_hints(Employee))
print(NamedTuple("Q", [("a", int), ("b", str)])(1, "x"))
try:
    class Bad(NamedTuple):
        a: int = 1
        b: int
except TypeError as error:
    print(error)
# %% generic_namedtuple
from typing import Generic, NamedTuple, TypeVar
T = TypeVar("T")
class Box(NamedTuple, Generic[T]):
    item: T
print(Box[int](3), Box("x").item, Box[int])
