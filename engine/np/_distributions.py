"""Distributions that are drawn element by element: their parameters, and methods made of them."""

from __future__ import annotations

from polyvm.np import _core as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CODES = {name: code for code, name in enumerate(core.tensor._distributions)}

# Distributions without more to them: their parameters, with what they are if not given.
PLAIN: dict[str, tuple[tuple[str, float | None], ...]] = {
    "beta": (("a", None), ("b", None)),
    "binomial": (("n", None), ("p", None)),
    "chisquare": (("df", None),),
    "exponential": (("scale", 1.0),),
    "f": (("dfnum", None), ("dfden", None)),
    "gamma": (("shape", None), ("scale", 1.0)),
    "geometric": (("p", None),),
    "gumbel": (("loc", 0.0), ("scale", 1.0)),
    "hypergeometric": (("ngood", None), ("nbad", None), ("nsample", None)),
    "laplace": (("loc", 0.0), ("scale", 1.0)),
    "logistic": (("loc", 0.0), ("scale", 1.0)),
    "lognormal": (("mean", 0.0), ("sigma", 1.0)),
    "logseries": (("p", None),),
    "negative_binomial": (("n", None), ("p", None)),
    "noncentral_chisquare": (("df", None), ("nonc", None)),
    "noncentral_f": (("dfnum", None), ("dfden", None), ("nonc", None)),
    "pareto": (("a", None),),
    "poisson": (("lam", 1.0),),
    "power": (("a", None),),
    "rayleigh": (("scale", 1.0),),
    "standard_cauchy": (),
    "standard_t": (("df", None),),
    "triangular": (("left", None), ("mode", None), ("right", None)),
    "vonmises": (("mu", None), ("kappa", None)),
    "wald": (("mean", None), ("scale", None)),
    "weibull": (("a", None),),
    "zipf": (("a", None),),
}


def _plain(owner: str, name: str, parameters: tuple[tuple[str, float | None], ...]) -> Any:
    """Make the method of a distribution: its parameters, then ``size``."""
    code, names = CODES[name], [one for one, _ in parameters]
    count = len(names)

    def method(self: Any, *args: Any, **options: Any) -> Any:
        if len(args) > count + 1:
            raise TypeError(f"{name}() takes at most {count + 1} arguments ({len(args)} given)")
        size = args[count] if len(args) > count else options.pop("size", None)
        values = list(args[:count])
        for parameter, default in parameters[len(values) :]:
            value = options.pop(parameter, default) if options else default
            if value is None:
                raise TypeError(f"{name}() missing required argument '{parameter}'")
            values.append(value)
        if options:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(options))}'")
        return self._fill(code, size, None, None, *values)

    method.__name__ = name
    method.__qualname__ = f"{owner}.{name}"
    text = ", ".join(one if given is None else f"{one}={given}" for one, given in parameters)
    method.__doc__ = f"{name}({text}{', ' if text else ''}size=None): numbers so distributed."
    return method


def add_to(owner: type) -> None:
    """Give a class, which has `_fill`, a method for each."""
    for name, parameters in PLAIN.items():
        setattr(owner, name, _plain(owner.__name__, name, parameters))
