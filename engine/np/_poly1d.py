"""A polynomial as an object."""

from __future__ import annotations

import re

from polyvm.np import _core as core
from polyvm.np._polynomials import (
    poly,
    polyadd,
    polyder,
    polydiv,
    polyint,
    polymul,
    polysub,
    polyval,
    roots,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["poly1d"]


class poly1d:  # noqa: N801 - NumPy's name
    """A polynomial of one variable, by its coefficients, the highest power's first.

    ``p(x)`` evaluates it; sums, products and powers give others.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, c_or_r: Any, r: bool = False, variable: str | None = None) -> None:
        """Take coefficients, or roots with ``r``; another polynomial is copied."""
        if isinstance(c_or_r, poly1d):
            variable = c_or_r.variable if variable is None else variable
            c_or_r = c_or_r.coeffs
        elif r:
            c_or_r = poly(c_or_r)
        given = core.asarray(c_or_r)
        if given.ndim > 1:
            raise ValueError("Polynomial must be 1d only.")
        given = core.reshape(given, (-1,))
        (places,) = core.nonzero(given)
        kept = given[int(places[0]) :] if places.size else core.zeros(1, dtype=given.dtype)
        self._coeffs = kept.copy()
        self._variable = "x" if variable is None else variable

    @property
    def coeffs(self) -> Any:
        """The coefficients, the highest power's first."""
        return self._coeffs

    c = coef = coefficients = coeffs

    @property
    def variable(self) -> str:
        """The variable's name, for printing."""
        return self._variable

    @property
    def order(self) -> int:
        """The highest power."""
        return len(self._coeffs) - 1

    o = order

    @property
    def roots(self) -> Any:
        """Where it is 0."""
        return roots(self._coeffs)

    r = roots

    def __call__(self, val: Any) -> Any:
        return polyval(self._coeffs, val)

    def __len__(self) -> int:
        return self.order

    def __iter__(self) -> Iterator[Any]:
        return iter(self._coeffs)

    def __getitem__(self, power: int) -> Any:
        if not 0 <= power <= self.order:
            return core.zeros((), dtype=self._coeffs.dtype)[()]
        return self._coeffs[self.order - power]

    def __setitem__(self, power: int, value: Any) -> None:
        if power < 0:
            raise ValueError("Does not support negative powers.")
        if power > self.order:
            more = core.zeros(power - self.order, dtype=self._coeffs.dtype)
            self._coeffs = core.concat((more, self._coeffs))
        self._coeffs[self.order - power] = value

    def __neg__(self) -> poly1d:
        return poly1d(-self._coeffs)

    def __pos__(self) -> poly1d:
        return self

    @staticmethod
    def _of(other: Any) -> Any:
        return other if isinstance(other, poly1d) else poly1d(other)

    def __add__(self, other: Any) -> poly1d:
        return poly1d(polyadd(self._coeffs, self._of(other).coeffs))

    __radd__ = __add__

    def __sub__(self, other: Any) -> poly1d:
        return poly1d(polysub(self._coeffs, self._of(other).coeffs))

    def __rsub__(self, other: Any) -> poly1d:
        return poly1d(polysub(self._of(other).coeffs, self._coeffs))

    def __mul__(self, other: Any) -> poly1d:
        if not isinstance(other, poly1d) and core.asarray(other).ndim == 0:
            return poly1d(self._coeffs * other)
        return poly1d(polymul(self._coeffs, self._of(other).coeffs))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if not isinstance(other, poly1d) and core.asarray(other).ndim == 0:
            return poly1d(self._coeffs / other)
        return tuple(poly1d(part) for part in polydiv(self._coeffs, self._of(other).coeffs))

    def __rtruediv__(self, other: Any) -> Any:
        return self._of(other) / self

    def __pow__(self, power: int) -> poly1d:
        if power != int(power) or power < 0:
            raise ValueError("Power to non-negative integers only.")
        result = poly1d([1])
        for _ in range(int(power)):
            result = result * self
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, poly1d):
            return NotImplemented
        if self._coeffs.shape != other.coeffs.shape:
            return False
        return bool(core.all(self._coeffs == other.coeffs))

    def deriv(self, m: int = 1) -> poly1d:
        """Return the derivative, ``m`` times."""
        return poly1d(polyder(self._coeffs, m))

    def integ(self, m: int = 1, k: Any = 0) -> poly1d:
        """Return the integral, ``m`` times, with the constants ``k``."""
        return poly1d(polyint(self._coeffs, m, k))

    def __repr__(self) -> str:
        return f"poly1d({repr(self._coeffs)[6:-1]})"

    def __str__(self) -> str:
        last = self.order
        text = ""
        for k, value in enumerate(self._coeffs.tolist()):
            power = last - k
            number = _number(value)
            if number == "0" and last > 0:
                continue
            term = number
            if power:
                term += f" {self._variable}" + (f"**{power}" if power > 1 else "")
            if not text:
                text = term
            elif term.startswith("-"):
                text += f" - {term[1:]}"
            else:
                text += f" + {term}"
        return _raised(text)


def _number(value: Any) -> str:
    if isinstance(value, complex):
        if value.imag == 0:
            value = value.real
        elif value.real == 0:
            return f"{value.imag:.4g}j"
        else:
            return f"({value.real:.4g} + {value.imag:.4g}j)"
    return f"{value:.4g}"


def _raised(text: str) -> str:
    """Return two lines: powers, which the text has behind two stars, and the rest below them."""
    upper, lower = " ", ""
    at = 0
    for found in re.finditer(r"\*\*(\d+)", text):
        lower += text[at : found.start()]
        upper += " " * (len(lower) - len(upper)) + found.group(1)
        lower += " " * (len(found.group(1)) - 1)
        at = found.end()
    return f"{upper}\n{lower}{text[at:]}"
