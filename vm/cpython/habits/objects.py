"""Classes as task code writes them."""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import functools
import math
import operator
import typing
from typing import TYPE_CHECKING

from habits.material import EVENTS
from habits.registry import habit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Shape(abc.ABC):
    """A small hierarchy, as task code writes it."""

    registry: typing.ClassVar[dict[str, type[Shape]]] = {}
    sides = 0

    def __init_subclass__(cls, **options: object) -> None:
        """Note the kinds."""
        super().__init_subclass__(**options)
        Shape.registry[cls.__name__] = cls

    def __init__(self, name: str, *, scale: float = 1.0, **extra: object) -> None:
        self.name = name
        self.scale = scale
        self.extra = extra
        self._area: float | None = None
        self.rank = 0.0

    @abc.abstractmethod
    def compute(self) -> float:
        """Return the area at scale one."""

    @property
    def area(self) -> float:
        """The area, computed once."""
        if self._area is None:
            self._area = self.compute() * self.scale**2
        return self._area

    @classmethod
    def named(cls, kind: str, *args: float) -> Shape:
        """Make one by the name of its kind."""
        return cls.registry[kind](kind.lower(), *args)

    @staticmethod
    def better(one: Shape, other: Shape) -> Shape:
        """Return the bigger one."""
        return one if one.area >= other.area else other

    def __lt__(self, other: Shape) -> bool:
        return self.area < other.area

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.area == other.area

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, area={self.area:.2f})"


class Circle(Shape):
    """One with a radius."""

    def __init__(self, name: str, radius: float = 1.0, **options: typing.Any) -> None:
        super().__init__(name, **options)
        self.radius = radius

    def compute(self) -> float:
        """Return the area of the disc."""
        return math.pi * self.radius * self.radius


class Box(Shape):
    """One with sides."""

    sides = 4

    def __init__(
        self, name: str, width: float = 1.0, height: float = 2.0, **options: typing.Any
    ) -> None:
        super().__init__(name, **options)
        self.width, self.height = width, height

    def compute(self) -> float:
        """Return the product of the sides."""
        return self.width * self.height


@habit
def classes() -> object:
    """Methods, properties, super, class and static methods, special methods, getattr."""
    shapes: list[Shape] = [
        Circle(f"c{n}", n / 3, scale=1.5) if n % 2 else Box(f"b{n}", n, height=n + 1.0)
        for n in range(60)
    ]
    shapes.append(Shape.named("Box", 2.0, 3.0))
    best = functools.reduce(Shape.better, shapes)
    names = [getattr(shape, "radius", None) or shape.sides for shape in shapes]
    for shape in shapes:
        if hasattr(shape, "width"):
            shape.width *= 1.01
        shape.rank = shape.area // 10
    total = sum(shape.area for shape in shapes if isinstance(shape, Circle) and shape.name != "c3")
    return (
        best,
        names,
        sorted(shapes)[:3],
        len(set(shapes)),
        total,
        [repr(shape) for shape in shapes[:9]],
    )


class Vector:
    """Operators on a class with slots."""

    __slots__ = ("x", "y")

    def __init__(self, x: float, y: float) -> None:
        self.x = x
        self.y = y

    def __add__(self, other: Vector) -> Vector:
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, k: float) -> Vector:
        return Vector(self.x * k, self.y * k)

    def __getitem__(self, index: int) -> float:
        return self.y if index else self.x

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[float]:
        yield self.x
        yield self.y

    def __bool__(self) -> bool:
        return bool(self.x or self.y)

    def __call__(self, z: float) -> float:
        """Return the line's value at z."""
        return self.x * z + self.y

    def __contains__(self, value: float) -> bool:
        return value in (self.x, self.y)


@habit
def operators() -> object:
    """Overloaded operators, iteration, calls and containment."""
    total = Vector(0, 0)
    for n in range(150):
        total = total + Vector(n, -n) * 0.5
        if n in total or not total:
            total = total + Vector(*total)
    return tuple(total), total[0], total(2.0), len(total), list(map(total, (1.0, 2.0)))


@dataclasses.dataclass(order=True)
class Item:
    """A record with defaults."""

    price: float
    name: str = "none"
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """A frozen record."""

    x: int
    y: int


class Level(enum.IntEnum):
    """Levels of a rule."""

    LOW = 1
    MIDDLE = 2
    HIGH = 3


class Flag(enum.Flag):
    """Flags of a user."""

    NEW = enum.auto()
    MOBILE = enum.auto()
    MAIL = enum.auto()


Pair = collections.namedtuple("Pair", "left right")  # noqa: PYI024 - a habit


class Named(typing.NamedTuple):
    """A typed tuple."""

    user: str
    price: float = 0.0


@habit
def records() -> object:
    """Dataclasses, named tuples, enums."""
    items = [Item(event["price"], event["event"], event["tags"]) for event in EVENTS[:60]]
    points = {Point(n % 7, n % 5) for n in range(60)}
    pairs = [Pair(item.name, item.price)._replace(right=0) for item in items[:20]]
    named = [Named(event["user"], event["price"]) for event in EVENTS[:60]]
    levels = [Level(1 + n % 3) for n in range(40)]
    flags = functools.reduce(operator.or_, (Flag.NEW, Flag.MAIL))
    high = [level.name for level in levels if level >= Level.MIDDLE or level is Level.HIGH]
    return (
        max(items),
        dataclasses.asdict(items[0]),
        len(points),
        pairs,
        max(named, key=lambda n: n.price),
        high,
        Flag.MAIL in flags,
    )
