"""NumPy's settings for floating-point errors: kept and told, without effect.

Kernels never look at the processor's flags: divisions by zero, overflows and the like give
infinities and NaNs, and nothing is said. Programs that set what to do about them run unchanged.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["errstate", "geterr", "seterr"]

_MODES = ("ignore", "warn", "raise", "call", "print", "log")
_state = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def geterr() -> dict[str, str]:
    """Return the settings."""
    return dict(_state)


def seterr(
    all: str | None = None,
    divide: str | None = None,
    over: str | None = None,
    under: str | None = None,
    invalid: str | None = None,
) -> dict[str, str]:
    """Change settings, which have no effect; return those from before."""
    before = dict(_state)
    changes = {"divide": divide, "over": over, "under": under, "invalid": invalid}
    for name, mode in changes.items():
        chosen = all if mode is None else mode
        if chosen is None:
            continue
        if chosen not in _MODES:
            _state.update(before)
            raise ValueError(f"invalid key {chosen!r}; must be one of {', '.join(_MODES)}")
        _state[name] = chosen
    return before


class errstate:  # noqa: N801 - NumPy's name
    """Settings that hold within ``with``, or while a decorated function runs; without effect."""

    def __init__(self, **settings: Any) -> None:
        settings.pop("call", None)
        self._settings = settings
        self._before: dict[str, str] = {}

    def __enter__(self) -> None:
        self._before = seterr(**self._settings)

    def __exit__(self, *caught: object) -> None:
        seterr(**self._before)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function."""

        def run(*args: Any, **options: Any) -> Any:
            with errstate(**self._settings):
                return function(*args, **options)

        run.__name__ = function.__name__
        run.__doc__ = function.__doc__
        return run
