# %% enum
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto, nonmember, unique
class Colour(Enum):
    RED = 1
    GREEN = auto()
    CRIMSON = 1
    def describe(self):
        return self.name.lower()
print(list(Colour), Colour(2), Colour["RED"], Colour.CRIMSON is Colour.RED, Colour.RED.describe())
class P(Flag):
    R = auto()
    W = auto()
    RW = R | W
print(P.R | P.W, P.RW & P.R, ~P.R, bool(P(0)), list(P.RW), P(3))
class I(IntEnum):
    A = 1
class S(StrEnum):
    ONE = auto()
class F(IntFlag):
    X = 1
print(I.A + 1, S.ONE, f"{S.ONE:>5}", F.X | 8, repr(F(9)), sorted([I.A, 0]))
for bad in (lambda: Colour(9), lambda: Colour["X"]):
    try:
        bad()
    except (ValueError, KeyError) as error:
        print(type(error).__name__, error)
try:
    @unique
    class D(Enum):
        A = B = 1
except ValueError as error:
    print(error)
print(Enum("Made", "a b c").b, Enum("M", {"x": 5}).x.value)
# %% enum_with_data
from enum import Enum, member, verify, CONTINUOUS
import pickle
class Planet(Enum):
    EARTH = (5.97, 6.37)
    MARS = (0.64, 3.39)
    def __init__(self, mass, radius):
        self.mass = mass
        self.radius = radius
    @property
    def density(self):
        return round(self.mass / self.radius, 3)
print(Planet.EARTH.density, Planet((0.64, 3.39)), pickle.loads(pickle.dumps(Planet.MARS)))
# %% protocols
from typing import Protocol, runtime_checkable
@runtime_checkable
class Sized(Protocol):
    def size(self) -> int: ...
class A:
    def size(self): return 1
print(isinstance(A(), Sized), isinstance(3, Sized), issubclass(A, Sized))
# %% generics
from typing import (Annotated, Any, Callable, ClassVar, Generic, Literal, Optional, ParamSpec, Tuple,
                    TypeVar, Union, get_args, get_origin, List, Dict)
T = TypeVar("T", bound=int)
P = ParamSpec("P")
class Stack(Generic[T]): pass
print(Optional[int], Union[int, str, int], Callable[[int], str], Literal["a", 1], Dict[str, List[int]])
print(get_origin(Dict[str, int]), get_args(Callable[[int, str], bool]), Stack[T], Stack[bool], Any)
print(Annotated[int, "meta"].__metadata__, int | None, list[int] | str, Tuple[int, ...])
def first[U](items: list[U]) -> U:
    return items[0]
print(first([1]), first.__type_params__)
type Pair[A] = tuple[A, A]
print(Pair[int], Pair.__value__)
# %% typed_dict
from typing import NotRequired, Required, TypedDict, get_type_hints
class M(TypedDict, total=False):
    a: Required[int]
    b: str
print(M(a=1), M.__required_keys__, M.__optional_keys__, get_type_hints(M))
# %% hints_from_strings
from __future__ import annotations
import typing
from typing import Annotated, Callable, Literal, Optional, get_type_hints
class Node:
    value: int
    next: Node | None
    table: dict[str, list[Node]]
    pair: tuple[int, ...]
    call: Callable[[int, str], bool]
    mode: Literal["r", 'w', -1, 0x10]
    maybe: typing.Optional["Node"]
    meta: Annotated[int, dict(low=1, high=2.5), ("a", b"b")]
    none: None
def f(a: Node, *args: int, **kwargs: "list['Node']") -> Optional[str]: ...
print(get_type_hints(Node))
print(get_type_hints(Node, include_extras=True)["meta"])
print(get_type_hints(f))
# %% hints_errors
from typing import ForwardRef, get_type_hints
class A:
    x: "Missing"
for bad in (lambda: get_type_hints(A), lambda: get_type_hints(f)):
    try:
        bad()
    except NameError as error:
        print(error)
print(ForwardRef("int"), ForwardRef("a.b") == ForwardRef("a.b"), ForwardRef("int").__forward_arg__)
# %% type_variable_tuples
from typing import Generic, TypeVarTuple, Unpack, get_type_hints
Ts = TypeVarTuple("Ts")
class A(Generic[*Ts]): pass
def f(*args: "*Ts") -> "tuple[*Ts]": ...
print(A[int, str], get_type_hints(f)["return"], get_type_hints(f)["args"])
# %% misc_typing
import typing
from typing import TYPE_CHECKING, NewType, assert_never, cast, final, no_type_check, overload, override
Id = NewType("Id", int)
@overload
def f(x: int) -> int: ...
@overload
def f(x: str) -> str: ...
def f(x): return x
print(Id(5), cast("int", "x"), TYPE_CHECKING, len(typing.get_overloads(f)), final(A := type("A", (), {})).__final__)
try:
    assert_never(3)
except AssertionError as error:
    print(error)
# %% annotations_of_inspect
from __future__ import annotations
import inspect
def f(a: int, b: list[str] = ()) -> dict[str, int]: ...
print(inspect.signature(f), inspect.get_annotations(f, eval_str=True), inspect.signature(f, eval_str=True))
