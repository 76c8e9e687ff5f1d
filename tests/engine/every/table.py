"""The table of calls: for each function, how its arguments are made and results compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .making import as_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from .making import Maker

Call = tuple[str, Any, dict[str, Any]]
Arguments = tuple[list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Check:
    """How near results must be.

    `ulps` units in the last place of each element; or `rtol` of the largest element; both 0: the
    same numbers, and with `zeros` the same signs of zeros. `by` looks at both results itself.
    """

    ulps: float = 0
    rtol: float = 0.0
    zeros: bool = True
    dtypes: bool = True
    by: Callable[[Any, Any], None] | None = None


EXACT = Check()
UNSIGNED_ZEROS = Check(zeros=False)
ULPS = Check(ulps=5, zeros=False)  # 4 of ours, and NumPy's own
SUMS = Check(rtol=1.0, zeros=False)  # in units of the type's precision times 64


@dataclass(frozen=True)
class Entry:
    make: Callable[[Maker], Arguments]
    check: Check
    examples: int


TABLE: dict[str, Entry] = {}


def entry(
    *names: str, check: Check = EXACT, examples: int = 12
) -> Callable[[Callable[[Maker], Arguments]], Callable[[Maker], Arguments]]:
    """Enter a maker of arguments for functions; dotted names lead into submodules.

    `ndarray.NAME` is a method, whose first argument is the array itself. What is used in another
    way than by a call is in performing.py.
    """

    def enter(make: Callable[[Maker], Arguments]) -> Callable[[Maker], Arguments]:
        for name in " ".join(names).split():
            assert name not in TABLE, f"{name} is in the table twice"
            TABLE[name] = Entry(make, check, examples)
        return make

    return enter


def call_of(name: str, maker: Maker) -> Call:
    """One call of a function, as data."""
    args, options = TABLE[name].make(maker)
    return name, as_data(args), {key: as_data(one) for key, one in options.items()}
